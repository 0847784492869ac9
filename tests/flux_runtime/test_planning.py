"""Tool calls are read from what the planner says, all of them or none."""

from __future__ import annotations

import pytest

from flux_runtime.interface import PlanRequest, ToolCall, ToolSchema
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


def test_the_planner_is_shown_numbers_and_the_message() -> None:
    def shown(images: tuple[int, ...] = (), attached: tuple[int, ...] = ()) -> str:
        request = PlanRequest(message="make it rainy", tools=TOOLS, images=images, attached=attached)
        system, user = plan_messages(request, request.message)
        assert (system["role"], user) == ("system", {"role": "user", "content": "make it rainy"})
        return system["content"]

    assert shown() == "images: none"
    assert shown(images=(1, 2, 3)) == "images: #1 #2 #3"
    assert shown(images=(1, 2), attached=(2,)) == "images: #1 #2 attached: #2"


def test_tools_take_the_form_of_chat_templates() -> None:
    schema = tool_schemas(TOOLS[:1])[0]
    assert schema["type"] == "function"
    assert schema["function"] == {
        "name": "generate_image",
        "description": "generate_image",
        "parameters": {"type": "object"},
    }
