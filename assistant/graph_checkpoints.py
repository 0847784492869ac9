"""Where the graph's state is kept between two nodes: one SQLite file for the turns in flight, no others."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from sessions.connection import BUSY_SECONDS


def open_checkpoints(path: Path) -> SqliteSaver:
    """A checkpointer that several processes may use at once, and that revives no objects from the file.

    The saver would switch to write-ahead logging, which is not safe with every SQLite (sessions.connection
    says why), so that one statement of its setup is passed over. Nothing is flushed to the disk: a killed
    process loses nothing by that, and a power cut only the turns in flight. Should it leave the file damaged,
    the file is made anew.

    Raises:
        sqlite3.OperationalError: another process held the file for longer than `BUSY_SECONDS`.
    """
    with FileLock(f"{path}.lock", mode=0o600):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # what is said is for the owner alone
        with suppress(PermissionError):
            path.chmod(0o600)
        connection = _connect(path)
        if not _is_sound(connection):
            connection.close()
            path.unlink()
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = _connect(path)
        connection.execute("PRAGMA synchronous=OFF")
        saver = SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        connection.set_authorizer(_without_journal_change)
        saver.setup()
        connection.set_authorizer(None)
    return saver


def threads(saver: SqliteSaver, limit: int) -> tuple[str, ...]:
    """The turns that have a graph checkpoint, at most `limit` of them."""
    with saver.cursor(transaction=False) as cursor:
        rows = cursor.execute("SELECT DISTINCT thread_id FROM checkpoints LIMIT ?", (limit,)).fetchall()
    return tuple(thread for (thread,) in rows)


def roll_back(saver: SqliteSaver) -> None:
    """Give up a write that failed half-way, which would else keep other processes from theirs."""
    with saver.lock:
        saver.conn.rollback()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)


def _is_sound(connection: sqlite3.Connection) -> bool:
    try:
        return connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.OperationalError:
        raise  # locked or unreadable just now, which says nothing about what is in it
    except sqlite3.DatabaseError:
        return False


def _without_journal_change(action: int, name: str | None, *_: object) -> int:
    change = action == sqlite3.SQLITE_PRAGMA and name == "journal_mode"
    return sqlite3.SQLITE_IGNORE if change else sqlite3.SQLITE_OK
