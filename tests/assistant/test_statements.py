"""How much SQL a turn is: as much at a hundred and fifty pictures as at five."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from assistant.conversation import Conversation
from assistant.turn import Turn
from sessions.records import NewImage, Role
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

MOST = 40
"""Statements that a turn may execute in the store, whatever it does."""

Kind = tuple[Callable[["ScriptedRuntime"], None], dict[str, Any]]

KINDS: dict[str, Kind] = {
    "draw": (lambda runtime: runtime.will_draw("a cat"), {"text": "draw a cat"}),
    "edit": (lambda runtime: runtime.will_edit("last", "make it rain"), {"text": "make it rain"}),
    "ask": (lambda runtime: runtime.will_answer("last", "wet?"), {"text": "wet?"}),
    "reply to": (lambda runtime: runtime.will_answer("last", "wet?"), {"text": "wet?", "reply_to": 2}),
    "vary": (lambda runtime: None, {"command": "vary", "reply_to": 2, "seed": 1}),
    "undo": (lambda runtime: None, {"command": "undo"}),
    "clarify": (lambda runtime: None, {"text": "#999 make it rain", "command": "edit"}),
}


def fill(store: SessionStore, count: int) -> None:
    """A conversation with that many pictures, each edited from the one before."""
    session = store.session("local", "default")
    turn = store.begin_turn(session, key="k", fingerprint="", text="draw", channel="test").id
    parents: tuple[tuple[str, Role], ...] = ()
    for index in range(count):
        new = NewImage(op="generate", parents=parents, prompt_used="a cat", caption="a cat", seed=index)
        image = store.images.add(session, turn, 0, index, Image.new("RGB", (4, 4)), new)
        parents = ((image.id, "base"),)
    store.finish_turn("local", turn, status="replied", plan=None, reply={}, seconds=0.0)


def statements(folder: Path, runtime: ScriptedRuntime, images: int) -> dict[str, int]:
    """How many each kind of turn executes, and reading the history, with so many pictures."""
    store = SessionStore(folder)
    fill(store, images)
    conversation = Conversation(store, runtime, folder)
    counts = {}
    for name, (prepare, turn) in KINDS.items():
        prepare(runtime)
        with store.counting() as executed:
            reply = asyncio.run(conversation.take_turn(Turn(**turn)))
        assert reply.error is None, reply
        counts[name] = len(executed)
    with store.counting() as executed:
        assert len(store.history("local", "default").images) >= images
    counts["history"] = len(executed)
    conversation.close()
    return counts


def test_a_turn_and_a_history_are_as_many_statements_however_many_pictures_there_are(
    tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    few, some, many = (statements(tmp_path / str(images), scripted, images) for images in (5, 50, 150))
    assert few == some == many
    assert max(many.values()) <= MOST
