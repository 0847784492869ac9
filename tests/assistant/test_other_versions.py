"""Stores that other versions wrote: opened, read, and gone on with.

`tests/sessions/stores/first_edition` was written by the first edition, with a scripted runtime: a picture is
drawn ("draw"), edited ("edit"), asked about ("ask"), taken back ("undo"); one is uploaded ("upload"); there
is a question back ("clarify"), an edit of a region ("region") and a variation ("vary"). "queue full" failed,
and in "cut" the process was killed between the two steps of its plan. The words in quotes are the keys.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
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

FIRST_EDITION = Path(__file__).resolve().parent.parent / "sessions" / "stores" / "first_edition"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the first edition's store."""
    return Path(shutil.copytree(FIRST_EDITION, tmp_path / "data"))


@pytest.fixture
def conversation(folder: Path, scripted: ScriptedRuntime) -> Iterator[Conversation]:
    """Over that copy, or what a test made of it before it asked for this."""
    opened = Conversation(SessionStore(folder), scripted, folder)
    yield opened
    opened.close()


@pytest.fixture
def newer(folder: Path) -> Path:
    """The same store as a version to come might leave it: more columns, fields and words than are known."""
    with closing(sqlite3.connect(folder / "store.db")) as database:
        for table in ("session", "branch", "turn", "image", "lineage", "move"):
            database.execute(f"ALTER TABLE {table} ADD COLUMN to_come TEXT DEFAULT 'x'")
        replies = database.execute("SELECT id, key, reply FROM turn WHERE reply NOT NULL").fetchall()
        for turn, key, stored in replies:
            reply = _with_more(json.loads(stored))
            reply["tool"] = "upscale" if key == "edit" else reply["tool"]
            database.execute("UPDATE turn SET reply = ? WHERE id = ?", (json.dumps(reply), turn))
        database.execute("UPDATE image SET op = 'poster' WHERE n = 2")
        database.execute("UPDATE lineage SET role = 'style'")
        database.execute("UPDATE turn SET status = 'archived' WHERE key = 'edit'")
        database.commit()
    return folder


def _with_more(value: Any) -> Any:
    """Every object of a JSON value with a field that nobody knows."""
    if isinstance(value, list):
        return [_with_more(each) for each in value]
    if isinstance(value, dict):
        return {**{name: _with_more(each) for name, each in value.items()}, "to_come": [1]}
    return value


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def test_the_history_of_the_first_edition_is_read_in_full(conversation: Conversation) -> None:
    store = conversation.store
    history = store.history("local", "default")
    assert [turn.key for turn in history.turns] == [
        *("draw", "edit", "ask", "undo", "upload", "clarify", "region", "vary", "queue full", "cut")
    ]
    assert [image.op for image in history.images] == [
        *("generate", "edit", "upload", "inpaint", "variation", "generate")
    ]
    assert [[parent.n for parent in image.parents] for image in history.images] == [[], [1], [], [1], [1], []]
    for image in history.images:
        assert store.images.pixels("local", image.id).size == (image.width, image.height)
    assert store.history("local", "other").turns[0].text == "画一只猫"


@pytest.mark.parametrize("made", ["folder", "newer"])
def test_a_retry_of_an_old_key_gets_the_old_reply(
    request: pytest.FixtureRequest, scripted: ScriptedRuntime, made: str
) -> None:
    folder: Path = request.getfixturevalue(made)
    conversation = Conversation(SessionStore(folder), scripted, folder)
    drawn = take(conversation, "draw a robot", seed=5, idempotency_key="draw")
    assert (drawn.text, drawn.tool, drawn.head, drawn.images[0].n) == ("Drew #1.", "generate", 1, 1)
    assert drawn.images[0].receipt is not None
    assert drawn.images[0].receipt["model"] == "scripted"
    edited = take(conversation, "#1 in the rain", seed=6, idempotency_key="edit")
    assert edited.text == "Edited #1 → #2: make it rain."
    asked = take(conversation, "#9 make it rain", command="edit", seed=10, idempotency_key="clarify")
    assert [image.n for image in asked.candidates] == [1, 2, 3]
    assert scripted.requests == []
    conversation.close()


@pytest.mark.parametrize("made", ["folder", "newer"])
def test_a_new_turn_is_taken_in_an_old_conversation(
    request: pytest.FixtureRequest, scripted: ScriptedRuntime, made: str
) -> None:
    folder: Path = request.getfixturevalue(made)
    conversation = Conversation(SessionStore(folder), scripted, folder)
    scripted.will_edit("#2", "make it snow")
    assert take(conversation, "snow in #2").text == "Edited #2 → #7: make it snow."
    assert conversation.store.history("local", "default").head == 7
    conversation.close()


def test_what_failed_for_a_passing_reason_in_the_first_edition_can_be_done_now(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_draw("a dog")
    done = take(conversation, "draw a dog", seed=13, idempotency_key="queue full")
    assert done.text == "Drew #7."


def test_a_turn_that_the_first_edition_left_is_closed_and_can_be_taken_up(
    conversation: Conversation, scripted: ScriptedRuntime, folder: Path
) -> None:
    left = conversation.store.history("local", "default").turns[-1]
    assert (left.key, left.status) == ("cut", "stopped")
    assert left.reply is not None
    assert "This was cut short" in left.reply["text"]
    with closing(sqlite3.connect(folder / "turns.db")) as database:
        assert database.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)
    scripted.will_call(
        ("generate_image", {"prompt": "a cat"}),
        ("edit_image", {"image": "$1", "instruction": "make it rain"}),
    )
    done = take(conversation, "draw a cat, then make it rain", seed=15, idempotency_key="cut")
    assert done.text == "Drew #6.\nEdited #6 → #7: make it rain."
    assert len(scripted.requests) == 1


def test_the_history_of_a_version_to_come_is_read(newer: Path) -> None:
    store = SessionStore(newer)
    history = store.history("local", "default")
    assert len(history.turns) == 10
    assert (history.turns[1].status, history.images[1].op) == ("archived", "poster")
    assert history.images[1].parents[0].role == "style"
    read = Reply.read(history.turns[1].reply or {})
    assert (read.text, read.images[0].n) == ("Edited #1 → #2: make it rain.", 2)
    store.close()
