"""Slash commands and buttons: what they ask for is done as it stands, without the planner.

Which commands there are, and what each makes of words and images, the tools declare.
"""

from __future__ import annotations

import re

from pydantic import ValidationError

from assistant.phrases import listed, numbers, say
from assistant.planning.message import Message
from assistant.planning.plan import Plan, Step, plan_of
from assistant.planning.source_resolution import Album, Question, numbers_in, resolve
from flux_runtime.interface import Capabilities
from tools.contract import Asked, Command, Tool
from tools.toolbox import Toolbox, slash
from tools.wording import Wording

LONGEST_SHOWN = 40
"""Characters of a command that does not exist which are said again."""

#: The images a command begins with: "#2", "#1, #3".
_LEADING_NUMBERS = re.compile(r"(?:#\s*\d+[\s,、]*)+")


def explicit_plan(message: Message, album: Album, able: Capabilities, tools: Toolbox) -> Plan | None:
    """The plan of a button or slash command; None if the message is neither."""
    command, text = tools.command(message.command), message.text
    if text.startswith("/"):
        typed = _slash(tools).match(text)
        command = tools.typed(typed[1] or typed[2]) if typed else None
        if not typed or not command:
            return _unknown(text.split()[0], message, tools)
        text = text[typed.end() :]
    elif message.command and not command:
        return _unknown(f"/{message.command}", message, tools)
    return _plan_of(command, text, message, album, able, tools) if command else None


def ask_back(question: str | Question) -> Plan:
    """The plan that only asks the person something."""
    if isinstance(question, str):
        return Plan(tool="clarify", clarify=question)
    return Plan(tool="clarify", clarify=question.text, candidates=question.candidates)


def _slash(tools: Toolbox) -> re.Pattern[str]:
    """ "/ask what is it", "/画一只猫": a Chinese command needs no space after it."""
    chinese = sorted((re.escape(command.chinese) for command in tools.commands), key=len, reverse=True)
    return re.compile(rf"/(?:([a-z_]+)(?![^\s])|({'|'.join(chinese)}))\s*", re.IGNORECASE)


def _unknown(typed: str, message: Message, tools: Toolbox) -> Plan:
    commands = listed(message.language, [slash(command, message.language) for command in tools.commands])
    shown = typed[:LONGEST_SHOWN]
    return ask_back(say(message.language, "unknown_command", command=shown, commands=commands))


def _plan_of(
    command: Command, text: str, message: Message, album: Album, able: Capabilities, tools: Toolbox
) -> Plan:
    """What a command comes to. The images are settled before the words are missed."""
    asked = Asked(text, region=message.region)
    if command.about_image:
        leading = _LEADING_NUMBERS.match(text)
        images = resolve(leading[0] if leading else "last", album, message.language)
        if isinstance(images, Question):
            return ask_back(images)
        records = {image.n: image for image in album.images}
        stored = tuple(records[n] for n in images if n in records)
        words = text[leading.end() :] if leading else text
        asked = Asked(words, images, stored, message.region)
    try:
        read = command.read(asked) if asked.words or not command.wanting else command.wanting
    except ValidationError:  # words that the tool cannot take
        return ask_back(say(message.language, "what_to_do"))
    tool = tools.of_command(command) if isinstance(read, Wording) else tools.of_arguments(read)
    lacking = _lacking(tool, able, message)
    if lacking:
        return lacking
    if isinstance(read, Wording):
        return ask_back(read.say(message.language, images=numbers(message.language, asked.images)))
    # A command names its images by number, and knows better than what came with the message.
    sources = tuple(n for name in read.image_names for n in numbers_in(name))
    return plan_of((Step(tool=tool.step, sources=sources, arguments=read),))


def _lacking(tool: Tool, able: Capabilities, message: Message) -> Plan | None:
    """The plan that says why the model cannot do it; None if it can."""
    why = tool.lacks(able)
    return ask_back(why.say(message.language, model=able.model)) if why else None
