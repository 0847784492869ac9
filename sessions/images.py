"""The images of all sessions: numbered, owned, with their lineage, and which one is current in its session.

`get(owner, id)` is the only way to one. What is in an image, and what should be drawn, is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from sqlite_utils import Database

from sessions.connection import Connection
from sessions.image_files import ImageFiles
from sessions.records import Damaged, ImageRecord, NewImage, NotFound, SessionRecord
from sessions.rows import VISIBLE_IMAGES, insert, many, now, one, read_heads, write_heads

_ABANDONED = 3600  # seconds after which a file without a row belongs to no turn that still runs


class Move(NamedTuple):
    """What an undo or redo did: the image that was current before it and the one after; None is none."""

    left: ImageRecord | None
    current: ImageRecord | None


class StoredImages:
    """Rows in the store's database, bytes in files.

    Args:
        make_id: makes the 128-bit id of (turn, step, index): the same on every replay, and not to be guessed.
    """

    def __init__(self, connection: Connection, files: ImageFiles, make_id: Callable[..., str]) -> None:
        self._connection = connection
        self._files = files
        self._make_id = make_id

    def add(
        self, session: SessionRecord, turn: str, step: int, index: int, image: Image.Image, new: NewImage
    ) -> ImageRecord:
        """Store the `index`-th image of a step, give it the session's next number and make it current.

        The bytes are on disk before the row is. If the row is there already, nothing changes.

        Raises:
            NotFound: the session is gone, or a parent is not the owner's.
        """
        identity = self._make_id("image", turn, step, index)
        sha256 = self._files.save(image)
        known = {"id": identity, "owner": session.owner, "session": session.id, "turn": turn}
        size = {"width": image.width, "height": image.height}
        try:
            with self._connection.writing() as db:
                if not one(db, "SELECT id FROM image WHERE id = ?", identity):
                    if not self._files.path(sha256).exists():  # it had no row yet, and was swept just now
                        self._files.save(image)
                    _insert_image(db, new, {**known, **size, "sha256": sha256})
                    write_heads(db, session.id, read_heads(db, session.id).push(identity))
                    db.execute("UPDATE turn SET status = 'committed' WHERE id = ?", [turn])
            return self.get(session.owner, identity)
        except NotFound:
            self._remove_unused(sha256)
            raise

    def _remove_unused(self, sha256: str) -> None:
        """Remove the file unless a row needs it; whoever is about to write such a row saves it once more."""
        # If this fails too, the sweep comes by later.
        with suppress(OSError, sqlite3.Error), self._connection.writing() as db:
            if not one(db, "SELECT id FROM image WHERE sha256 = ?", sha256):
                self._files.remove(sha256)

    def sweep(self) -> int:
        """Remove files that a crash left without a row more than an hour ago; returns how many.

        With no rows at all nothing is removed: then it is the database that was lost.
        """
        with self._connection.writing() as db:
            kept = {row["sha256"] for row in many(db, "SELECT sha256 FROM image")}
            return self._files.sweep(kept, older_than=_ABANDONED) if kept else 0

    def find(self, owner: str, turn: str, step: int, index: int) -> ImageRecord | None:
        """The `index`-th image of a step if it was stored before, so that a replay need not make it again."""
        try:
            return self.get(owner, self._make_id("image", turn, step, index))
        except NotFound:
            return None

    def get(self, owner: str, image: str) -> ImageRecord:
        """What is known of an image of that id.

        Raises:
            NotFound: it does not exist, its session is deleted, or it belongs to someone else.
        """
        with self._connection.reading() as db:
            row = one(db, f"{VISIBLE_IMAGES} AND image.owner = ? AND image.id = ?", owner, image)
            if not row:
                raise NotFound("There is no such image.")
            return ImageRecord.model_validate(row)

    def pixels(self, owner: str, image: str) -> Image.Image:
        """The image itself, RGB.

        Raises:
            NotFound: as for `get`.
            Damaged: its file is missing, or holds other bytes than were stored.
        """
        record = self.get(owner, image)
        opened = self._files.open(record.sha256)
        if opened is None:
            raise Damaged(record.n)
        return opened

    def png(self, owner: str, image: str) -> bytes:
        """The bytes of the image's PNG file. Raises as `pixels` does."""
        record = self.get(owner, image)
        data = self._files.read(record.sha256)
        if data is None:
            raise Damaged(record.n)
        return data

    def path(self, owner: str, image: str) -> Path:
        """Where the image's PNG file lies, or should. Raises as `get` does."""
        return self._files.path(self.get(owner, image).sha256)

    def of(self, session: SessionRecord) -> tuple[ImageRecord, ...]:
        """The session's images by number."""
        sql = f"{VISIBLE_IMAGES} AND image.owner = ? AND image.session = ? ORDER BY image.n"
        with self._connection.reading() as db:
            return tuple(ImageRecord.model_validate(row) for row in many(db, sql, session.owner, session.id))

    def numbers(self, session: SessionRecord) -> tuple[int, ...]:
        """The numbers of the session's images, in order."""
        sql = "SELECT n FROM image WHERE owner = ? AND session = ? ORDER BY n"
        with self._connection.reading() as db:
            return tuple(row["n"] for row in many(db, sql, session.owner, session.id))

    def numbered(self, session: SessionRecord, n: int) -> ImageRecord:
        """The session's image `#n`. Raises as `get` does."""
        sql = f"{VISIBLE_IMAGES} AND image.owner = ? AND image.session = ? AND image.n = ?"
        with self._connection.reading() as db:
            row = one(db, sql, session.owner, session.id, n)
        if not row:
            raise NotFound("There is no such image.")
        return ImageRecord.model_validate(row)

    def seeds(self, session: SessionRecord, prompt: str) -> frozenset[int]:
        """The seeds that the session's images were made from these words with, completed first or not."""
        sql = (
            "SELECT seed FROM image WHERE owner = ? AND session = ? "
            "AND ? IN (prompt_used, json_extract(receipt, '$.prompt_given'))"
        )
        with self._connection.reading() as db:
            rows = many(db, sql, session.owner, session.id, prompt)
        return frozenset(row["seed"] for row in rows if row["seed"] is not None)

    def next_number(self, session: SessionRecord) -> int:
        """The number that the session's next image would get. Raises NotFound if the session is gone."""
        with self._connection.reading() as db:
            return _next_number(db, session.id, session.owner)

    def head(self, session: SessionRecord) -> ImageRecord | None:
        """The session's current image."""
        with self._connection.reading() as db:
            current = read_heads(db, session.id).current
        return self.get(session.owner, current) if current else None

    def undo(self, session: SessionRecord, turn: str, step: int) -> Move:
        """Make the image before the current one current. Repeated for the same step it moves no further."""
        return self._move(session, turn, step, forward=False)

    def redo(self, session: SessionRecord, turn: str, step: int) -> Move:
        """Take back the last undo, if nothing was made since; otherwise nothing moves."""
        return self._move(session, turn, step, forward=True)

    def _move(self, session: SessionRecord, turn: str, step: int, *, forward: bool) -> Move:
        with self._connection.writing() as db:
            sql = "SELECT left_image, now_image FROM move WHERE owner = ? AND turn = ? AND step = ?"
            moved = one(db, sql, session.owner, turn, step)
            if not moved:
                before = read_heads(db, session.id)
                after = before.forward() if forward else before.back()
                write_heads(db, session.id, after)
                moved = {"left_image": before.current, "now_image": after.current}
                insert(db, "move", {"turn": turn, "step": step, "owner": session.owner, **moved})
        left, current = (
            self.get(session.owner, image) if image else None
            for image in (moved["left_image"], moved["now_image"])
        )
        return Move(left, current)


def _insert_image(db: Database, new: NewImage, row: dict[str, Any]) -> None:
    """Write the row, its number and its lineage."""
    n = _next_number(db, row["session"], row["owner"])
    db.execute("UPDATE session SET next_n = ?, updated = ? WHERE id = ?", [n + 1, now(), row["session"]])
    roots = []
    for parent, _ in new.parents:
        found = one(db, "SELECT root FROM image WHERE id = ? AND owner = ?", parent, row["owner"])
        if not found:
            raise NotFound("There is no such image.")
        roots.append(found["root"])
    root = roots[0] if roots else row["id"]
    insert(
        db, "image", {**new.model_dump(exclude={"parents"}), **row, "n": n, "root": root, "created": now()}
    )
    for position, (parent, role) in enumerate(new.parents):
        line = {
            "child": row["id"],
            "position": position,
            "parent": parent,
            "role": role,
            "owner": row["owner"],
        }
        insert(db, "lineage", line)


def _next_number(db: Database, session: str, owner: str) -> int:
    sql = "SELECT next_n FROM session WHERE id = ? AND owner = ? AND deleted IS NULL"
    found = one(db, sql, session, owner)
    if not found:
        raise NotFound("There is no such session.")
    return found["next_n"]
