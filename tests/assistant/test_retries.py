"""The same key again: what is final stays, what may pass is tried again and goes on where it was."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from assistant.conversation import Conversation
from assistant.failures import may_pass
from assistant.turn import Reply, Turn
from flux_runtime.errors import (
    BadCheckpoint,
    BadSize,
    Broken,
    DeadlinePassed,
    EngineClosed,
    FluxRuntimeError,
    MissingCapability,
    OutOfMemory,
    QueueFull,
    Refused,
)
from flux_runtime.interface import EditRequest

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def fail_with(scripted: ScriptedRuntime, error: Exception, *, at: type = object) -> None:
    """From now on, every request of that kind fails."""

    def before(_cancel: object) -> None:
        if isinstance(scripted.requests[-1], at):
            raise error

    scripted.before = before


PASSING = [
    QueueFull("Too many requests wait already.", stage="queue"),
    OutOfMemory("The device is out of memory.", stage="denoise"),
    DeadlinePassed("It took too long.", stage="denoise"),
    EngineClosed("The engine was shut down.", stage="queue"),
    Broken("A worker is lost.", stage="denoise"),
    RuntimeError("nobody expects this"),
]
FINAL = [
    Refused("That is not drawn here.", stage="request"),
    BadSize("That size cannot be drawn.", stage="request"),
    MissingCapability("This model does not draw.", stage="request"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_failure_that_may_pass_is_tried_again_when_the_same_key_comes_again(
    conversation: Conversation, scripted: ScriptedRuntime, error: Exception
) -> None:
    fail_with(scripted, error)
    scripted.will_draw("a cat")
    assert take(conversation, "draw a cat", idempotency_key="k").error is not None
    scripted.before = lambda _cancel: None
    again = take(conversation, "draw a cat", idempotency_key="k")
    assert (again.text, again.error) == ("Drew #1.", None)
    assert take(conversation, "draw a cat", idempotency_key="k") == again
    assert len(scripted.plan_requests) == 1, "the plan was made by the first try"
    assert scripted.requests[0] == scripted.requests[1], "the same words and the same seed"
    (turn,) = conversation.store.history("local", "default").turns
    assert (turn.status, turn.state) == ("replied", None)


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_a_failure_that_will_not_pass_is_final_for_its_key(
    conversation: Conversation, scripted: ScriptedRuntime, error: Exception
) -> None:
    fail_with(scripted, error)
    scripted.will_draw("a cat")
    failed = take(conversation, "draw a cat", idempotency_key="k")
    scripted.before = lambda _cancel: None
    assert take(conversation, "draw a cat", idempotency_key="k") == failed
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("error", [QueueFull, OutOfMemory, DeadlinePassed, EngineClosed, BadCheckpoint])
def test_a_busy_or_broken_machine_may_pass(error: type[FluxRuntimeError]) -> None:
    assert may_pass(error.code)


@pytest.mark.parametrize("code", ["refused", "bad_size", "cancelled", "bad_upload", "of another version"])
def test_nothing_else_may_pass(code: str) -> None:
    assert not may_pass(code)


def test_a_planner_that_failed_plans_again(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    scripted.plans.append(OutOfMemory("The device is out of memory.", stage="plan"))
    assert take(conversation, "draw a cat", idempotency_key="k").error is not None
    scripted.will_draw("a cat")
    assert take(conversation, "draw a cat", idempotency_key="k").text == "Drew #1."


def test_what_was_done_before_the_failure_is_not_done_twice(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    for _ in range(2):
        scripted.will_draw("a dog")
        take(conversation, "draw a dog")
    fail_with(scripted, OutOfMemory("Out of memory.", stage="denoise"), at=EditRequest)
    scripted.will_call(
        ("undo", {}),
        ("generate_image", {"prompt": "a cat"}),
        ("edit_image", {"image": "$2", "instruction": "make it rain"}),
    )
    failed = take(conversation, "undo, then a cat in the rain", idempotency_key="k")
    assert failed.text == "Back to #1; #2 is kept.\nDrew #3.\nOut of memory."
    scripted.before = lambda _cancel: None
    asked = len(scripted.requests)
    done = take(conversation, "undo, then a cat in the rain", idempotency_key="k")
    assert done.text == "Back to #1; #2 is kept.\nDrew #3.\nEdited #3 → #4: make it rain."
    assert len(scripted.requests) == asked + 1
    assert [image.n for image in conversation.store.history("local", "default").images] == [1, 2, 3, 4]


def test_an_uploaded_picture_is_not_stored_twice_by_a_retry(
    conversation: Conversation, scripted: ScriptedRuntime, png: bytes
) -> None:
    fail_with(scripted, QueueFull("Too many.", stage="queue"))
    scripted.will_edit("attached", "make it rain")
    take(conversation, "make it rain", attachments=(png,), idempotency_key="k")
    scripted.before = lambda _cancel: None
    done = take(conversation, "make it rain", attachments=(png,), idempotency_key="k")
    assert done.text == "Edited #1 → #2: make it rain."


def test_a_turn_that_is_done_again_is_the_newest_of_its_session(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.plans.append(QueueFull("Too many.", stage="plan"))
    take(conversation, "draw a cat", idempotency_key="k")
    scripted.will_draw("a dog")
    take(conversation, "draw a dog")
    scripted.will_draw("a cat")
    assert take(conversation, "draw a cat", idempotency_key="k").text == "Drew #2."
    turns = conversation.store.history("local", "default").turns
    assert [turn.text for turn in turns] == ["draw a dog", "draw a cat"]


def test_a_turn_that_was_stopped_stays_stopped(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    cancel = threading.Event()
    scripted.before = lambda _cancel: cancel.set()
    scripted.will_draw("a cat")
    turn = Turn(text="draw a cat", idempotency_key="k")
    stopped = asyncio.run(conversation.take_turn(turn, cancel=cancel))
    scripted.before = lambda _cancel: None
    assert asyncio.run(conversation.take_turn(turn)) == stopped
    assert len(scripted.requests) == 1


def test_a_retry_that_fails_again_can_be_tried_once_more(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_draw("a cat")
    for error in PASSING[:3]:
        fail_with(scripted, error)
        failed = take(conversation, "draw a cat", idempotency_key="k")
        assert failed.error is not None
        assert failed.error.message == str(error)
    scripted.before = lambda _cancel: None
    assert take(conversation, "draw a cat", idempotency_key="k").text == "Drew #1."


def test_another_message_under_the_key_of_a_failed_one_is_refused(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.plans.append(QueueFull("Too many.", stage="plan"))
    failed = take(conversation, "draw a cat", idempotency_key="k")
    assert "idempotency key" in take(conversation, "draw a dog", idempotency_key="k").text
    (turn,) = conversation.store.history("local", "default").turns
    assert turn.reply == failed.model_dump(mode="json")
