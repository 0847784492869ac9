"""`SessionStore`: the one door to history. Every read says who asks; nothing is overwritten or renumbered.

Sessions and turns are here, images under `.images`. What a turn means is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from pathlib import Path
from typing import Any

from sessions.connection import Connection
from sessions.image_files import ImageFiles
from sessions.images import StoredImages
from sessions.migrations import STORE
from sessions.records import History, NotFound, SessionRecord, TurnRecord, TurnStatus
from sessions.rows import insert, many, now, one, to_json

TITLE_LENGTH = 60
"""Characters of a session's first message that become its title."""

_NAMED = "SELECT * FROM session WHERE owner = ? AND name = ? AND deleted IS NULL"


class SessionStore:
    """Sessions, turns and images under one folder; any number of threads and processes may use it at once.

    Args:
        folder: holds `store.db`, `images/` and `ids.key`, which image ids are made with; made when missing.
    """

    images: StoredImages

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = Connection(folder / "store.db", STORE)
        self._key = _load_key(folder / "ids.key")
        self.images = StoredImages(self._connection, ImageFiles(folder / "images"), self._make_id)
        self.images.sweep()

    def close(self) -> None:
        self._connection.close()

    def session(self, owner: str, name: str) -> SessionRecord:
        """The owner's session of that name, made when there is none."""
        session = self.find_session(owner, name)
        if session:
            return session
        with self._connection.writing() as db:
            found = one(db, _NAMED, owner, name)  # another process may have made it just now
            if found:
                return SessionRecord.model_validate(found)
            row = {"id": uuid.uuid4().hex, "owner": owner, "name": name, "title": "", "branch": "main"}
            row |= dict.fromkeys(("created", "updated"), now())
            insert(db, "session", {**row, "next_n": 1})
            branch = {"session": row["id"], "name": "main", "owner": owner, "heads": [], "position": 0}
            insert(db, "branch", branch)
            return SessionRecord.model_validate(row)

    def find_session(self, owner: str, name: str) -> SessionRecord | None:
        with self._connection.reading() as db:
            found = one(db, _NAMED, owner, name)
        return SessionRecord.model_validate(found) if found else None

    def list_sessions(self, owner: str) -> tuple[SessionRecord, ...]:
        """The owner's sessions, the one used last first."""
        sql = "SELECT * FROM session WHERE owner = ? AND deleted IS NULL ORDER BY updated DESC, rowid DESC"
        with self._connection.reading() as db:
            return tuple(SessionRecord.model_validate(row) for row in many(db, sql, owner))

    def rename_session(self, owner: str, name: str, title: str) -> None:
        """Change the title. Raises NotFound if the owner has no session of that name."""
        session = self._require_session(owner, name)
        with self._connection.writing() as db:
            db.execute("UPDATE session SET title = ? WHERE id = ?", [title, session.id])

    def delete_session(self, owner: str, name: str) -> None:
        """Hide a session and its images; its name is free again. Raises NotFound as `rename_session` does."""
        session = self._require_session(owner, name)
        with self._connection.writing() as db:
            db.execute("UPDATE session SET deleted = ? WHERE id = ?", [now(), session.id])

    def history(self, owner: str, name: str) -> History:
        """Everything of a session that can be seen again.

        Raises:
            NotFound: the owner has no session of that name.
        """
        session = self._require_session(owner, name)
        sql = "SELECT * FROM turn WHERE session = ? AND owner = ? ORDER BY rowid"
        with self._connection.reading() as db:
            turns = tuple(TurnRecord.model_validate(row) for row in many(db, sql, session.id, owner))
            head = self.images.head(session)
            return History(
                session=session, turns=turns, images=self.images.of(session), head=head.n if head else None
            )

    def begin_turn(
        self, session: SessionRecord, *, key: str, fingerprint: str, text: str, channel: str
    ) -> TurnRecord:
        """The session's turn of that idempotency key, made when there is none.

        A turn that was there before may have another `fingerprint`: then the key was used for something else.
        """
        with self._connection.writing() as db:
            found = one(db, "SELECT * FROM turn WHERE session = ? AND key = ?", session.id, key)
            if found:
                return TurnRecord.model_validate(found)
            record = TurnRecord(
                id=self._make_id("turn", session.id, key),
                owner=session.owner,
                session=session.id,
                key=key,
                fingerprint=fingerprint,
                text=text,
                channel=channel,
                status="started",
                plan=None,
                reply=None,
                created=now(),
                seconds=None,
            )
            insert(db, "turn", record.model_dump())
            title = " ".join(text.split())[:TITLE_LENGTH]
            db.execute(
                "UPDATE session SET updated = ?, title = CASE title WHEN '' THEN ? ELSE title END"
                " WHERE id = ?",
                [record.created, title, session.id],
            )
            return record

    def last_turn(self, session: SessionRecord, *, before: str | None = None) -> TurnRecord | None:
        """The session's newest turn, or the one just before the turn of the id `before`."""
        sql = (
            "SELECT * FROM turn WHERE session = ? AND owner = ?"
            " AND (? IS NULL OR rowid < (SELECT rowid FROM turn WHERE id = ?)) ORDER BY rowid DESC LIMIT 1"
        )
        with self._connection.reading() as db:
            found = one(db, sql, session.id, session.owner, before, before)
        return TurnRecord.model_validate(found) if found else None

    def get_turn(self, owner: str, turn: str) -> TurnRecord:
        """The turn of that id.

        Raises:
            NotFound: it does not exist or belongs to someone else.
        """
        with self._connection.reading() as db:
            found = one(db, "SELECT * FROM turn WHERE id = ? AND owner = ?", turn, owner)
        if not found:
            raise NotFound("There is no such turn.")
        return TurnRecord.model_validate(found)

    def finish_turn(
        self,
        owner: str,
        turn: str,
        *,
        status: TurnStatus,
        plan: dict[str, Any] | None,
        reply: dict[str, Any],
        seconds: float,
    ) -> None:
        """Keep what was planned and said: from now on a retry of the turn gets this reply."""
        with self._connection.writing() as db:
            db.execute(
                "UPDATE turn SET status = ?, plan = ?, reply = ?, seconds = ? WHERE id = ? AND owner = ?",
                [status, None if plan is None else to_json(plan), to_json(reply), seconds, turn, owner],
            )

    def _require_session(self, owner: str, name: str) -> SessionRecord:
        session = self.find_session(owner, name)
        if session is None:
            raise NotFound(f"There is no session named {name!r}.")
        return session

    def _make_id(self, *parts: str | int) -> str:
        """128 bits as hex, from this store's key: the same parts give the same id."""
        message = "\0".join(str(part) for part in parts).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]


def _load_key(path: Path) -> bytes:
    """The key of this store's ids, made once; of two processes that make it together, one wins."""
    if not path.exists():
        temporary = path.with_suffix(f".{uuid.uuid4().hex}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes()
