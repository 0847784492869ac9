"""The store's folder: private from the first, and refused where opening it would lose something."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sessions.data_folder import UnusableStore
from sessions.records import NewImage
from sessions.store import SessionStore


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A folder with one session, one turn and one picture in it."""
    folder = tmp_path / "data"
    store = SessionStore(folder)
    session = store.session("ann", "a")
    turn = store.begin_turn(session, key="k", fingerprint="", text="draw", channel="test").id
    store.images.add(session, turn, 0, 0, Image.new("RGB", (4, 4)), NewImage(op="generate"))
    store.close()
    return folder


@pytest.fixture
def permissive_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.usefixtures("permissive_umask")
def test_folders_and_files_are_for_their_owner_alone_from_the_first(used: Path) -> None:
    modes = _modes(used)
    assert len(modes) > 5
    for name, mode in modes.items():
        assert mode == (0o700 if (used / name).is_dir() else 0o600), name


@pytest.mark.usefixtures("permissive_umask")
def test_an_older_store_that_others_can_read_is_closed_to_them(used: Path) -> None:
    (used / "store.db").chmod(0o644)
    (used / "images").chmod(0o755)
    SessionStore(used).close()
    assert _modes(used)["store.db"] == 0o600
    assert _modes(used)["images"] == 0o700


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 33, None])
def test_a_lost_or_damaged_key_is_refused_and_never_replaced(used: Path, key: bytes | None) -> None:
    if key is None:
        (used / "ids.key").unlink()
    else:
        (used / "ids.key").write_bytes(key)
    before = _contents(used)
    with pytest.raises(UnusableStore, match=r"ids\.key.*Put it back from a backup"):
        SessionStore(used)
    assert _contents(used) == before


def test_a_damaged_key_that_nothing_was_made_with_may_be_deleted(tmp_path: Path) -> None:
    SessionStore(tmp_path).close()
    (tmp_path / "ids.key").write_bytes(b"")
    with pytest.raises(UnusableStore, match="Delete it"):
        SessionStore(tmp_path)
    (tmp_path / "ids.key").unlink()
    SessionStore(tmp_path).close()
    assert len((tmp_path / "ids.key").read_bytes()) == 32


@pytest.mark.parametrize("state", ["empty", "missing"])
@pytest.mark.parametrize("left", ["images", "ids.key"])
def test_a_lost_database_is_refused_with_what_to_do_and_costs_no_picture(
    used: Path, state: str, left: str
) -> None:
    (used / "store.db").unlink()
    if state == "empty":
        (used / "store.db").touch()
    if left == "images":
        (used / "ids.key").unlink()
    else:
        shutil.rmtree(used / "images")
    before = _contents(used)
    with pytest.raises(UnusableStore, match=rf"store\.db is {state}.*Put store\.db back from a backup"):
        SessionStore(used)
    assert _contents(used) == before


def test_a_folder_where_a_process_was_killed_before_it_made_anything_opens(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    (tmp_path / "ids.new").write_bytes(b"half a key")
    SessionStore(tmp_path).close()
    assert _modes(tmp_path)["ids.key"] == 0o600
    assert not (tmp_path / "ids.new").exists()


def test_a_file_that_is_no_database_is_refused_and_kept(used: Path) -> None:
    (used / "store.db").write_bytes(b"not a database at all" * 400)
    before = _contents(used)
    with pytest.raises(UnusableStore, match=r"damaged.*backup"):
        SessionStore(used)
    assert _contents(used) == before
