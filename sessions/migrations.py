"""The schema of the store, as steps that are only ever appended. A released step is never changed."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

STORE = Migrations("store")


@STORE()
def m001_sessions_turns_images(db: Database) -> None:
    """The first schema. Every table has an owner; a session's name is free again once it is deleted."""
    for statement in _FIRST.split(";\n"):
        db.execute(statement)


@STORE()
def m002_unfinished_turns(db: Database) -> None:
    """What a later try of a turn begins with, and the turns without a reply found without reading all."""
    db.execute("ALTER TABLE turn ADD COLUMN state TEXT")
    db.execute("CREATE INDEX turn_unfinished ON turn (session) WHERE reply IS NULL")


_FIRST = """
CREATE TABLE session (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, branch TEXT NOT NULL,
    next_n INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL, deleted TEXT
);
CREATE UNIQUE INDEX session_by_name ON session (owner, name) WHERE deleted IS NULL;
CREATE TABLE branch (
    session TEXT NOT NULL REFERENCES session (id), name TEXT NOT NULL, owner TEXT NOT NULL,
    heads TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (session, name)
);
CREATE TABLE turn (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, session TEXT NOT NULL REFERENCES session (id),
    key TEXT NOT NULL, fingerprint TEXT NOT NULL, text TEXT NOT NULL, channel TEXT NOT NULL,
    status TEXT NOT NULL, plan TEXT, reply TEXT, created TEXT NOT NULL, seconds REAL, UNIQUE (session, key)
);
CREATE TABLE image (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, session TEXT NOT NULL REFERENCES session (id),
    turn TEXT NOT NULL REFERENCES turn (id), n INTEGER NOT NULL, op TEXT NOT NULL, root TEXT NOT NULL,
    prompt_typed TEXT NOT NULL, prompt_used TEXT NOT NULL, caption TEXT NOT NULL, region TEXT, seed INTEGER,
    width INTEGER NOT NULL, height INTEGER NOT NULL, outside_change REAL, receipt TEXT, sha256 TEXT NOT NULL,
    created TEXT NOT NULL, deleted TEXT, UNIQUE (session, n)
);
CREATE TABLE lineage (
    child TEXT NOT NULL REFERENCES image (id), position INTEGER NOT NULL,
    parent TEXT NOT NULL REFERENCES image (id), role TEXT NOT NULL, owner TEXT NOT NULL,
    PRIMARY KEY (child, position)
);
CREATE TABLE move (
    turn TEXT NOT NULL REFERENCES turn (id), step INTEGER NOT NULL, owner TEXT NOT NULL,
    left_image TEXT REFERENCES image (id), now_image TEXT REFERENCES image (id), PRIMARY KEY (turn, step)
)
"""
