"""A person's message to tool calls: what the planner is shown, and how its words are read.

The planner sees words, and numbers and captions of images, never pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from flux_runtime.entry import CatalogueEntry
from flux_runtime.families.protocol import Message
from flux_runtime.interface import Exchange, PlanRequest, ToolCall, ToolSchema

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_MARKS = ("<tool_call>", "</tool_call>")
_JINJA = ImmutableSandboxedEnvironment()  # a template comes with the weights, from whoever made them


def plan_messages(
    entry: CatalogueEntry, request: PlanRequest, plain: Callable[[str], str] = str
) -> list[Message]:
    """The conversation that the planner continues: system prompt, earlier messages and replies, the message.

    `plain` takes control tokens out of what people and models said.
    """
    images = [
        {"number": n, "caption": plain(request.captions.get(n, "")), "current": n == request.current}
        for n in request.images
    ]
    template = _JINJA.from_string(entry.planner_template)
    system = _message("system", template.render(images=images, attached=request.attached))
    history = request.history[max(0, len(request.history) - entry.planner_history) :]
    return [system, *_by_turns(history, plain), _message("user", plain(request.message))]


def _by_turns(history: Sequence[Exchange], plain: Callable[[str], str]) -> list[Message]:
    """Person and assistant by turns, as chat templates insist: what a wordless button did is added to the
    reply before it, and left out if there is none."""
    messages: list[Message] = []
    for exchange in history:
        said, replied = plain(exchange.said), plain(exchange.replied)
        if said.strip():
            messages += [_message("user", said), _message("assistant", replied)]
        elif messages:
            messages[-1] = _message("assistant", f"{messages[-1]['content']}\n{replied}")
    return messages


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


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
