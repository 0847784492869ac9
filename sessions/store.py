"""`SessionStore`: the one door to history. Every read says who asks; nothing is overwritten or renumbered.

Sessions and turns are here, images under `.images`. What a turn means is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import uuid
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from sessions.data_folder import IMAGES, open_folder
from sessions.image_files import ImageFiles
from sessions.images import StoredImages
from sessions.records import History, NotFound, SessionRecord, TurnRecord, TurnStatus
from sessions.rows import insert, many, now, one, to_json

TITLE_LENGTH = 60
"""Characters of a session's first message that become its title."""

_NAMED = "SELECT * FROM session WHERE owner = ? AND name = ? AND deleted IS NULL"


class SessionStore:
    """Sessions, turns and images under one folder; any number of threads and processes may use it at once.

    Args:
        folder: holds `store.db`, `images/` and `ids.key`, which image ids are made with; made when missing.

    Raises:
        UnusableStore: the folder cannot be opened, or not without losing something; the text says what to do.
    """

    images: StoredImages

    def __init__(self, folder: Path) -> None:
        self._connection, self._key = open_folder(folder)
        self.images = StoredImages(self._connection, ImageFiles(folder / IMAGES), self._make_id)
        # What a crash left behind is no reason not to open, and a full disk neither.
        with suppress(OSError, sqlite3.OperationalError):
            self.images.sweep()

    def close(self) -> None:
        self._connection.close()

    def counting(self) -> AbstractContextManager[list[str]]:
        """The SQL statements that the store executes meanwhile, for tests and `bench`."""
        return self._connection.counting()

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

    def turn_id(self, session: SessionRecord, key: str) -> str:
        """The id of the session's turn of that idempotency key, whether or not there is one."""
        return self._make_id("turn", session.id, key)

    def begin_turn(
        self, session: SessionRecord, *, key: str, fingerprint: str, text: str, channel: str
    ) -> TurnRecord:
        """The session's turn of that idempotency key, made as its newest when there is none.

        A turn that was there before may have another `fingerprint`: then the key was used for something else.

        Raises:
            NotFound: the session was deleted.
        """
        with self._connection.writing() as db:
            if not one(db, "SELECT id FROM session WHERE id = ? AND deleted IS NULL", session.id):
                raise NotFound("There is no such session.")
            found = one(db, "SELECT * FROM turn WHERE session = ? AND key = ?", session.id, key)
            if found:
                return TurnRecord.model_validate(found)
            record = TurnRecord(
                id=self.turn_id(session, key),
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

    def reopen_turn(self, owner: str, turn: str) -> TurnRecord:
        """Forget the reply of a turn that is tried again; it becomes the newest of its session.

        So the order of turns is always the order in which they were done. Raises as `get_turn` does.
        """
        with self._connection.writing() as db:
            db.execute(
                "UPDATE turn SET reply = NULL, status = 'started', seconds = NULL, created = ?,"
                " rowid = (SELECT max(rowid) + 1 FROM turn) WHERE id = ? AND owner = ?",
                [now(), turn, owner],
            )
            return self.get_turn(owner, turn)

    def unfinished_before(self, session: SessionRecord, turn: str) -> TurnRecord | None:
        """The session's oldest turn without a reply, if it came before the turn of that id."""
        sql = (
            "SELECT * FROM turn WHERE session = ? AND owner = ? AND reply IS NULL"
            " AND rowid < (SELECT rowid FROM turn WHERE id = ?) ORDER BY rowid LIMIT 1"
        )
        with self._connection.reading() as db:
            found = one(db, sql, session.id, session.owner, turn)
        return TurnRecord.model_validate(found) if found else None

    def unfinished(self, limit: int) -> tuple[tuple[SessionRecord, TurnRecord], ...]:
        """The oldest turns without a reply of all sessions and owners, deleted ones too, at most `limit`."""
        sql = "SELECT * FROM turn WHERE reply IS NULL ORDER BY rowid LIMIT ?"
        with self._connection.reading() as db:
            turns = [TurnRecord.model_validate(row) for row in many(db, sql, limit)]
            sessions = [one(db, "SELECT * FROM session WHERE id = ?", turn.session) for turn in turns]
        return tuple(
            (SessionRecord.model_validate(session), turn)
            for session, turn in zip(sessions, turns, strict=True)
        )

    def is_unfinished(self, turn: str) -> bool:
        """Whether there is a turn of that id, of anybody's, without a reply."""
        with self._connection.reading() as db:
            return one(db, "SELECT id FROM turn WHERE id = ? AND reply IS NULL", turn) is not None

    def is_deleted(self, session: SessionRecord) -> bool:
        with self._connection.reading() as db:
            return one(db, "SELECT id FROM session WHERE id = ? AND deleted IS NULL", session.id) is None

    def last_turn(self, session: SessionRecord, *, before: str | None = None) -> TurnRecord | None:
        """The session's newest turn, or the one just before the turn of the id `before`."""
        found = self.last_turns(session, 1, before=before)
        return found[0] if found else None

    def last_turns(
        self, session: SessionRecord, limit: int, *, before: str | None = None
    ) -> tuple[TurnRecord, ...]:
        """The session's newest turns, or those just before the turn of the id `before`, in order."""
        sql = (
            "SELECT * FROM turn WHERE session = ? AND owner = ?"
            " AND (? IS NULL OR rowid < (SELECT rowid FROM turn WHERE id = ?)) ORDER BY rowid DESC LIMIT ?"
        )
        with self._connection.reading() as db:
            found = many(db, sql, session.id, session.owner, before, before, limit)
        return tuple(TurnRecord.model_validate(row) for row in reversed(list(found)))

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
        state: dict[str, Any] | None = None,
    ) -> None:
        """Keep what was planned and said: from now on a retry of the turn gets this reply.

        Args:
            state: where a later try goes on, if the reply need not be the last word.
        """
        with self._connection.writing() as db:
            db.execute(
                "UPDATE turn SET status = ?, plan = ?, reply = ?, seconds = ?, state = ?"
                " WHERE id = ? AND owner = ?",
                [
                    status,
                    None if plan is None else to_json(plan),
                    to_json(reply),
                    seconds,
                    None if state is None else to_json(state),
                    turn,
                    owner,
                ],
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
