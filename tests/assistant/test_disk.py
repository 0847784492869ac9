"""Disks that are full, broken or closed: a turn says so, loses nothing, and is done under its key later."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

FULL = ("disk_full", errno.ENOSPC, "database or disk is full", "The disk is full")
BROKEN = ("disk_failed", errno.EIO, "disk I/O error", "The disk could not be read or written")
CLOSED = ("not_writable", errno.EROFS, "attempt to write a readonly database", "cannot be written to")

_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT", "CREATE", "ALTER")


class Disk:
    """Counts everything that is written, and fails at the n-th write from `fail_at` on."""

    def __init__(self) -> None:
        self._number, self._words = FULL[1], FULL[2]
        self._left: int | None = None
        self._goes_on = False

    def fail_at(self, n: int, number: int, words: str, *, goes_on: bool) -> None:
        self._left, self._number, self._words, self._goes_on = n, number, words, goes_on

    def mend(self) -> bool:
        """Let everything be written again; says whether anything had failed."""
        failed = self._left is not None and self._left <= 0
        self._left = None
        return failed

    def run(self, sql: str) -> None:
        if sql.lstrip().upper().startswith(_WRITES) and self._fails():
            raise sqlite3.OperationalError(self._words)

    def write_file(self) -> None:
        if self._fails():
            raise OSError(self._number, os.strerror(self._number))

    def _fails(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        return self._left == 0 or (self._left < 0 and self._goes_on)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """What stands between every database and file that is opened from now on, and the real disk."""
    made = Disk()

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *values: Any) -> Any:
            made.run(sql)
            return super().execute(sql, *values)

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, sql: str, *values: Any) -> Any:
            made.run(sql)
            return super().execute(sql, *values)

        def commit(self) -> None:
            if self.in_transaction:
                made.run("COMMIT")
            super().commit()

    connect, open_file, replace, fsync = sqlite3.connect, os.open, os.replace, os.fsync

    def counted_open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT and not os.path.exists(path):
            made.write_file()
        return open_file(path, flags, *arguments, **options)

    def counted_replace(*paths: Any) -> None:
        made.write_file()
        replace(*paths)

    def counted_fsync(handle: int) -> None:
        made.write_file()
        fsync(handle)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Connection))
    monkeypatch.setattr(os, "open", counted_open)
    monkeypatch.setattr(os, "replace", counted_replace)
    monkeypatch.setattr(os, "fsync", counted_fsync)
    yield made
    made.mend()


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


@pytest.mark.parametrize(
    ("kind", "goes_on"),
    [(FULL, True), (BROKEN, True), (CLOSED, True), (FULL, False)],
    ids=["full from then on", "broken from then on", "closed from then on", "full once"],
)
def test_whichever_write_fails_the_turn_says_so_and_is_done_under_its_key_later(
    disk: Disk, tmp_path: Path, scripted: ScriptedRuntime, kind: tuple[str, int, str, str], goes_on: bool
) -> None:
    code, number, words, told = kind
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    take(conversation, "a cat", command="generate")
    failures, n, failed = 0, 0, True
    while failed:
        n += 1
        turn = {"text": f"rain {n}", "command": "edit", "reply_to": 1, "idempotency_key": f"k{n}"}
        disk.fail_at(n, number, words, goes_on=goes_on)
        reply = take(conversation, **turn)
        failed = disk.mend()
        expected = f"Edited #1 → #{n + 1}: rain {n}."
        if reply.error:
            failures += 1
            assert reply.error.code == code, (n, reply)
            assert told in reply.text
            reply = take(conversation, **turn)
        assert (reply.text, reply.error) == (expected, None), n
        assert take(conversation, **turn) == reply
    assert failures > 10
    history = conversation.store.history("local", "default")
    assert [image.n for image in history.images] == list(range(1, n + 2))
    assert [turn.text for turn in history.turns] == ["a cat", *(f"rain {i}" for i in range(1, n + 1))]
    assert {turn.status for turn in history.turns} == {"replied"}
    for image in history.images:
        assert conversation.store.images.pixels("local", image.id).size == (16, 16)
    conversation.close()
    Conversation(SessionStore(tmp_path), scripted, tmp_path).close()  # removes what could not be removed then
    for name in ("store.db", "turns.db"):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(sqlite3.connect(tmp_path / "turns.db")) as database:
        assert database.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)
    assert list(tmp_path.rglob("*.part")) == list(tmp_path.rglob("*.turn")) == []


def test_a_new_conversation_on_a_full_disk_says_so_in_the_language_of_the_message(
    disk: Disk, tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    disk.fail_at(1, *FULL[1:3], goes_on=True)
    replies = [take(conversation, text, command="generate") for text in ("a cat", "一只猫")]
    disk.mend()
    assert [reply.text for reply in replies] == [
        "The disk is full, so this could not be kept. Nothing that was there is lost. Make room, then send "
        "it again.",
        "磁盘满了，这次的内容没能保存。原来的内容都还在。请腾出空间，然后重新发送。",
    ]
    assert take(conversation, "a cat", command="generate").text == "Drew #1."
    conversation.close()


def test_turns_of_others_go_on_after_a_turn_that_could_not_be_kept(
    disk: Disk, tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    """Its place in the history has no reply, which must hold up nobody, here or in another process."""
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    scripted.before = lambda _cancel: disk.fail_at(1, *FULL[1:3], goes_on=True)
    failed = take(conversation, "a cat", command="generate")
    assert failed.error is not None
    scripted.before = lambda _cancel: None
    disk.mend()
    assert conversation.store.history("local", "default").turns[0].reply is None
    other = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    (closed,) = other.store.history("local", "default").turns
    assert closed.status == "stopped"
    assert take(other, "a dog", command="generate").text == "Drew #1."
    assert take(conversation, "a rabbit", command="generate").text == "Drew #2."
    other.close()
    conversation.close()


def test_a_database_that_another_program_holds_is_told_as_such(
    conversation: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripted: ScriptedRuntime
) -> None:
    take(conversation, "a cat", command="generate")
    with closing(sqlite3.connect(tmp_path / "data" / "store.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with conversation.store._connection.reading() as db:
            db.execute("PRAGMA busy_timeout = 10")
        held = take(conversation, "a dog", command="generate", idempotency_key="k")
    assert held.error is not None
    assert held.error.code == "history_busy"
    assert take(conversation, "a dog", command="generate", idempotency_key="k").text == "Drew #2."


def test_a_database_that_may_not_grow_any_more_is_a_full_disk(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    """SQLite's own error, not one of ours."""
    take(conversation, "a cat", command="generate")
    with conversation.store._connection.reading() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
    replies = [take(conversation, "w" * 1900, command="generate") for _ in range(10)]
    errors = {reply.error.code for reply in replies if reply.error}
    assert errors == {"disk_full"}
    with conversation.store._connection.reading() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    assert take(conversation, "a dog", command="generate").error is None


_ON_A_SMALL_DISK = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import ScriptedRuntime
from assistant.conversation import Conversation
from assistant.turn import Turn
from sessions.store import SessionStore

folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(bytes(300_000))
conversation = Conversation(SessionStore(folder / "data"), ScriptedRuntime(), folder / "data")
failed = None
for n in range(1000):
    turn = Turn(text=f"cat {n} " * 100, command="generate", seed=n, idempotency_key=f"k{n}")
    reply = asyncio.run(conversation.take_turn(turn))
    if reply.error:
        break
assert n > 5
assert reply.error.code == "disk_full", reply
ballast.unlink()
reply = asyncio.run(conversation.take_turn(turn))
assert reply.text == f"Drew #{n + 1}.", reply
history = conversation.store.history("local", "default")
assert [image.n for image in history.images] == list(range(1, n + 2))
for image in history.images:
    conversation.store.images.pixels("local", image.id)
conversation.close()
print("done")
"""


def _in_a_room_of_its_own(*command: str) -> subprocess.CompletedProcess[str]:
    """Run with mounts that nobody else sees."""
    return subprocess.run(["unshare", "-rm", *command], capture_output=True, text=True, timeout=300)


def test_a_disk_that_is_really_full_is_told_as_such_and_works_again_with_room(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path}"
    try:
        allowed = _in_a_room_of_its_own("sh", "-c", mount).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this machine lets nobody mount a small disk")
    script = [sys.executable, "-c", _ON_A_SMALL_DISK, str(tmp_path), str(Path(__file__).parent.parent)]
    done = _in_a_room_of_its_own("sh", "-c", f"{mount} && exec {shlex.join(script)}")
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_told_as_such(
    conversation: Conversation, tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    take(conversation, "a cat", command="generate")
    (tmp_path / "data" / "images").chmod(0o500)
    reply = take(conversation, "a dog", command="generate", seed=77)
    (tmp_path / "data" / "images").chmod(0o700)
    assert reply.error is not None
    assert reply.error.code == "not_writable"
