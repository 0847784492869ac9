"""Prompts are completed before they are drawn where the model can, and taken up again as they were given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assistant.conversation import Conversation
from assistant.settings import Settings
from assistant.turn import Reply, ReplyImage, Turn
from assistant.wiring import build_conversation
from flux_runtime.interface import EditRequest, GenerateRequest

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def draw(conversation: Conversation, scripted: ScriptedRuntime, **turn: Any) -> Reply:
    scripted.will_draw("a cat")
    return take(conversation, "draw a cat", **turn)


def prompts(image: ReplyImage) -> tuple[str, str | None]:
    """What it was drawn from, and what that had been before it was completed."""
    assert image.receipt
    return image.receipt["prompt"], image.receipt["prompt_given"]


@pytest.mark.parametrize(
    ("able", "setting", "completed"),
    [(True, None, True), (True, "true", True), (True, "false", False), (False, "true", False)],
)
def test_a_prompt_is_completed_where_the_model_can_and_the_setting_is_on(
    tmp_path: Path,
    scripted: ScriptedRuntime,
    monkeypatch: pytest.MonkeyPatch,
    able: bool,
    setting: str | None,
    completed: bool,
) -> None:
    monkeypatch.delenv("FLUX_ASSISTANT_UPSAMPLE", raising=False)
    if setting:
        monkeypatch.setenv("FLUX_ASSISTANT_UPSAMPLE", setting)
    scripted.can(upsampler=able)
    conversation = build_conversation(Settings(data_dir=tmp_path), runtime=scripted)
    reply = draw(conversation, scripted, seed=5)
    conversation.close()
    [request] = scripted.requests
    assert isinstance(request, GenerateRequest)
    assert (request.prompt, request.upsample) == ("a cat", completed)
    assert prompts(reply.images[0]) == (("a cat in light 5", "a cat") if completed else ("a cat", None))


@pytest.mark.parametrize(
    ("text", "said"),
    [("draw a cat", "Drew #1: a cat in light 5."), ("画一只猫", "画好了 #1，提示词是：a cat in light 5。")],
)
def test_the_reply_and_the_history_say_what_was_drawn(
    conversation: Conversation, scripted: ScriptedRuntime, text: str, said: str
) -> None:
    scripted.can(upsampler=True)
    scripted.will_draw("a cat")
    reply = take(conversation, text, seed=5)
    assert reply.text == said
    [row] = conversation.store.history("local", "default").images
    assert (row.prompt_typed, row.prompt_used, row.caption) == (text, "a cat in light 5", "a cat in light 5")


def test_words_that_were_typed_are_not_said_again(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_draw("A Cat.")
    assert take(conversation, "draw a cat").text == "Drew #1."
    scripted.will_draw("a cat on the beach")
    assert take(conversation, "draw a cat").text == "Drew #2: a cat on the beach."


def test_vary_begins_again_from_the_prompt_that_was_given_with_a_seed_of_its_own(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.can(upsampler=True)
    draw(conversation, scripted, seed=5)
    once = take(conversation, command="vary", reply_to=1, seed=5)
    twice = take(conversation, command="vary", reply_to=2, seed=5)
    drawn = [request for request in scripted.requests if isinstance(request, GenerateRequest)]
    assert [(request.prompt, request.seed) for request in drawn] == [
        ("a cat", 5),
        ("a cat", 6),
        ("a cat", 7),
    ]
    assert [prompts(reply.images[0]) for reply in (once, twice)] == [
        ("a cat in light 6", "a cat"),
        ("a cat in light 7", "a cat"),
    ]
    assert [reply.images[0].op for reply in (once, twice)] == ["variation"] * 2


def test_vary_of_a_picture_that_was_drawn_as_given_repeats_its_prompt(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted, seed=5)
    scripted.can(upsampler=True)
    [image] = take(conversation, command="vary", reply_to=1, seed=5).images
    assert prompts(image) == ("a cat in light 6", "a cat")


def test_an_instruction_is_not_completed(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    scripted.can(upsampler=True)
    draw(conversation, scripted)
    scripted.will_edit("#1", "make it rain")
    take(conversation, "make it rain")
    request = scripted.requests[-1]
    assert isinstance(request, EditRequest)
    assert request.instruction == "make it rain"
