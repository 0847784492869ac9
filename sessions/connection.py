"""One SQLite file and one connection to it, with one writer at a time in this process and across processes.

The journal is SQLite's plain rollback journal. Write-ahead logging is faster, but up to SQLite 3.51.2 two
connections that write and checkpoint at the same moment can corrupt the file, and Pythons ship older versions
than that. A turn writes half a dozen small rows, so nobody notices what this costs.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database, Migrations

BUSY_SECONDS = 30.0
"""How long a write waits for another process before it fails."""


class Connection:
    """An open database whose schema is up to date.

    Two processes that open the same file together must not both apply the same migration: whoever opens holds
    a lock meanwhile (`data_folder.py`).

    Raises:
        sqlite3.OperationalError: another process held the database for longer than `BUSY_SECONDS`.
        sqlite3.DatabaseError: the file is no database.
    """

    def __init__(self, path: Path, migrations: Migrations) -> None:
        # Threads share the connection under one lock. Only `writing` begins transactions.
        self._db = Database(
            sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        )
        self._lock = threading.RLock()
        try:
            for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            migrations.apply(self._db)
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Database]:
        with self._lock:
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """All or nothing. The write lock is taken at once: what is read inside cannot change before it is
        written back."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Every SQL statement that is executed meanwhile, by any thread, in the list that is given."""
        statements: list[str] = []
        self._db.conn.set_trace_callback(statements.append)
        try:
            yield statements
        finally:
            self._db.conn.set_trace_callback(None)

    def close(self) -> None:
        with self._lock:
            self._db.close()
