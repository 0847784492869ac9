"""Planning examples are what the runtime shows the planner and what it can read."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from flux_runtime.catalogue import find_model, read_entry
from flux_runtime.interface import PlanRequest, ToolSchema
from flux_runtime.planning import plan_messages, read_tool_calls
from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.planning import PlanExample, plan_example, state_line, tool_call
from flux_runtime.pocket.questions import ABOUTS, canonical_question, random_question
from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import random_scene

ARGUMENTS = {
    "generate_image": {"prompt"},
    "edit_image": {"image", "instruction"},
    "answer_question": {"image", "question"},
    "undo": set(),
    "clarify": {"about"},
}
TOOLS = tuple(ToolSchema(name=name, description="", parameters={}) for name in ARGUMENTS)


@pytest.fixture(scope="module", params=LANGUAGES)
def examples(request: pytest.FixtureRequest) -> tuple[Language, list[PlanExample]]:
    rng = random.Random(f"examples {request.param}")
    return request.param, [plan_example(rng, request.param) for _ in range(1500)]


@pytest.mark.parametrize(("images", "attached"), [(0, ()), (1, ()), (3, (3,))])
def test_the_state_line_is_the_runtimes(images: int, attached: tuple[int, ...]) -> None:
    request = PlanRequest(message="", images=tuple(range(1, images + 1)), attached=attached, tools=TOOLS)
    system, _ = plan_messages(read_entry(find_model("pocket")), request)
    assert system["content"] == state_line(images, attached)


def test_a_tool_call_is_read_back_with_its_arguments() -> None:
    (call,), text = read_tool_calls(tool_call("edit_image", image="#2", instruction="让它「下雨」"), TOOLS)
    assert (call.name, text) == ("edit_image", "")
    assert call.arguments == {"image": "#2", "instruction": "让它「下雨」"}


def test_targets_are_calls_of_known_tools_or_chat(examples: tuple[Language, list[PlanExample]]) -> None:
    kinds: Counter[str] = Counter()
    for example in examples[1]:
        calls, text = read_tool_calls(example.target, TOOLS)
        assert (len(calls), bool(text)) in ((1, False), (0, True))
        if calls:
            assert calls[0].arguments.keys() == ARGUMENTS[calls[0].name]
        kinds[calls[0].name if calls else "chat"] += 1
    assert set(kinds) == {*ARGUMENTS, "chat"}
    assert kinds["generate_image"] > kinds["edit_image"] > kinds["answer_question"] > kinds["clarify"]


def test_what_targets_ask_for_is_canonical(
    examples: tuple[Language, list[PlanExample]],
    read_prompt: Callable[[str], object],
    read_instruction: Callable[[str], Change],
) -> None:
    language, rows = examples
    rng = random.Random(0)
    scenes = [random_scene(rng) for _ in range(400)]
    questions = {
        canonical_question(random_question(rng, scene, about), language)
        for scene in scenes
        for about in ABOUTS
    }
    for example in rows:
        for call in read_tool_calls(example.target, TOOLS)[0]:
            match call.name:
                case "generate_image":
                    assert read_prompt(call.arguments["prompt"])
                case "edit_image":
                    assert read_instruction(call.arguments["instruction"]).type
                case "answer_question":
                    assert call.arguments["question"] in questions
                case "clarify":
                    assert call.arguments["about"] in ("unclear", "unknown")


def test_pictures_are_named_only_when_there_are_some(examples: tuple[Language, list[PlanExample]]) -> None:
    named = set()
    for example in examples[1]:
        for call in read_tool_calls(example.target, TOOLS)[0]:
            if image := call.arguments.get("image"):
                assert example.system != "images: none"
                assert image in ("last", "attached") or re.fullmatch(r"#\d+", image)
                assert image != "attached" or "attached:" in example.system
                named.add(image[0])
    assert named == {"l", "a", "#"}


def test_messages_are_in_their_language_and_leave_no_gap(
    examples: tuple[Language, list[PlanExample]],
) -> None:
    language, rows = examples
    chinese = [example for example in rows if re.search(r"[\u3400-\u9fff]", example.message)]
    assert not [example for example in rows if re.search(r"[{}]|None", example.message)]
    assert len(chinese) > 0.98 * len(rows) if language == "zh" else not chinese
    assert len({example.message for example in rows}) > 0.8 * len(rows)
