"""Slash commands and buttons: what they ask for is done as it stands, without the planner."""

from __future__ import annotations

import re

from assistant.phrases import numbers, say
from assistant.planning.message import Message
from assistant.planning.plan import Plan, Step, plan_of
from assistant.planning.source_resolution import Album, Question, resolve
from assistant.turn import Command
from sessions.records import ImageRecord
from tools.undo import REDO

_COMMANDS: dict[str, Command] = {
    **dict.fromkeys(("generate", "画"), "generate"),
    **dict.fromkeys(("ask", "问"), "ask"),
    **dict.fromkeys(("edit", "改"), "edit"),
    **dict.fromkeys(("vary", "再画"), "vary"),
    **dict.fromkeys(("undo", "撤销"), "undo"),
    **dict.fromkeys(("redo", "重做"), "redo"),
}
#: "/ask what is it", "/画一只猫": a Chinese command needs no space after it.
_SLASH = re.compile(r"/(?:([a-z]+)(?![^\s])|(再画|撤销|重做|画|问|改))\s*", re.IGNORECASE)
#: The images a command begins with: "#2", "#1, #3".
_LEADING_NUMBERS = re.compile(r"(?:#\s*\d+[\s,、]*)+")


def explicit_plan(message: Message, album: Album) -> Plan | None:
    """The plan of a button or slash command; None if the message is neither."""
    command, text = message.command, message.text
    if text.startswith("/"):
        slash = _SLASH.match(text)
        name = (slash[1] or slash[2]).lower() if slash else ""
        if not slash or name not in _COMMANDS:
            return ask_back(say(message.language, "unknown_command", command=text.split()[0]))
        command, text = _COMMANDS[name], text[slash.end() :]
    if command is None:
        return None
    if command in ("undo", "redo"):
        return plan_of((Step(tool="undo", text=REDO if command == "redo" else ""),))
    if command == "generate":
        return plan_of((Step(tool="generate", text=text),)) if text else _ask(message, "what_to_draw")
    return _about_images(command, text, message, album)


def ask_back(question: str | Question) -> Plan:
    """The plan that only asks the person something."""
    if isinstance(question, str):
        return Plan(tool="clarify", clarify=question)
    return Plan(tool="clarify", clarify=question.text, candidates=question.candidates)


def _about_images(command: Command, text: str, message: Message, album: Album) -> Plan:
    leading = _LEADING_NUMBERS.match(text)
    sources = resolve(leading[0] if leading else "last", album, message.language)
    if isinstance(sources, Question):
        return ask_back(sources)
    if command == "vary":
        return _vary(sources[0], message, album)
    words = text[leading.end() :] if leading else text
    if not words:
        phrase = "what_to_ask" if command == "ask" else "what_to_change"
        return _ask(message, phrase, images=numbers(message.language, sources))
    if command == "ask":
        return plan_of((Step(tool="ask", sources=sources, text=words),))
    return plan_of((Step(tool="edit", sources=sources, text=words, region=message.region),))


def _vary(n: int, message: Message, album: Album) -> Plan:
    """The same words with another seed: the prompt of a drawing, or an edit's instruction to its source."""
    image: ImageRecord | None = next((each for each in album.images if each.n == n), None)
    if image is None or image.op == "upload":
        return _ask(message, "cannot_vary", n=n)
    if image.op in ("generate", "variation"):
        step = Step(tool="generate", sources=(n,), text=image.prompt_used)
    else:
        sources = tuple(parent.n for parent in image.parents)
        step = Step(tool="edit", sources=sources, text=image.prompt_used, region=image.region)
    return Plan(tool=step.tool, steps=(step,), vary=True)


def _ask(message: Message, phrase: str, **values: object) -> Plan:
    return ask_back(say(message.language, phrase, **values))
