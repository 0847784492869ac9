from __future__ import annotations

import asyncio
import io
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from assistant.conversation import Conversation
from assistant.graph_checkpoints import open_checkpoints, roll_back
from assistant.turn import Turn

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


@dataclass
class Anything:
    value: int


def test_checkpoints_hold_no_image_and_are_gone_after_the_turn(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    noise = Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3))
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    path = tmp_path / "data" / "turns.db"
    while_running: list[bytes] = []
    scripted.before = lambda _cancel: while_running.append(path.read_bytes())
    scripted.will_call(
        ("edit_image", {"image": "attached", "instruction": "rain"}),
        ("answer_question", {"image": "$1", "question": "wet?"}),
    )
    asyncio.run(conversation.take_turn(Turn(text="rain", attachments=(buffer.getvalue(),))))
    assert len(while_running) == 2
    assert all(b"rain" in content for content in while_running), "the turn in flight is on disk"
    for content in (*while_running, path.read_bytes()):
        assert noise.tobytes()[:64] not in content
        assert buffer.getvalue()[100:164] not in content
        assert b"IDAT" not in content
    connection = sqlite3.connect(path)
    for table in ("checkpoints", "writes"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_journal_is_not_the_write_ahead_log(tmp_path: Path) -> None:
    open_checkpoints(tmp_path / "turns.db").conn.close()
    mode = sqlite3.connect(tmp_path / "turns.db").execute("PRAGMA journal_mode").fetchone()
    assert mode == ("delete",)


def test_what_a_conversation_keeps_beside_the_store_is_for_its_owner_alone(
    conversation: Conversation, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        asyncio.run(conversation.take_turn(Turn(text="a cat", command="generate")))
        open_checkpoints(tmp_path / "turns.db").conn.close()
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"turns.db", "turns.db.lock", "store.db"}
    assert any(path.parent.name == "locks" for path in files)
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "data" / "locks").stat().st_mode) == 0o700


def test_a_write_that_failed_half_way_holds_up_no_other_process(tmp_path: Path) -> None:
    saver = open_checkpoints(tmp_path / "turns.db")
    saver.conn.execute("DELETE FROM checkpoints")  # and no commit: it was the commit that failed
    roll_back(saver)
    with closing(sqlite3.connect(tmp_path / "turns.db", timeout=0.05)) as other:
        other.execute("DELETE FROM checkpoints")
        other.commit()
    saver.conn.close()


def test_a_checkpoint_revives_no_object(tmp_path: Path) -> None:
    saver = open_checkpoints(tmp_path / "turns.db")
    revived = saver.serde.loads_typed(saver.serde.dumps_typed({"it": Anything(1), "text": "kept"}))
    assert not isinstance(revived["it"], Anything)
    assert revived["text"] == "kept"
    saver.conn.close()


def test_a_file_that_another_process_holds_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "turns.db"
    open_checkpoints(path).conn.close()
    monkeypatch.setattr("assistant.graph_checkpoints.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    before = path.stat().st_ino
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        open_checkpoints(path)
    assert path.stat().st_ino == before
    other.close()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "turns.db"
    path.write_bytes(b"not a database at all" * 400)
    saver = open_checkpoints(path)
    assert list(saver.list(None)) == []
    saver.conn.close()
