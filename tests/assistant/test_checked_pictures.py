"""A picture is looked at before it is claimed: one more try if something is missing, then it is said."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assistant.conversation import Conversation
from assistant.settings import Settings
from assistant.turn import Reply, Turn
from assistant.wiring import build_conversation
from flux_runtime.errors import Broken, DeadlinePassed, FluxRuntimeError, QueueFull, TryOther
from flux_runtime.interface import MAX_SEED, AnswerRequest, EditRequest, GenerateRequest, PictureCheck

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

CHECK = PictureCheck(
    questions={"en": "What is missing of: {wanted}?", "zh": "{wanted}：还缺什么？"},
    nothing=("nothing", "不缺"),
    unsure=("i cannot tell", "看不出"),
)
MISSING = " Looking at it, I do not see all of it: the hat."
UNSURE = " Looking at it, I cannot tell whether it shows that."
UNSEEN = " I could not look at it to see whether it shows that."
FAILURES = [
    QueueFull("Too many requests wait already.", stage="queue"),
    DeadlinePassed("It took too long.", stage="answer"),
    TryOther("That is 9000 tokens with its images.", stage="answer"),
    Broken("A worker is lost.", stage="answer"),
]


@pytest.fixture
def looking(scripted: ScriptedRuntime) -> ScriptedRuntime:
    """The scripted runtime with a declared check."""
    scripted.can(check=CHECK)
    return scripted


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def draw(conversation: Conversation, looking: ScriptedRuntime, *seen: str | Exception, **turn: Any) -> Reply:
    """Draw a cat with a hat; `seen` is what each look at it comes to."""
    looking.answers.extend(seen)
    looking.will_draw("a cat in a hat")
    reply = take(conversation, "draw a cat in a hat", **{"seed": 5, **turn})
    assert not looking.answers, "somebody looked as often as expected"
    return reply


def done(looking: ScriptedRuntime) -> list[str | int]:
    """In order: the seed of a drawing, the question of a look."""
    return [
        request.question if isinstance(request, AnswerRequest) else request.seed
        for request in looking.requests
    ]


LOOK = "What is missing of: a cat in a hat?"


@pytest.mark.parametrize("seen", ["nothing", " Nothing. ", "不缺。"])
def test_where_nothing_is_missing_it_is_said_as_done(
    conversation: Conversation, looking: ScriptedRuntime, seen: str
) -> None:
    reply = draw(conversation, looking, seen)
    assert (reply.text, reply.images[0].seed) == ("Drew #1.", 5)
    assert done(looking) == [5, LOOK]


def test_the_look_is_at_the_picture_that_was_drawn(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    draw(conversation, looking, "the hat", "nothing")
    looks = [request for request in looking.requests if isinstance(request, AnswerRequest)]
    assert [[image.getpixel((0, 0)) for image in look.images] for look in looks] == [[(5, 0, 7)], [(6, 0, 7)]]


def test_where_something_is_missing_the_next_seed_is_tried_and_kept_if_it_is_whole(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    reply = draw(conversation, looking, "the hat", "nothing")
    assert (reply.text, [image.seed for image in reply.images]) == ("Drew #1.", [6])
    assert done(looking) == [5, LOOK, 6, LOOK]
    assert len(conversation.store.history("local", "default").images) == 1


@pytest.mark.parametrize("second", ["a whisker", "I cannot tell.", FAILURES[0]])
def test_where_the_second_is_not_whole_either_the_first_is_kept_with_what_it_lacks(
    conversation: Conversation, looking: ScriptedRuntime, second: str | Exception
) -> None:
    reply = draw(conversation, looking, "the hat.", second)
    assert (reply.text, [image.seed for image in reply.images]) == ("Drew #1." + MISSING, [5])
    assert reply.error is None


def test_the_seed_after_the_largest_is_the_first(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    assert draw(conversation, looking, "the hat", "nothing", seed=MAX_SEED).images[0].seed == 0


@pytest.mark.parametrize("seen", ["I cannot tell.", ""])
def test_where_it_cannot_tell_that_is_said(
    conversation: Conversation, looking: ScriptedRuntime, seen: str
) -> None:
    reply = draw(conversation, looking, seen, seen)
    assert (reply.text, reply.images[0].seed) == ("Drew #1." + UNSURE, 5)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (["不缺"], "画好了 #1。"),
        (["帽子"] * 2, "画好了 #1。我看了一下，画里好像还缺：帽子。"),
        (["看不出"] * 2, "画好了 #1。我看了一下，看不出画里是不是这样。"),
        ([FAILURES[0]], "画好了 #1。这次没能再看一眼，不知道画里是不是这样。"),
    ],
)
def test_a_chinese_message_is_checked_and_answered_in_chinese(
    conversation: Conversation, looking: ScriptedRuntime, seen: list[str | Exception], said: str
) -> None:
    looking.answers.extend(seen)
    looking.will_draw("一只戴帽子的猫")
    assert take(conversation, "画一只戴帽子的猫", seed=5).text == said
    assert "一只戴帽子的猫：还缺什么？" in done(looking)


def test_a_language_without_a_question_is_asked_about_in_the_first(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.can(check=CHECK.model_copy(update={"questions": {"en": CHECK.questions["en"]}}))
    scripted.answers.append("nothing")
    scripted.will_draw("一只猫")
    assert take(conversation, "画一只猫").text == "画好了 #1。"
    assert done(scripted)[1] == "What is missing of: 一只猫?"


def test_an_edit_is_checked_against_its_instruction(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    draw(conversation, looking, "nothing")
    looking.requests.clear()
    looking.answers.extend(["the hat", "the hat"])
    looking.will_edit("#1", "give it a hat")
    reply = take(conversation, "give #1 a hat", seed=8)
    assert reply.text == "Edited #1 → #2: give it a hat." + MISSING
    assert done(looking) == [
        8,
        "What is missing of: give it a hat?",
        9,
        "What is missing of: give it a hat?",
    ]
    assert reply.images[0].seed == 8


def test_words_with_braces_are_asked_about_as_they_stand(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    looking.answers.append("nothing")
    looking.will_draw("a {wanted} cat {0}")
    take(conversation, "draw a {wanted} cat {0}")
    assert done(looking)[1] == "What is missing of: a {wanted} cat {0}?"


def test_what_is_looked_for_is_the_prompt_that_was_given_and_not_what_was_added_to_it(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    looking.can(upsampler=True)
    reply = draw(conversation, looking, "the hat", "nothing")
    assert done(looking) == [5, LOOK, 6, LOOK]
    assert reply.text == "Drew #1: a cat in a hat in light 6."


def test_a_model_that_declares_no_check_is_not_asked(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    assert draw(conversation, scripted).text == "Drew #1."
    assert done(scripted) == [5]


def test_nobody_looks_if_the_setting_is_off(
    tmp_path: Path, looking: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUX_ASSISTANT_CHECK", "false")
    conversation = build_conversation(Settings(data_dir=tmp_path), runtime=looking)
    assert draw(conversation, looking).text == "Drew #1."
    conversation.close()
    assert done(looking) == [5]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_picture_is_not_lost_to_an_error_of_the_check(
    conversation: Conversation, looking: ScriptedRuntime, error: FluxRuntimeError
) -> None:
    reply = draw(conversation, looking, error)
    assert (reply.text, reply.images[0].seed, reply.error) == ("Drew #1." + UNSEEN, 5, None)
    assert done(looking) == [5, LOOK], "what cannot be looked at is not drawn again"


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_picture_is_not_lost_to_an_error_of_the_second_try(
    conversation: Conversation, looking: ScriptedRuntime, error: FluxRuntimeError
) -> None:
    def before(_cancel: object) -> None:
        if isinstance(looking.requests[-1], GenerateRequest) and len(looking.requests) > 1:
            raise error

    looking.before = before
    reply = draw(conversation, looking, "the hat")
    assert (reply.text, reply.images[0].seed, reply.error) == ("Drew #1." + MISSING, 5, None)


@pytest.mark.parametrize("stopped_in", [2, 3])
def test_stop_in_the_check_or_in_the_second_try_stops_the_turn(
    conversation: Conversation, looking: ScriptedRuntime, stopped_in: int
) -> None:
    def before(cancel: threading.Event | None) -> None:
        if len(looking.requests) == stopped_in:
            assert cancel
            cancel.set()

    looking.before = before
    looking.answers.append("the hat")
    looking.will_draw("a cat in a hat")
    reply = take(conversation, "draw a cat in a hat", seed=5)
    assert reply.error
    assert (reply.error.code, reply.images) == ("cancelled", ())
    assert len(looking.requests) == stopped_in
    assert not conversation.store.history("local", "default").images


def test_what_was_seen_survives_until_a_later_try_of_the_turn(
    conversation: Conversation, looking: ScriptedRuntime
) -> None:
    def before(_cancel: object) -> None:
        if isinstance(looking.requests[-1], EditRequest):
            raise Broken("A worker is lost.", stage="denoise")

    looking.before = before
    looking.answers.extend(["the hat", "the hat"])
    looking.will_call(
        ("generate_image", {"prompt": "a cat in a hat"}),
        ("edit_image", {"image": "$1", "instruction": "make it rain"}),
    )
    text = "draw a cat in a hat, then make it rain"
    failed = take(conversation, text, seed=5, idempotency_key="k")
    assert failed.error
    assert MISSING in failed.text
    [turn] = conversation.store.history("local", "default").turns
    assert turn.state
    assert json.loads(json.dumps(turn.state))["outcomes"][0]["checked"] == ["missing", "the hat"]

    looking.before = lambda _cancel: None
    looking.answers.append("nothing")
    drawn = len(looking.requests)
    again = take(conversation, text, seed=5, idempotency_key="k")
    assert again.text == f"Drew #1.{MISSING}\nEdited #1 → #2: make it rain."
    assert len(looking.requests) == drawn + 2, "the edit and the look at it"
