"""A message as planning sees it: screened words, their language, and what was asked for explicitly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assistant.phrases import Language
from assistant.turn import Command, Reply, Turn
from flux_runtime.interface import Box
from sessions.records import TurnRecord


@dataclass(frozen=True)
class OpenQuestion:
    """The message before this one, if it was answered by asking which of `candidates` it means."""

    text: str
    candidates: tuple[int, ...]
    command: Command | None = None


@dataclass(frozen=True)
class Message:
    """`text` is plain. `region` is the box of the image that an edit may change."""

    text: str
    language: Language
    command: Command | None = None
    region: Box | None = None
    open_question: OpenQuestion | None = None


def message_of(turn: Turn, text: str, language: Language, before: TurnRecord | None) -> Message:
    """The message of a turn whose words, made plain, are `text`; `before` is the turn just before it."""
    return Message(text, language, turn.command, turn.region, _open_question(before))


def _open_question(before: TurnRecord | None) -> OpenQuestion | None:
    """What the buttons under that turn's reply would send, if it asked which image is meant."""
    reply = Reply.read(before.reply) if before and before.reply else None
    if reply is None or not reply.candidates or not reply.actions:
        return None
    button = reply.actions[0]
    return OpenQuestion(button.text, tuple(image.n for image in reply.candidates), button.command)


def attached_numbers(turn: Turn, uploads: Iterable[int]) -> tuple[int, ...]:
    """The images that came with the turn, the one it replies to first."""
    return (*(() if turn.reply_to is None else (turn.reply_to,)), *uploads)
