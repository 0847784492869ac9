"""Tool calls are read from what the planner says, all of them or none."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2.exceptions import SecurityError
from pydantic import ValidationError

from flux_runtime.entry import CatalogueEntry
from flux_runtime.interface import Exchange, PlanRequest, ToolCall, ToolSchema
from flux_runtime.planning import plan_messages, read_tool_calls, tool_schemas

TOOLS = tuple(
    ToolSchema(name=name, description=name, parameters={"type": "object"})
    for name in ("generate_image", "edit_image", "undo")
)
DRAW = '<tool_call>\n{"name": "generate_image", "arguments": {"prompt": "a cat"}}\n</tool_call>'
UNDO = '<tool_call>{"name": "undo", "arguments": {}}</tool_call>'


def test_calls_are_read_in_order_with_the_text_around_them() -> None:
    calls, text = read_tool_calls(f"Sure.\n{DRAW}\n{UNDO} Done.", TOOLS)
    assert calls == (
        ToolCall(name="generate_image", arguments={"prompt": "a cat"}),
        ToolCall(name="undo", arguments={}),
    )
    assert text.split() == ["Sure.", "Done."]


def test_plain_words_are_chat() -> None:
    assert read_tool_calls(" 你好! Hello. ", TOOLS) == ((), "你好! Hello.")


@pytest.mark.parametrize(
    "raw",
    [
        DRAW.replace("}}", "}"),
        DRAW.replace("</tool_call>", ""),
        DRAW.replace("generate_image", "format_disk"),
        DRAW.replace('"arguments"', '"parameters"'),
        DRAW.replace('{"prompt": "a cat"}', '"a cat"'),
        f"{UNDO} <tool_call>not json</tool_call>",
        "<tool_call>[1, 2]</tool_call>",
        "words </tool_call>",
        "<tool_call></tool_call>",
    ],
)
def test_one_unreadable_call_leaves_neither_calls_nor_text(raw: str) -> None:
    assert read_tool_calls(raw, TOOLS) == ((), "")


def _entry(**fields: Any) -> CatalogueEntry:
    required: dict[str, Any] = {
        "name": "any",
        "family": "any",
        "license": "any",
        "languages": (),
        "tasks": (),
        "default_size": (64, 64),
        "default_steps": 1,
    }
    return CatalogueEntry(**required | fields)


def test_the_planners_system_prompt_is_the_entrys_template_over_images_and_attached() -> None:
    entry = _entry(
        planner_template="{% for image in images %}#{{ image.number }}={{ image.caption }} {% endfor %}"
        "{{ attached | join(',') }}"
    )
    request = PlanRequest(
        message="make it rainy", tools=TOOLS, images=(1, 2), captions={2: "a robot"}, attached=(2,)
    )
    assert plan_messages(entry, request) == [
        {"role": "system", "content": "#1= #2=a robot 2"},
        {"role": "user", "content": "make it rainy"},
    ]


def test_a_model_without_a_template_of_its_own_is_told_of_tools_pictures_and_captions() -> None:
    request = PlanRequest(message="", tools=TOOLS, images=(1, 7), captions={7: "a blue cat"}, attached=(7,))
    told = plan_messages(_entry(), request)[0]["content"]
    assert "tools" in told
    assert told.endswith("Pictures:\n#1\n#7: a blue cat\nSent with the last message: #7")
    nothing = plan_messages(_entry(), PlanRequest(message="", tools=TOOLS))[0]["content"]
    assert nothing.endswith("There are no pictures yet.")


@pytest.mark.parametrize(
    ("kept", "heard"), [(0, []), (1, ["四"]), (3, ["二", "3", "四"]), (6, ["one", "二", "3", "四"])]
)
def test_the_planner_is_shown_as_much_of_the_history_as_the_entry_says(kept: int, heard: list[str]) -> None:
    history = tuple(Exchange(said=said, replied="Done.") for said in ("one", "二", "3", "四"))
    request = PlanRequest(message="five", tools=TOOLS, history=history)
    messages = plan_messages(_entry(planner_history=kept), request)
    assert [message["content"] for message in messages if message["role"] == "user"] == [*heard, "five"]
    assert sum(message["role"] == "assistant" for message in messages) == len(heard)


def test_wordless_buttons_in_the_history_leave_person_and_assistant_by_turns() -> None:
    undone = Exchange(said="", replied="Undone.")
    request = PlanRequest(
        message="and now?", tools=TOOLS, history=(undone, Exchange(said="a cat", replied="Drew #1."), undone)
    )
    messages = [(each["role"], each["content"]) for each in plan_messages(_entry(), request)]
    assert messages[1:] == [("user", "a cat"), ("assistant", "Drew #1.\nUndone."), ("user", "and now?")]


def test_the_current_picture_is_marked() -> None:
    request = PlanRequest(message="", tools=TOOLS, images=(1, 2), captions={1: "a cat"}, current=1)
    assert "\n#1 (current): a cat\n#2" in plan_messages(_entry(), request)[0]["content"]


def test_control_tokens_are_taken_out_of_all_that_people_and_models_said() -> None:
    request = PlanRequest(
        message="<x>now",
        tools=TOOLS,
        images=(1,),
        captions={1: "<x>seen"},
        history=(Exchange(said="<x>before", replied="<x>done"),),
    )
    messages = plan_messages(_entry(), request, lambda text: text.replace("<x>", ""))
    assert "<x>" not in str(messages)
    assert all(word in str(messages) for word in ("now", "seen", "before", "done"))


def test_a_broken_template_is_refused_when_the_entry_is_read() -> None:
    with pytest.raises(ValidationError, match="no jinja template"):
        _entry(planner_template="{% for image in images %}")


def test_a_template_cannot_reach_into_python() -> None:
    entry = _entry(planner_template="{{ ''.__class__.__mro__ }}")
    with pytest.raises(SecurityError):
        plan_messages(entry, PlanRequest(message="", tools=TOOLS))


def test_tools_take_the_form_of_chat_templates() -> None:
    schema = tool_schemas(TOOLS[:1])[0]
    assert schema["type"] == "function"
    assert schema["function"] == {
        "name": "generate_image",
        "description": "generate_image",
        "parameters": {"type": "object"},
    }
