"""A message as planning sees it: screened words, their language, and what was asked for explicitly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assistant.phrases import Language
from assistant.plan import Plan
from assistant.turn import Command, Turn
from flux_runtime.interface import Box
from sessions.records import TurnRecord


@dataclass(frozen=True)
class OpenQuestion:
    """The message before this one, if it was answered by asking which of `candidates` it means."""

    text: str
    candidates: tuple[int, ...]


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
    plan = Plan.model_validate(before.plan) if before and before.plan else None
    asked = OpenQuestion(before.text, plan.candidates) if before and plan and plan.candidates else None
    return Message(text, language, turn.command, turn.region, asked)


def attached_numbers(turn: Turn, uploads: Iterable[int]) -> tuple[int, ...]:
    """The images that came with the turn, the one it replies to first."""
    return (*(() if turn.reply_to is None else (turn.reply_to,)), *uploads)
