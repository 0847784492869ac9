"""Pictures whose file is missing or damaged: named when used, mended when drawn again, in nobody's way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from sessions.records import Damaged

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def damage(conversation: Conversation, image: str, how: str) -> bytes:
    """Break the file of an image; returns what it was."""
    path = conversation.store.images.path("local", image)
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-20] if how == "truncated" else bytes(len(whole)))
    return whole


@pytest.mark.parametrize("how", ["missing", "truncated", "overwritten"])
@pytest.mark.parametrize(
    ("text", "command", "told"),
    [
        ("make it rain", "edit", "The file of #1 is missing or damaged, so I cannot use it."),
        ("wet?", "ask", "The file of #1 is missing or damaged, so I cannot use it."),
        ("改成下雨", "edit", "#1 的文件丢失或损坏，用不了。"),
    ],
)
def test_a_damaged_picture_is_named_when_it_is_used_and_the_rest_goes_on(
    conversation: Conversation, how: str, text: str, command: str, told: str
) -> None:
    first = take(conversation, "a cat", command="generate", seed=1).images[0]
    second = take(conversation, "a dog", command="generate", seed=2).images[0]
    whole = damage(conversation, first.id, how)
    turn = {"text": text, "command": command, "reply_to": 1, "seed": 3, "idempotency_key": "k"}
    failed = take(conversation, **turn)
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == ("damaged_picture", "history")
    assert failed.text.startswith(told)
    history = conversation.store.history("local", "default")
    assert [image.n for image in history.images] == [1, 2]
    assert conversation.store.images.png("local", second.id)
    assert take(conversation, text, command=command, reply_to=2).error is None
    conversation.store.images.path("local", first.id).write_bytes(whole)
    assert take(conversation, **turn).error is None, "the file is back, and the same key comes again"


@pytest.mark.parametrize("how", ["missing", "truncated", "overwritten"])
def test_drawing_the_same_again_mends_the_file(conversation: Conversation, how: str) -> None:
    first = take(conversation, "a cat", command="generate", seed=1).images[0]
    whole = damage(conversation, first.id, how)
    with pytest.raises(Damaged):
        conversation.store.images.png("local", first.id)
    second = take(conversation, "a cat", command="generate", seed=1).images[0]
    assert second.n == 2
    for image in (first, second):
        assert conversation.store.images.png("local", image.id) == whole
    assert take(conversation, "wet?", command="ask", reply_to=1).error is None


def test_a_step_that_was_done_stays_when_the_next_one_meets_a_damaged_picture(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    first = take(conversation, "a cat", command="generate").images[0]
    damage(conversation, first.id, "missing")
    scripted.will_call(
        ("generate_image", {"prompt": "a dog"}), ("answer_question", {"image": "#1", "question": "wet?"})
    )
    reply = take(conversation, "draw a dog, and is the first one wet?")
    assert reply.text.startswith("Drew #2.\nThe file of #1 is missing or damaged")
    assert reply.head == 2
