"""The folder that a store lives in: for its owner alone, opened whole, or refused with what to do."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from sessions.connection import Connection
from sessions.migrations import STORE
from sessions.rows import one

KEY_BYTES = 32

DATABASE, IMAGES, KEY = "store.db", "images", "ids.key"


class UnusableStore(Exception):
    """The folder cannot be opened without losing something of it. The text says what to do."""


def open_folder(folder: Path) -> tuple[Connection, bytes]:
    """The folder's database, and the key that its ids are made with; both are made in an empty folder.

    Raises:
        UnusableStore: the database was lost beside the pictures, the key was lost beside the database, or one
            of the two is damaged.
        OSError: the folder cannot be read or written.
        sqlite3.OperationalError: the database cannot, or another program holds it.
    """
    database, key = folder / DATABASE, folder / KEY
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / f"{DATABASE}.lock", mode=0o600):
        _check_database_is_not_lost(folder)
        _make_private(database)
        try:
            connection = Connection(database, STORE)
        except sqlite3.OperationalError:
            raise  # held, full or not allowed just now, which says nothing about what is in it
        except sqlite3.DatabaseError as error:
            raise UnusableStore(
                f"{database} is damaged ({error}). Put it back from a backup. Without one, move it away "
                f"together with {IMAGES}/ and {KEY} to begin anew."
            ) from error
        try:
            return connection, _load_key(key, connection)
        except BaseException:
            connection.close()
            raise


def _check_database_is_not_lost(folder: Path) -> None:
    """The key and the pictures are made after the database, so that they are never there without it."""
    database = folder / DATABASE
    if database.exists() and database.stat().st_size:
        return
    if (folder / KEY).exists() or next((folder / IMAGES).glob("??/*.png"), None):
        state = "empty" if database.exists() else "missing"
        raise UnusableStore(
            f"{database} is {state}, although {folder} was used before, so the conversations in it are lost. "
            f"Put {DATABASE} back from a backup. Without one, move {IMAGES}/ and {KEY} away to begin anew."
        )


def _make_private(database: Path) -> None:
    """The database, for its owner alone before anything is in it; SQLite gives its journal the same mode."""
    os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
    # Earlier versions left it to the umask. Somebody else's file cannot be changed, and need not be.
    with suppress(PermissionError):
        database.chmod(0o600)
        images = database.with_name(IMAGES)
        if images.is_dir():
            images.chmod(0o700)


def _load_key(path: Path, connection: Connection) -> bytes:
    """The key of this store's ids, made with the store. Ids made with another would not be found again."""
    with connection.reading() as db:
        used = one(db, "SELECT id FROM session LIMIT 1") is not None
    if path.exists():
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
        damaged = f"{path} has {len(key)} bytes instead of {KEY_BYTES}"
    elif used:
        damaged = f"{path} is missing"
    else:
        return _make_key(path)
    remedy = "Delete it: nothing was made with it yet."
    if used:
        remedy = (
            "Put it back from a backup. Without one, put a new one in its place (head -c 32 /dev/urandom): "
            "the conversations stay, and only turns that failed or were cut short may do something twice."
        )
    raise UnusableStore(f"{damaged}. {remedy}")


def _make_key(path: Path) -> bytes:
    key, temporary = secrets.token_bytes(KEY_BYTES), path.with_suffix(".new")
    temporary.unlink(missing_ok=True)  # of a process that was killed here; we hold the folder's lock
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return key
