"""The held-out sentences are well formed, and a plan is right exactly when it says what its label says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from flux_runtime.interface import PlanResult, ToolCall
from flux_runtime.pocket.changes import EDIT_TYPES
from flux_runtime.pocket.instructions import canonical_instruction
from flux_runtime.pocket.language import canonical_prompt
from flux_runtime.pocket.plan_labels import (
    labelled_messages,
    plan_is_right,
    wanted_change,
    wanted_questions,
    wanted_scene,
)
from flux_runtime.pocket.questions import ABOUTS
from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, Thing

TOOLS = {"generate": "generate_image", "edit": "edit_image", "ask": "answer_question"}


def _plan(*calls: ToolCall, text: str = "") -> PlanResult:
    return PlanResult(calls=calls, text=text, raw="", seconds=0.0)


def _right_plan(row: dict[str, Any], language: Language) -> PlanResult:
    tool = row["tool"]
    if tool == "chat":
        return _plan(text=f"{row['says'][0]}!")
    arguments: dict[str, Any] = {}
    if tool == "generate":
        arguments = {"prompt": canonical_prompt(wanted_scene(row))}
    elif tool in ("edit", "ask"):
        arguments = {"image": "last" if row["source"] == "last" else f"#{row['source']}"}
        if tool == "edit":
            arguments["instruction"] = canonical_instruction(wanted_change(row))
        else:
            arguments["question"] = min(wanted_questions(row, language))
    elif tool == "clarify":
        arguments = {"about": "unclear"}
    return _plan(ToolCall(name=TOOLS.get(tool, tool), arguments=arguments))


@pytest.mark.parametrize("language", LANGUAGES)
def test_120_different_sentences_cover_every_tool(language: Language) -> None:
    rows = labelled_messages(language)
    assert len({row["say"] for row in rows}) == len(rows) == 120
    tools = Counter(row["tool"] for row in rows)
    assert set(tools) == {"generate", "edit", "ask", "undo", "chat", "clarify"}
    assert min(tools.values()) >= 5
    changes = [wanted_change(row).type for row in rows if row["tool"] == "edit"]
    assert set(changes) == set(EDIT_TYPES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_are_within_the_world(language: Language) -> None:
    for row in labelled_messages(language):
        assert row["images"] >= (row["tool"] in ("edit", "ask", "undo")), row
        if row["tool"] in ("edit", "ask"):
            assert row["source"] == "last" or 1 <= row["source"] <= row["images"], row
        if row["tool"] == "generate":
            for key, value in wanted_scene(row).items():
                known = isinstance(value, Thing) if key in SIDES else value in ATTRIBUTES[key]
                assert known, row
                assert not isinstance(value, Thing) or (value.kind in KINDS and value.color in COLORS), row
        if row["tool"] == "ask":
            assert row["about"] in ABOUTS, row
            assert row.get("object") in (None, *KINDS), row
        if row["tool"] == "edit":
            change = wanted_change(row)
            values = {**ATTRIBUTES, "recolor": COLORS, "replace": KINDS, "remove": (None,)}
            assert change.type == "add" or change.value in values[change.type], row
            assert change.target in (None, *KINDS, *SIDES), row
            assert change.side in (None, *SIDES), row


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_labels_own_plan_is_right_and_another_labels_is_not(language: Language) -> None:
    rows = labelled_messages(language)
    plans = [_right_plan(row, language) for row in rows]
    assert all(plan_is_right(row, plan, language) for row, plan in zip(rows, plans, strict=True))
    for row in rows:
        right = [plan for plan in plans if plan_is_right(row, plan, language)]
        if row["tool"] not in ("chat", "clarify", "undo"):
            assert len({repr(plan) for plan in right}) <= 2, row  # `last` and its number are the same picture
        assert len(right) < 0.3 * len(rows)


@pytest.mark.parametrize(
    ("message", "reply", "right"),
    [
        ("well hello my little painter", "hello! tell me what to draw.", True),
        ("well hello my little painter", "goodbye, and come back soon!", False),
        ("heading out now, until the weekend", "hello! tell me what to draw.", False),
        ("so whose invention are you", "i am pocket, a very small FLUX model.", True),
        ("so whose invention are you", "<tool", False),
    ],
)
def test_a_chat_reply_is_right_by_what_it_says(message: str, reply: str, right: bool) -> None:
    row = next(row for row in labelled_messages("en") if row["say"] == message)
    assert plan_is_right(row, _plan(text=reply), "en") is right


def test_another_picture_or_a_second_call_is_wrong() -> None:
    row = next(row for row in labelled_messages("en") if row["tool"] == "edit" and row["source"] == "last")
    (call,) = _right_plan(row, "en").calls
    assert plan_is_right(row, _plan(call), "en")
    assert not plan_is_right(row, _plan(call, call), "en")
    elsewhere = ToolCall(name=call.name, arguments={**call.arguments, "image": "#99"})
    assert not plan_is_right(row, _plan(elsewhere), "en")
    numbered = ToolCall(name=call.name, arguments={**call.arguments, "image": f"#{row['images']}"})
    assert plan_is_right(row, _plan(numbered), "en")
