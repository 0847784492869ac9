"""A picture of which the model cannot tell what it shows is not repainted, unless the person insists."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from flux_runtime.interface import AnswerRequest, PictureCheck

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

CHECK = PictureCheck(questions={"en": "missing: {wanted}"}, nothing=("nothing",), unsure=("i cannot tell",))


def photo() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(data, "PNG")
    return data.getvalue()


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


@pytest.fixture
def looking(scripted: ScriptedRuntime) -> ScriptedRuntime:
    scripted.can(check=CHECK)
    return scripted


def test_a_strangers_picture_is_left_alone_and_so_is_what_was_to_follow(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    looking.answers.append("I cannot tell.")
    looking.will_call(
        ("edit_image", {"image": "attached", "instruction": "make it rain"}),
        ("answer_question", {"image": "$1", "question": "is it wet?"}),
    )
    reply = take(conversation, "make it rain, is it wet?", attachments=(photo(),))
    assert reply.text.startswith("I cannot tell what #1 shows")
    assert "/edit #1 make it rain" in reply.text
    assert reply.text.endswith("What was to follow is not done either.")
    assert not reply.images
    assert reply.head == 1
    assert [type(request) for request in looking.requests] == [AnswerRequest]


def test_who_insists_gets_the_change(conversation: Conversation, looking: ScriptedRuntime) -> None:
    take(conversation, attachments=(photo(),))
    looking.answers.append("nothing")
    reply = take(conversation, "/edit #1 make it rain")
    assert len(reply.images) == 1


def test_a_picture_that_it_knows_is_changed(conversation: Conversation, looking: ScriptedRuntime) -> None:
    looking.answers.extend(["rain.", "nothing."])
    looking.will_call(("edit_image", {"image": "attached", "instruction": "make it rain"}))
    reply = take(conversation, "make it rain", attachments=(photo(),))
    assert reply.text.startswith("Edited #1 → #2")
