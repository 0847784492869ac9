from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from flux_runtime.errors import Broken, OutOfMemory, Refused, TryOther
from flux_runtime.interface import EditRequest, GenerateRequest
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def draw(conversation: Conversation, scripted: ScriptedRuntime, prompt: str = "a cat", **turn: Any) -> Reply:
    scripted.will_draw(prompt)
    return take(conversation, f"draw {prompt}", **turn)


def picture(color: str = "red", size: tuple[int, int] = (12, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def test_draw_ask_edit_and_undo_say_which_image_they_are_about(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    drawn = draw(conversation, scripted, "a robot", seed=5)
    assert (drawn.text, drawn.tool, drawn.head) == ("Drew #1.", "generate", 1)
    scripted.will_answer("last", "what colour is it?")
    asked = take(conversation, "what colour is it?")
    assert (asked.text, asked.answer, asked.tool) == ("#1: colour (5, 0, 7)", "colour (5, 0, 7)", "ask")
    scripted.will_edit("#1", "make it rain")
    edited = take(conversation, "#1 in the rain")
    assert (edited.text, edited.head) == ("Edited #1 → #2: make it rain.", 2)
    assert [(parent.n, parent.role) for parent in edited.images[0].parents] == [(1, "base")]
    undone = take(conversation, command="undo")
    assert (undone.text, undone.tool, undone.head) == ("Back to #1; #2 is kept.", "undo", 1)
    assert [action.command for action in undone.actions] == ["redo"]
    assert take(conversation, command="redo").head == 2


def test_a_chinese_message_gets_a_chinese_reply(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_draw("a cat")
    assert take(conversation, "画一只猫").text == "画好了 #1，提示词是：a cat。"
    assert take(conversation, command="undo").text == "已撤销 #1：现在没有当前图片，图片还留着。"
    assert take(conversation, command="undo").text == "没有可以撤销的了。"


def test_the_reply_as_json_is_what_scripts_rely_on(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    reply = draw(conversation, scripted, seed=5, session="s")
    assert reply.as_json() == {
        "reply": "Drew #1.",
        "tool": "generate",
        "steps": [{"tool": "generate", "sources": [], "text": "a cat", "region": None}],
        "answer": None,
        "images": [
            {
                "n": 1,
                "id": reply.images[0].id,
                "op": "generate",
                "parents": [],
                "seed": 5,
                "width": 16,
                "height": 16,
                "outside_change": None,
            }
        ],
        "head": 1,
        "session": "s",
        "seconds": reply.seconds,
    }
    picture = conversation.store.images.pixels("local", reply.images[0].id)
    assert picture.getpixel((0, 0)) == (5, 0, 7)


def test_several_steps_run_in_order_and_use_each_others_results(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_call(
        ("generate_image", {"prompt": "a cat"}),
        ("edit_image", {"image": "$1", "instruction": "make it rain"}),
        ("answer_question", {"image": "$2", "question": "wet?"}),
    )
    reply = take(conversation, "a cat, then rain, is it wet?", seed=2**32 - 1)
    assert reply.tool == "plan"
    assert reply.text == "Drew #1.\nEdited #1 → #2: make it rain.\n#2: colour (0, 0, 7)"
    assert [step.sources for step in reply.steps] == [(), ("$1",), ("$2",)]
    assert [image.seed for image in reply.images] == [2**32 - 1, 0]


def test_seeds_are_new_each_time_unless_given(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    seeds = {draw(conversation, scripted).images[0].seed for _ in range(3)}
    assert len(seeds) == 3
    assert draw(conversation, scripted, seed=9).images[0].seed == 9


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        *(({"seed": seed}, "The seed must be 0 to 4294967295.") for seed in (-1, 2**32, 2**64, 10**5000)),
        *(({"width": width}, "The width must be at least 1.") for width in (0, -1, -(10**30))),
        *(({"height": height}, "The height must be at least 1.") for height in (0, -8)),
        *(
            ({"num_inference_steps": n}, "The number of steps must be 1 to 200.")
            for n in (0, -1, 201, 10**40)
        ),
        *(
            ({"region": box}, "The region is empty.")
            for box in ((3, 3, 3, 9), (9, 0, 1, 4), (-1, 0, 4, 4), (10**30, 0, 10**31, 4))
        ),
        ({"reply_to": 10**30}, "There is no #"),
    ],
)
def test_a_number_out_of_range_is_refused_in_words_not_replaced(
    conversation: Conversation, scripted: ScriptedRuntime, setting: dict[str, Any], told: str
) -> None:
    draw(conversation, scripted)
    scripted.will_edit("last", "make it rain")
    refused = take(conversation, "make it rain", **setting)
    assert refused.text.startswith(told)
    assert refused.error is not None
    assert refused.error.code == ("bad_message" if "reply_to" in setting else "bad_setting")
    assert [turn.status for turn in conversation.store.history("local", "default").turns] == [
        *("replied", "failed")
    ]
    with pytest.raises(TryOther, match=re.escape(told)):
        asyncio.run(conversation.plan(Turn(text="make it rain", **setting)))


def test_a_number_out_of_range_is_refused_in_the_language_of_the_message(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    assert take(conversation, "画一只猫", seed=2**64).text == "种子应在 0 到 4294967295 之间。"
    assert take(conversation, "画一只猫", width=0).text == "宽度至少为 1。"


def test_vary_draws_the_same_words_with_another_seed(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    first = draw(conversation, scripted, "a robot").images[0]
    varied = take(conversation, command="vary", reply_to=1)
    assert varied.text == "Drew #2, another take on #1."
    (image,) = varied.images
    assert (image.op, [(parent.n, parent.role) for parent in image.parents]) == ("variation", [(1, "base")])
    request = scripted.requests[-1]
    assert isinstance(request, GenerateRequest)
    assert request.prompt == "a robot"
    assert request.seed != first.seed


def test_vary_takes_another_seed_also_when_one_is_set(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted, "a robot", seed=2**32 - 1)
    drawn = [take(conversation, command="vary", reply_to=n, seed=2**32 - 1).images[0] for n in (1, 1, 2)]
    assert [image.seed for image in drawn] == [0, 1, 2]
    take(conversation, "make it rain", command="edit", reply_to=1, seed=7)
    varied = take(conversation, command="vary", reply_to=5, seed=7).images[0]
    assert (varied.op, varied.seed) == ("edit", 8)
    assert take(conversation, command="vary", reply_to=1, seed=7).images[0].seed == 7


def test_an_attached_picture_is_stored_as_an_image_and_is_the_source(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted)
    scripted.will_answer("last", "what colour?")
    asked = take(conversation, "what colour?", attachments=(picture("red"),))
    assert asked.text == "#2: colour (255, 0, 0)"
    assert asked.images == ()
    scripted.will_edit("last", "make it rain")
    edited = take(conversation, "make it rain")
    assert edited.text.startswith("Edited #2 → #3")
    assert (edited.images[0].width, edited.images[0].height) == (12, 8)


def test_a_reply_to_an_older_image_is_about_that_image(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted)
    draw(conversation, scripted)
    scripted.will_edit("last", "make it rain")
    assert take(conversation, "make it rain", reply_to=1).text.startswith("Edited #1 → #3")
    scripted.will_edit("last", "use it")
    take(conversation, "use it", reply_to=1, attachments=(picture("blue"),))
    request = scripted.requests[-1]
    assert isinstance(request, EditRequest)
    assert request.images[1].getpixel((0, 0)) == (0, 0, 255)


def test_the_same_key_gets_the_same_reply_and_no_model_runs(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    first = draw(conversation, scripted, idempotency_key="k")
    again = take(conversation, "draw a cat", idempotency_key="k")
    assert again == first
    assert len(scripted.requests) == len(scripted.plan_requests) == 1
    assert len(conversation.store.history("local", "default").turns) == 1


def test_a_key_used_for_another_message_is_refused(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted, idempotency_key="k")
    for changed in ({"text": "draw a dog"}, {"text": "draw a cat", "attachments": (picture(),)}):
        refused = take(conversation, idempotency_key="k", **changed)
        assert refused.error is not None
        assert "idempotency key" in refused.text
    assert len(scripted.requests) == 1


def test_a_stored_reply_follows_the_folder_when_it_moves(tmp_path: Path, scripted: ScriptedRuntime) -> None:
    before = Conversation(SessionStore(tmp_path / "a"), scripted, tmp_path / "a")
    draw(before, scripted, idempotency_key="k")
    before.close()
    (tmp_path / "a").rename(tmp_path / "b")
    after = Conversation(SessionStore(tmp_path / "b"), scripted, tmp_path / "b")
    again = take(after, "draw a cat", idempotency_key="k").images[0]
    assert after.store.images.path("local", again.id).is_relative_to(tmp_path / "b")
    after.close()


def test_the_model_is_told_whose_request_it_is_and_of_which_turn(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    for owner in ("ann", "bob"):
        draw(conversation, scripted, owner=owner)
    scripted.will_draw("a dog")
    asyncio.run(conversation.plan(Turn(text="draw a dog", owner="eve")))
    envelopes = [envelope for envelope in scripted.envelopes if envelope]
    assert [envelope.owner for envelope in envelopes] == ["ann", "ann", "bob", "bob", "eve"]
    assert len({envelope.id for envelope in envelopes}) == 5
    turns = [envelope.id.rpartition("-") for envelope in envelopes[:4]]
    assert [step for _, _, step in turns] == ["plan", "0", "plan", "0"]
    assert turns[0][0] == turns[1][0] != turns[2][0] == turns[3][0]


def test_another_owner_sees_and_reaches_nothing(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted)
    scripted.will_edit("#1", "make it rain")
    stranger = take(conversation, "#1 in the rain", owner="mallory")
    assert (stranger.tool, stranger.images) == ("clarify", ())
    assert scripted.plan_requests[-1].images == ()
    assert (
        conversation.store.list_sessions("mallory")[0].id != conversation.store.list_sessions("local")[0].id
    )


def test_planning_alone_does_and_records_nothing(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_edit("attached", "make it rain")
    planned = asyncio.run(conversation.plan(Turn(text="make it rain", attachments=(picture(),))))
    assert planned.as_json() == {
        "tool": "edit",
        "steps": [{"tool": "edit", "sources": [1], "text": "make it rain", "region": None}],
        "clarify": None,
    }
    assert conversation.store.list_sessions("local") == ()
    assert scripted.requests == []


def test_a_failure_of_the_model_is_a_reply_and_the_turn_is_kept(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    def out_of_memory(_cancel: object) -> None:
        raise OutOfMemory("The device is out of memory.", stage="denoise", remedy="Try a smaller size.")

    scripted.before = out_of_memory
    failed = draw(conversation, scripted)
    assert failed.as_json() == {
        "error": {
            "code": "out_of_memory",
            "stage": "denoise",
            "message": "The device is out of memory. Try a smaller size.",
        }
    }
    (turn,) = conversation.store.history("local", "default").turns
    assert (turn.text, turn.status) == ("draw a cat", "failed")


def test_a_refusal_is_told_as_one(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    scripted.plans.append(Refused("That is not drawn here.", stage="plan"))
    refused = take(conversation, "draw something bad")
    assert (refused.tool, refused.text) == ("refuse", "That is not drawn here.")


def test_what_was_done_before_a_failure_is_kept_and_said(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    def fail_the_edit(_cancel: object) -> None:
        if isinstance(scripted.requests[-1], EditRequest):
            raise OutOfMemory("The device is out of memory.", stage="denoise")

    scripted.before = fail_the_edit
    scripted.will_call(
        ("generate_image", {"prompt": "a cat"}), ("edit_image", {"image": "$1", "instruction": "rain"})
    )
    reply = take(conversation, "a cat in the rain")
    assert reply.text == "Drew #1.\nThe device is out of memory."
    assert [image.n for image in reply.images] == [1]
    assert reply.head == 1


@pytest.mark.parametrize(
    ("error", "code", "stage"),
    [
        (RuntimeError("secret path /etc/shadow"), "internal", "turn"),
        (Broken("ValueError: secret path /etc/shadow", stage="denoise"), "broken", "denoise"),
    ],
)
def test_an_unforeseen_error_tells_nothing_of_the_inside(
    conversation: Conversation, scripted: ScriptedRuntime, error: Exception, code: str, stage: str
) -> None:
    scripted.plans.append(error)
    failed = take(conversation, "draw a cat")
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == (code, stage)
    assert failed.text.startswith("Something went wrong on my side")
    assert "secret" not in failed.model_dump_json()
    assert draw(conversation, scripted).text == "Drew #1."


@pytest.mark.parametrize(
    ("turn", "part"),
    [
        ({"text": "   "}, "empty"),
        ({"text": "\u200b\ud800"}, "empty"),
        ({"text": "a" * 3000}, "2000 characters"),
        ({"text": "what is it", "attachments": (b"",)}, "empty (0 bytes)"),
        ({"text": "what is it", "attachments": (b"text named .png",)}, "not a picture"),
        ({"text": "what is it", "reply_to": 7}, "There is no #7"),
    ],
)
def test_bad_input_gets_a_sentence_and_loses_nothing(
    conversation: Conversation, scripted: ScriptedRuntime, turn: dict[str, Any], part: str
) -> None:
    draw(conversation, scripted)
    refused = take(conversation, **turn)
    assert refused.tool == "refuse"
    assert refused.error is not None
    assert part in refused.text
    assert refused.text == refused.error.message
    history = conversation.store.history("local", "default")
    assert [each.status for each in history.turns] == ["replied", "failed"]
    assert [image.n for image in history.images] == [1]
    scripted.will_answer("last", "still there?")
    assert take(conversation, "still there?").tool == "ask"


def test_words_left_out_are_named_in_one_sentence(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.know_only_declared_words()
    scripted.will_draw("a cat on the beach")
    reply = take(conversation, "draw a cat on the beach with Ferrari")
    assert reply.text == "Drew #1.\nI do not know “with” and “ferrari”, so that is left out."


def test_a_question_back_shows_the_images_to_choose_from_and_a_button_settles_it(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted, "a red cat")
    draw(conversation, scripted, "a blue cat")
    scripted.will_edit("the cat", "make it rain")
    asked = take(conversation, "let it rain on the cat")
    assert [image.n for image in asked.candidates] == [1, 2]
    button = asked.actions[0]
    scripted.will_edit("the cat", "make it rain")
    settled = take(conversation, button.text, command=button.command, reply_to=button.image)
    assert settled.text.startswith("Edited #1 → #3")


def test_a_typed_number_settles_a_question_back(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted, "a red cat")
    draw(conversation, scripted, "a blue cat")
    for _ in range(2):
        scripted.will_edit("the cat", "make it rain")
    take(conversation, "let it rain on the cat")
    assert take(conversation, "#1").text.startswith("Edited #1 → #3")


def test_a_question_about_a_number_that_does_not_exist_can_be_answered(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    draw(conversation, scripted, "a red cat")
    draw(conversation, scripted, "a blue cat")
    asked = take(conversation, "#9 make it rain", command="edit")
    assert asked.text.startswith("There is no #9 here.")
    button = asked.actions[0]
    pressed = take(conversation, button.text, command=button.command, reply_to=button.image)
    assert pressed.text == "Edited #1 → #3: make it rain."
    take(conversation, "#9 make it rain", command="edit")
    assert take(conversation, "2").text == "Edited #2 → #4: make it rain."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("snow", "It had to be redrawn as a whole, so fine detail of #1 is softer in it."),
        ("下雪", "整张图都重画了，所以 #1 的细节会变得柔和一些。"),
    ],
)
def test_the_reply_says_when_a_large_picture_was_redrawn_as_a_whole(
    conversation: Conversation, scripted: ScriptedRuntime, words: str, said: str
) -> None:
    draw(conversation, scripted)
    for kept, redrawn in ((0.0, True), (0.4, False), (None, False)):
        scripted.kept = kept
        scripted.will_edit("#1", words)
        assert (said in take(conversation, f"#1 {words}").text) == redrawn
