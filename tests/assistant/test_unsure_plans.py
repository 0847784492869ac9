"""A plan that the model is not sure of is offered as a question, with a button that does it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from flux_runtime.interface import PlanResult

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def _with_probability(scripted: ScriptedRuntime, probability: float) -> None:
    """Say of the plan that comes next how probable the model takes it to be."""
    coming = scripted.plans[-1]
    assert isinstance(coming, PlanResult)
    scripted.plans[-1] = coming.model_copy(update={"probability": probability})


@pytest.mark.parametrize(
    ("text", "call", "asked", "button"),
    [
        (
            "moggy thing",
            ("generate_image", {"prompt": "a cat"}),
            "Shall I draw “a cat”?",
            ("generate", None, "a cat"),
        ),
        (
            "湿一点",
            ("edit_image", {"image": "#1", "instruction": "make it rainy"}),
            "要修改 #1：“make it rainy”吗？",
            ("edit", 1, "make it rainy"),
        ),
    ],
)
def test_a_plan_that_the_model_is_not_sure_of_is_offered_and_not_done(
    conversation: Conversation,
    scripted: ScriptedRuntime,
    text: str,
    call: tuple[str, dict[str, str]],
    asked: str,
    button: tuple[str, int | None, str],
) -> None:
    take(conversation, "a cat", command="generate")
    scripted.capabilities = scripted.capabilities.model_copy(update={"sure_from": 0.5})
    scripted.will_call(call)
    _with_probability(scripted, 0.4)
    reply = take(conversation, text)
    assert reply.tool == "clarify"
    assert asked in reply.text
    assert not reply.images
    [yes] = reply.actions
    assert (yes.command, yes.image, yes.text) == button
    done = take(conversation, yes.text, command=yes.command, reply_to=yes.image)
    assert len(done.images) == 1


def test_a_plan_that_the_model_is_sure_of_is_done(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.capabilities = scripted.capabilities.model_copy(update={"sure_from": 0.5})
    scripted.will_call(("generate_image", {"prompt": "a cat"}))
    _with_probability(scripted, 0.6)
    assert take(conversation, "draw a cat").tool == "generate"
