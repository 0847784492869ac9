"""A message as planning sees it: screened words, their language, explicit wishes, what was said before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assistant.phrases import Language
from assistant.planning.spoken import spoken
from assistant.turn import Reply, Turn
from flux_runtime.interface import Box, Exchange
from sessions.records import TurnRecord


@dataclass(frozen=True)
class OpenQuestion:
    """The message before this one, if it was answered by asking which of `candidates` it means."""

    text: str
    candidates: tuple[int, ...]
    command: str | None = None


@dataclass(frozen=True)
class Message:
    """`text` is plain. `region` is the box of the image that an edit may change."""

    text: str
    language: Language
    command: str | None = None
    region: Box | None = None
    open_question: OpenQuestion | None = None
    history: tuple[Exchange, ...] = ()
    """What was said before in this conversation, the latest last."""


def message_of(turn: Turn, text: str, language: Language, before: Iterable[TurnRecord]) -> Message:
    """The message of a turn whose words, made plain, are `text`; `before` are earlier turns, in order."""
    replies = [(record.text, Reply.read(record.reply) if record.reply else None) for record in before]
    last = replies[-1][1] if replies else None
    history = tuple(Exchange(said=spoken(said), replied=reply.text) for said, reply in replies if reply)
    return Message(text, language, turn.command, turn.region, _open_question(last), history)


def _open_question(reply: Reply | None) -> OpenQuestion | None:
    """What the buttons under that reply would send, if it asked which image is meant."""
    if reply is None or not reply.candidates or not reply.actions:
        return None
    button = reply.actions[0]
    return OpenQuestion(button.text, tuple(image.n for image in reply.candidates), button.command)


def attached_numbers(turn: Turn, uploads: Iterable[int]) -> tuple[int, ...]:
    """The images that came with the turn, the one it replies to first."""
    return (*(() if turn.reply_to is None else (turn.reply_to,)), *uploads)
