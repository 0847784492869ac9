"""A person's message to tool calls: what the planner is shown, and how its words are read.

The planner sees the message and the numbers of the images that exist, never pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from flux_runtime.families.protocol import Message
from flux_runtime.interface import PlanRequest, ToolCall, ToolSchema

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_MARKS = ("<tool_call>", "</tool_call>")


def plan_messages(request: PlanRequest, message: str) -> list[Message]:
    """The conversation the planner continues; `message` is the person's, cleaned of control tokens."""
    state = f"images: {_numbers(request.images) or 'none'}"
    if request.attached:
        state += f" attached: {_numbers(request.attached)}"
    return [{"role": "system", "content": state}, {"role": "user", "content": message}]


def tool_schemas(tools: Sequence[ToolSchema]) -> list[dict[str, Any]]:
    """Tools in the form that chat templates expect."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def read_tool_calls(raw: str, tools: Sequence[ToolSchema]) -> tuple[tuple[ToolCall, ...], str]:
    """The calls in `raw` (`<tool_call>{"name", "arguments"}</tool_call>`) and the text outside of them.

    All or nothing: if one call is not JSON, is left open or names no offered tool, there are neither calls
    nor text, because half a plan is worse than a question back.
    """
    names = {tool.name for tool in tools}
    text = _CALL.sub("", raw)
    if any(mark in text for mark in _MARKS):
        return (), ""
    calls = []
    for body in _CALL.findall(raw):
        try:
            call = ToolCall.model_validate(json.loads(body))
        except (ValueError, ValidationError):
            return (), ""
        if call.name not in names:
            return (), ""
        calls.append(call)
    return tuple(calls), text.strip()


def _numbers(images: Sequence[int]) -> str:
    return " ".join(f"#{number}" for number in images)
