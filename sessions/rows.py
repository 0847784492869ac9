"""Between SQLite rows and records. Who may read a row is the business of those who call."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from sessions.heads import Heads

VISIBLE_IMAGES = (
    "SELECT image.*, (SELECT json_group_array(json_object('id', parent.id, 'n', parent.n, 'role', line.role))"
    " FROM (SELECT * FROM lineage WHERE child = image.id ORDER BY position) AS line"
    " JOIN image AS parent ON parent.id = line.parent) AS parents"
    " FROM image JOIN session ON session.id = image.session WHERE session.deleted IS NULL"
)
"""Images with their parents, in one statement however many they are."""

_JSON_COLUMNS = ("plan", "reply", "state", "region", "receipt", "parents")


def one(db: Database, sql: str, *values: Any) -> dict[str, Any] | None:
    """The first row, with its JSON columns read, or None."""
    return next(iter(many(db, sql, *values)), None)


def many(db: Database, sql: str, *values: Any) -> list[dict[str, Any]]:
    """All rows, with their JSON columns read.

    One statement. `Database.query` of sqlite-utils puts a savepoint around each: three.
    """
    cursor = db.execute(sql, values)
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    for row in rows:
        row.update({name: json.loads(row[name]) for name in _JSON_COLUMNS if row.get(name) is not None})
    return rows


def insert(db: Database, table: str, row: dict[str, Any]) -> None:
    """Insert a row; dicts, lists and tuples become JSON. Column names are our own.

    One statement. `Table.insert` of sqlite-utils reads the schema and opens a savepoint for each row: six.
    """
    places = ", ".join("?" for _ in row)
    values = [to_json(value) if isinstance(value, dict | list | tuple) else value for value in row.values()]
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", values)


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def now() -> str:
    """UTC, ISO 8601, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def read_heads(db: Database, session: str) -> Heads:
    """Of the session's current branch."""
    row = one(
        db,
        "SELECT heads, position FROM branch JOIN session ON session.id = branch.session"
        " WHERE branch.session = ? AND branch.name = session.branch",
        session,
    )
    return Heads(tuple(json.loads(row["heads"])), row["position"]) if row else Heads()


def write_heads(db: Database, session: str, heads: Heads) -> None:
    db.execute(
        "UPDATE branch SET heads = ?, position = ?"
        " WHERE session = ? AND name = (SELECT branch FROM session WHERE id = ?)",
        [to_json(list(heads.ids)), heads.position, session, session],
    )
