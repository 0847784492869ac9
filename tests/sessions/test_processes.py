"""Several processes on one data folder: nothing is lost, doubled or corrupted."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from sessions.store import SessionStore

_WRITER = """
import sys
from pathlib import Path
from PIL import Image
from sessions.records import NewImage
from sessions.store import SessionStore

folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = SessionStore(folder)
session = store.session("ann", "shared")
for i in range(count):
    turn = store.begin_turn(session, key=f"{name}-{i}", fingerprint="", text=name, channel="test").id
    image = Image.new("RGB", (4, 4), (i % 256, i // 256 % 256, len(name)))
    store.images.add(session, turn, 0, 0, image, NewImage(op="generate"))
    store.finish_turn("ann", turn, status="replied", plan=None, reply={}, seconds=0.0)
store.close()
"""


def test_two_processes_that_start_on_an_empty_folder_both_write_everything(tmp_path: Path) -> None:
    count = 15
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), name, str(count)], stderr=subprocess.PIPE
        )
        for name in ("one", "other")
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=300)
        assert writer.returncode == 0, errors.decode()
    store = SessionStore(tmp_path)
    history = store.history("ann", "shared")
    assert len(store.list_sessions("ann")) == 1
    assert [image.n for image in history.images] == list(range(1, 2 * count + 1))
    assert len(history.turns) == 2 * count
    assert all(store.images.pixels("ann", image.id).size == (4, 4) for image in history.images)
    store.close()
    assert sqlite3.connect(tmp_path / "store.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_process_killed_while_writing_leaves_a_sound_store(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), "killed", "100000"])
    try:
        store = SessionStore(tmp_path)
        session = store.session("ann", "shared")
        deadline = time.monotonic() + 60
        while len(store.images.of(session)) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        writer.kill()
        writer.wait()
    images = store.images.of(session)
    assert len(images) >= 5
    assert [image.n for image in images] == list(range(1, len(images) + 1))
    assert all(store.images.path("ann", image.id).exists() for image in images)
    assert store.images.next_number(session) == len(images) + 1
    store.close()
    assert sqlite3.connect(tmp_path / "store.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
