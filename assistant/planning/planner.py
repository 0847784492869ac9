"""From a screened message to a plan: commands as they stand, everything else as the model itself plans it.

Nothing runs and nothing is stored here. What the model says is checked; what does not hold is asked back.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field, ValidationError

from assistant.phrases import Language, group_label, language_of, listed, numbers, quoted, say
from assistant.planning.commands import ask_back, explicit_plan
from assistant.planning.message import Message
from assistant.planning.plan import Plan, Source, Step, plan_of
from assistant.planning.source_resolution import Album, Question, names_current, resolve, unknown_number
from flux_runtime.interface import PlanRequest, PlanResult, Runtime, ToolCall, Vocabulary
from tools import TOOLS
from tools.contract import Tool, ToolArguments

MAX_PLAN_STEPS = 8

_TOOLS = {tool.name: tool for tool in TOOLS}
_CLARIFY = "clarify"
_NOTHING_SPECIAL = {"unclear", "unknown"}
_WHO = "characters"
"""The vocabulary's group of those that a picture is of."""
_STEP_RESULT = re.compile(r"\$(\d+)")


class Clarify(ToolArguments):
    """Ask the person back. Use it when it is unclear what they want, or when they want something that you do
    not know."""

    about: str = Field(
        default="",
        description='The words you stumble over, or only "unclear" or "unknown" if it is all of them.',
    )


SCHEMAS = (*(tool.schema for tool in TOOLS), Clarify.schema_for_planner(_CLARIFY))
"""Everything the planner may call."""


def make_plan(
    message: Message, album: Album, runtime: Runtime, *, cancel: threading.Event | None = None
) -> Plan:
    """What the message asks for.

    Raises:
        FluxRuntimeError: the model could not plan, or `cancel` was set.
    """
    message, album = _with_chosen_image(message, album)
    explicit = explicit_plan(message, album)
    if explicit:
        return explicit
    if not message.text:
        images = numbers(message.language, album.attached)
        return Plan(tool="chat", chat=say(message.language, "got_images", images=images))
    missing = next((n for n in _written_numbers(message, album) if n not in album.numbers), None)
    if missing is not None:
        return ask_back(unknown_number(missing, album, message.language))
    capabilities = runtime.capabilities
    if not capabilities.plan:
        return ask_back(say(message.language, "no_planner", model=capabilities.model))
    request = PlanRequest(message=message.text, images=album.numbers, attached=album.attached, tools=SCHEMAS)
    result = runtime.plan(request, cancel=cancel)
    vocabulary = capabilities.vocabulary if isinstance(capabilities.vocabulary, Vocabulary) else None
    return _checked(result, message, album, vocabulary)


def _written_numbers(message: Message, album: Album) -> list[int]:
    """Every `#n` that the person wrote out; none where the images were chosen already, which is stronger."""
    return [] if album.attached else [int(n) for n in re.findall(r"#\s*(\d{1,6})", message.text)]


def _with_chosen_image(message: Message, album: Album) -> tuple[Message, Album]:
    """A bare number after "which one do you mean?" is an answer: the earlier message, about that image."""
    number = re.fullmatch(r"#?\s*(\d{1,6})[.!。]?", message.text)
    asked = message.open_question
    if not number or not asked or message.command not in (None, asked.command):
        return message, album
    if int(number[1]) not in asked.candidates:
        return message, album
    message = replace(message, text=asked.text, command=asked.command)
    return message, replace(album, attached=(int(number[1]),))


def _checked(result: PlanResult, message: Message, album: Album, vocabulary: Vocabulary | None) -> Plan:
    """The plan in what the model said."""
    unknown = vocabulary.unknown(message.text) if vocabulary else ()
    unclear = ask_back(_what_is_unknown(unknown, vocabulary, message.language))
    if not result.calls:
        # A call that could not be read is no chat reply.
        readable = result.text and "<tool_call" not in result.raw
        return Plan(tool="chat", chat=result.text) if readable else unclear
    if any(call.name == _CLARIFY for call in result.calls):
        return ask_back(_about(result.calls, message.language)) if not unknown else unclear
    read = _read_calls(result.calls)
    if read is None:
        return unclear
    draws_anew = read[0][0].step == "generate"
    if unknown and draws_anew and vocabulary and not vocabulary.mentions(message.text, _WHO):
        return unclear  # what cannot be drawn is the very thing that was asked for
    written = _written_numbers(message, album)
    steps: list[Step] = []
    for tool, arguments in read:
        name = arguments.source
        if len(written) == 1 and len(read) == 1 and name is not None:
            name = f"#{written[0]}"  # a number that was written out is not left to the planner
        sources = _sources(name, steps, album, message.language, vocabulary)
        if isinstance(sources, Question):
            return ask_back(sources)
        region = message.region if tool.step == "edit" else None
        steps.append(Step(tool=tool.step, sources=sources, text=arguments.words, region=region))
    draws = any(step.tool in ("generate", "edit") for step in steps)
    return plan_of(tuple(steps), left_out=unknown if draws else ())


def _read_calls(calls: Sequence[ToolCall]) -> list[tuple[Tool, ToolArguments]] | None:
    """Every call with its arguments, or None if one is not what it should be."""
    if len(calls) > MAX_PLAN_STEPS:
        return None
    try:
        return [
            (_TOOLS[call.name], _TOOLS[call.name].arguments.model_validate(call.arguments)) for call in calls
        ]
    except (KeyError, ValidationError):
        return None


def _sources(
    name: str | None,
    before: list[Step],
    album: Album,
    language: Language,
    vocabulary: Vocabulary | None,
) -> tuple[Source, ...] | Question:
    """The images that a step means, which may be what a step before it makes."""
    if name is None:
        return ()
    made = [f"${n}" for n, step in enumerate(before, start=1) if step.tool in ("generate", "edit")]
    if _STEP_RESULT.fullmatch(name.strip()):
        return (name.strip(),) if name.strip() in made else Question(say(language, "what_to_do"))
    moved = [step.tool for step in before if step.tool != "ask"]
    if moved and names_current(name):
        if moved[-1] != "undo":
            return (made[-1],)
        if not album.attached:  # what an undo will make current is not known before it is done
            return Question(say(language, "what_to_do"))
    return resolve(name, album, language, vocabulary)


def _about(calls: Sequence[ToolCall], language: Language) -> str:
    """The question for a call of `clarify`."""
    about = next((call.arguments.get("about") for call in calls if call.name == _CLARIFY), None)
    if isinstance(about, str) and about.strip() and about.strip().lower() not in _NOTHING_SPECIAL:
        return say(language, "not_sure", about=about.strip())
    return say(language, "what_to_do")


def _what_is_unknown(unknown: tuple[str, ...], vocabulary: Vocabulary | None, language: Language) -> str:
    """A question that names the words the model does not know and lists what it can draw instead."""
    if not unknown or vocabulary is None:
        return say(language, "what_to_do")
    groups = [
        f"{group_label(language, group)}{'：' if language == 'zh' else ': '}"
        + listed(language, [_spelling(name, spellings, language) for name, spellings in names.items()])
        for group, names in vocabulary.groups.items()
    ]
    words = quoted(language, unknown)
    return say(language, "cannot_draw", words=words, groups=("；" if language == "zh" else "; ").join(groups))


def _spelling(name: str, spellings: tuple[str, ...], language: Language) -> str:
    """How a canonical name is said in that language."""
    return next((each for each in (name, *spellings) if language_of(each) == language), name)
