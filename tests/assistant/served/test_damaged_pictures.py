"""A picture whose file is gone, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from PIL import Image

from sessions.records import NewImage
from sessions.store import SessionStore

if TYPE_CHECKING:
    from .conftest import ServedPage


def test_a_picture_whose_file_is_gone_is_gone_and_comes_back_with_it(
    served: ServedPage, tmp_path: Path
) -> None:
    store = SessionStore(tmp_path / "data")
    session = store.session("local", "a")
    turn = store.begin_turn(session, key="k", fingerprint="", text="draw", channel="test").id
    image = store.images.add(session, turn, 0, 0, Image.new("RGB", (4, 4)), NewImage(op="generate"))
    path = store.images.path("local", image.id)
    store.close()
    address = f"{served.address}/images/{image.id}.png"
    whole = httpx.get(address, headers=served.headers)
    assert (whole.status_code, whole.content) == (200, path.read_bytes())
    assert whole.headers["content-type"] == "image/png"
    for damage in (b"", b"no picture"):
        path.write_bytes(damage)
        assert httpx.get(address, headers=served.headers).status_code == 410
    path.unlink()
    gone = httpx.get(address, headers=served.headers)
    assert (gone.status_code, gone.headers["cache-control"]) == (410, "no-store")
    assert gone.json() == {"detail": "The file of #1 is missing or damaged."}
    path.write_bytes(whole.content)
    assert httpx.get(address, headers=served.headers).content == whole.content
    foreign = f"{served.address}/images/{'0' * 32}.png"
    assert httpx.get(foreign, headers=served.headers).status_code == 404
    assert "Traceback" not in served.log.read_text()
