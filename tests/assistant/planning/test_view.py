"""The planner is shown few images, whatever the conversation holds, and those that the message names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from assistant.planning.message import Message
from assistant.planning.planner import make_plan
from assistant.planning.source_resolution import Album
from assistant.planning.view import HISTORY_TURNS, shown_images, view
from assistant.turn import Reply, Turn
from sessions.records import ImageRecord, NewImage, SessionRecord
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime

LATEST = 4


def record(n: int) -> ImageRecord:
    fields = dict.fromkeys(("region", "outside_change", "receipt", "seed"))
    words = dict.fromkeys(("prompt_typed", "prompt_used", "caption"), f"a cat number {n}")
    stored = {"owner": "ann", "id": f"{n:032x}", "session": "s", "turn": "t", "n": n, "op": "generate"}
    rest = {"parents": (), "root": "r", "width": 8, "height": 8, "sha256": "0", "created": "now"}
    return ImageRecord.model_validate({**fields, **words, **stored, **rest})


def album(count: int, *, attached: tuple[int, ...] = (), head: int | None = None) -> Album:
    return Album(tuple(record(n) for n in range(1, count + 1)), attached, count if head is None else head)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("draw a cat", ()),
        ("make #2 rainy", (2,)),
        ("is picture 17 like image 3?", (3, 17)),
        ("图2和图 5 有什么不同", (2, 5)),
        ("the first one and the third", (1, 3)),
        ("把第二张和第十二张改成晚上", (2, 12)),
        ("#999 please", ()),
    ],
)
@pytest.mark.parametrize("count", [20, 80, 200])
def test_the_latest_and_those_that_the_words_name_are_shown(
    text: str, named: tuple[int, ...], count: int
) -> None:
    latest = tuple(range(count - LATEST + 1, count + 1))
    assert shown_images(text, album(count), LATEST) == (*[n for n in named if n not in latest], *latest)


def test_the_current_image_and_those_that_came_with_the_message_are_shown() -> None:
    assert shown_images("what is it?", album(80, head=5), LATEST) == (5, 77, 78, 79, 80)
    assert shown_images("what is it?", album(80, attached=(9, 81)), LATEST) == (9, 78, 79, 80, 81)


def test_a_short_conversation_is_shown_whole() -> None:
    assert shown_images("draw a cat", album(3), LATEST) == (1, 2, 3)
    assert shown_images("draw a cat", Album((), (), None), LATEST) == ()


def test_the_request_is_bounded_and_resolution_still_knows_every_image(scripted: ScriptedRuntime) -> None:
    scripted.capabilities = scripted.capabilities.model_copy(update={"planner_images": LATEST})
    scripted.will_answer("the cat number 7", "wet?")
    everything = album(200)
    plan = make_plan(Message("is the cat number 7 wet?", "en"), everything, scripted)
    (request,) = scripted.plan_requests
    assert request.images == (197, 198, 199, 200)
    assert request.captions == {n: f"a cat number {n}" for n in request.images}
    assert plan.steps[0].sources == (7,)


@pytest.fixture
def session(store: SessionStore) -> SessionRecord:
    return store.session("ann", "a")


def say(store: SessionStore, session: SessionRecord, said: str, replied: str) -> str:
    turn = store.begin_turn(session, key=said, fingerprint="", text=said, channel="test").id
    reply = Reply(text=replied, tool="chat", session=session.name, turn=turn, seconds=0)
    store.finish_turn(
        session.owner, turn, status="replied", plan=None, reply=reply.model_dump(mode="json"), seconds=0
    )
    return turn


def test_what_was_said_before_is_in_view_and_no_more_than_a_few_turns_of_it(
    store: SessionStore, session: SessionRecord
) -> None:
    for n in range(HISTORY_TURNS + 3):
        say(store, session, f"message {n}", f"reply {n}")
    now = store.begin_turn(session, key="now", fingerprint="", text="now", channel="test").id
    store.images.add(session, now, 0, 0, Image.new("RGB", (8, 8)), NewImage(op="generate", caption="a cat"))
    message, seen = view(store, session, Turn(text="now"), "now", "en", (), before=now)
    assert [each.said for each in message.history] == [f"message {n}" for n in range(3, HISTORY_TURNS + 3)]
    assert message.history[-1].replied == f"reply {HISTORY_TURNS + 2}"
    assert (seen.numbers, seen.head) == ((1,), 1)
