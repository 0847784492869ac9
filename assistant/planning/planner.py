"""From a screened message to a plan: commands as they stand, everything else as the model itself plans it.

Nothing runs and nothing is stored here. What the model says is checked; what does not hold is asked back.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, ValidationError

from assistant.phrases import Language, group_label, language_of, listed, numbers, quoted, say
from assistant.planning.commands import ask_back, explicit_plan
from assistant.planning.message import Message
from assistant.planning.plan import Plan, Source, Step, plan_of
from assistant.planning.source_resolution import (
    LONGEST_NUMBER,
    MOST_OFFERED,
    Album,
    Question,
    names_current,
    resolve,
    unknown_number,
    written_numbers,
)
from assistant.planning.spoken import is_sayable, spoken
from assistant.planning.view import short_captions, shown_images
from flux_runtime.interface import (
    Envelope,
    PlanRequest,
    PlanResult,
    Runtime,
    ToolCall,
    ToolSchema,
    Vocabulary,
)
from tools import TOOLS
from tools.contract import Tool, ToolArguments
from tools.toolbox import Toolbox, slash

MAX_PLAN_STEPS = 8

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


def schemas(tools: Sequence[Tool[Any]]) -> tuple[ToolSchema, ...]:
    """Everything the planner may call: these tools, or asking back."""
    return (*(tool.schema for tool in tools), Clarify.schema_for_planner(_CLARIFY))


def make_plan(
    message: Message,
    album: Album,
    runtime: Runtime,
    tools: Toolbox = TOOLS,
    *,
    envelope: Envelope | None = None,
    cancel: threading.Event | None = None,
) -> Plan:
    """What the message asks for. In the envelope, should the model be asked, goes its request.

    Raises:
        FluxRuntimeError: the model could not plan, or `cancel` was set.
    """
    message, album = _with_chosen_image(message, album)
    able, language = runtime.capabilities, message.language
    explicit = explicit_plan(message, album, able, tools)
    if explicit:
        return explicit
    if not message.text:
        images = numbers(language, album.attached)
        return Plan(tool="chat", chat=say(language, "got_images", images=images))
    missing = next((n for n in _written_numbers(message, album) if n not in album.numbers), None)
    if missing is not None:
        return ask_back(unknown_number(missing, album, language))
    if not able.plan:
        usable = [slash(command, language) for command in tools.usable_commands(able) if command.menu]
        commands = listed(language, usable, choice=True)
        return ask_back(say(language, "no_planner", model=able.model, commands=commands))
    message = replace(message, text=spoken(message.text))
    if not message.text:
        return ask_back(say(language, "what_to_do"))
    offered = tools.offered(able)
    shown = shown_images(message.text, album, able.planner_images, gaps=able.planner_gaps)
    request = PlanRequest(
        message=message.text,
        images=shown,
        attached=album.attached,
        current=album.head,
        captions=short_captions(album, shown),
        history=message.history,
        tools=schemas(offered),
    )
    result = runtime.plan(request, envelope=envelope, cancel=cancel)
    vocabulary = able.vocabulary if isinstance(able.vocabulary, Vocabulary) else None
    sure = result.probability is None or result.probability >= able.sure_from
    plan = _checked(result, message, album, vocabulary, offered, sure=sure)
    return plan if sure else _only_offered(plan, tools, language)


def _only_offered(plan: Plan, tools: Toolbox, language: Language) -> Plan:
    """A plan that the model is not sure of, as a question: its one step is offered, more are not done."""
    if not plan.steps:
        return plan
    step = plan.steps[0]
    tool = tools.of_step(step.tool)
    if len(plan.steps) > 1 or tool.offer is None or any(isinstance(source, str) for source in step.sources):
        return ask_back(say(language, "what_to_do"))
    images = numbers(language, [source for source in step.sources if isinstance(source, int)])
    offer = tool.offer.say(language, text=step.text.strip().rstrip(".。?？"), images=images)
    return Plan(tool=_CLARIFY, clarify=say(language, "not_understood", offer=offer), guess=step)


def _written_numbers(message: Message, album: Album) -> tuple[int, ...]:
    """The images that the person wrote by number; none where they were chosen already, which is stronger."""
    return () if album.attached else written_numbers(message.text, album)


def _with_chosen_image(message: Message, album: Album) -> tuple[Message, Album]:
    """A bare number after "which one do you mean?" is an answer: the earlier message, about that image."""
    number = re.fullmatch(r"#?\s*(\d+)[.!。]?", message.text)
    asked = message.open_question
    if not number or not asked or message.command not in (None, asked.command):
        return message, album
    n = int(number[1][:LONGEST_NUMBER])
    offered = album.numbers if len(asked.candidates) == MOST_OFFERED else asked.candidates
    if n not in offered:
        return message, album
    return replace(message, text=asked.text, command=asked.command), replace(album, attached=(n,))


def _checked(
    result: PlanResult,
    message: Message,
    album: Album,
    vocabulary: Vocabulary | None,
    offered: Sequence[Tool[Any]],
    *,
    sure: bool,
) -> Plan:
    """The plan in what the model said, which it is sure of or not."""
    unknown = vocabulary.unknown(message.text) if vocabulary else ()
    unclear = ask_back(_what_is_unknown(unknown, vocabulary, message.language))
    if not result.calls:
        # A call that could not be read is no chat reply.
        readable = is_sayable(result.text) and "<tool_call" not in result.raw
        return Plan(tool="chat", chat=result.text) if readable else unclear
    if any(call.name == _CLARIFY for call in result.calls):
        return ask_back(_about(result.calls, message)) if not unknown else unclear
    read = _read_calls(result.calls, offered)
    if read is None:
        return unclear
    first, given = read[0]
    # A change with a word that is not known would be another change, claimed as the one asked for, and so may
    # an undo be; of a new picture it may be the very thing that was asked for, unless somebody else is in it.
    anew = first.effect == "image" and not given.image_names
    draws_somebody = anew and vocabulary and vocabulary.mentions(message.text, _WHO)
    if unknown and not draws_somebody and not (first.effect == "words" and sure):
        return unclear
    written = _written_numbers(message, album)
    steps: list[Step] = []
    effects: list[str] = []
    for tool, arguments in read:
        names = arguments.image_names
        if len(written) == 1 and len(read) == 1 and len(names) == 1:
            names = (f"#{written[0]}",)  # a number that was written out is not left to the planner
        sources = _sources(names, effects, album, message.language, vocabulary)
        if isinstance(sources, Question):
            return ask_back(sources)
        given = arguments.within(message.region) if message.region else arguments
        if unknown and len(read) == 1:
            given = given.in_own_words(message.text)  # a word that the planner does not know, it misspells
        steps.append(Step(tool=tool.step, sources=sources, arguments=given))
        effects.append(tool.effect)
    named = {source for step in steps for source in step.sources}
    if not named.issuperset(written):
        # An undo to a certain picture, or one change to two: what is planned is less than what was asked.
        return unclear
    return plan_of(tuple(steps), left_out=unknown)


def _read_calls(
    calls: Sequence[ToolCall], offered: Sequence[Tool[Any]]
) -> list[tuple[Tool[Any], ToolArguments]] | None:
    """Every call with its arguments, or None if one is not what it should be."""
    if len(calls) > MAX_PLAN_STEPS:
        return None
    named = {tool.name: tool for tool in offered}
    read = []
    for call in calls:
        tool = named.get(call.name)
        if tool is None or not call.arguments.keys() <= tool.schema.parameters["properties"].keys():
            return None
        try:
            read.append((tool, tool.arguments.model_validate(call.arguments)))
        except ValidationError:
            return None
    return read


def _sources(
    names: tuple[str, ...],
    effects: Sequence[str],
    album: Album,
    language: Language,
    vocabulary: Vocabulary | None,
) -> tuple[Source, ...] | Question:
    """The images that a step's names mean, each once; `effects` are those of the steps before it."""
    found: list[Source] = []
    for name in names:
        sources = _source(name, effects, album, language, vocabulary)
        if isinstance(sources, Question):
            return sources
        found += [source for source in sources if source not in found]
    return tuple(found)


def _source(
    name: str,
    effects: Sequence[str],
    album: Album,
    language: Language,
    vocabulary: Vocabulary | None,
) -> tuple[Source, ...] | Question:
    """The images of one name, which may be what a step before makes."""
    made = [f"${n}" for n, effect in enumerate(effects, start=1) if effect == "image"]
    if _STEP_RESULT.fullmatch(name.strip()):
        return (name.strip(),) if name.strip() in made else Question(say(language, "what_to_do"))
    moved = [effect for effect in effects if effect != "words"]
    if moved and names_current(name):
        if moved[-1] == "image":
            return (made[-1],)
        if not album.attached:  # what an undo will make current is not known before it is done
            return Question(say(language, "what_to_do"))
    return resolve(name, album, language, vocabulary)


def _about(calls: Sequence[ToolCall], message: Message) -> str:
    """The question for a call of `clarify`. Only words that the person wrote are said to be unclear."""
    about = next((call.arguments.get("about") for call in calls if call.name == _CLARIFY), None)
    about = about.strip() if isinstance(about, str) else ""
    if about and about.lower() not in _NOTHING_SPECIAL and about.lower() in message.text.lower():
        return say(message.language, "not_sure", about=about)
    return say(message.language, "what_to_do")


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
