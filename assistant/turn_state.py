"""What one run of the graph works with: the state that is checkpointed, and the rest, which is not."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict, cast

from assistant.phrases import Language, language_of
from assistant.turn import Turn
from flux_runtime.interface import OnEvent, Runtime
from sessions.records import SessionRecord
from sessions.store import SessionStore
from tools import TOOLS
from tools.contract import DrawingOptions
from tools.toolbox import Toolbox


class Outcome(TypedDict):
    """What a step came to, by ids and numbers: the images it looked at, made, and moved between."""

    sources: list[int]
    images: list[str]
    answer: str | None
    left: int | None
    current: int | None
    kept: NotRequired[float | None]
    checked: NotRequired[list[str] | None]
    """A `Checked` as a list."""


class Failure(TypedDict):
    """An error as it is told to people; see `ReplyError`."""

    code: str
    stage: str
    message: str


class TurnState(TypedDict, total=False):
    """Words, ids and numbers only: images stay in the store, files and callbacks in `TurnRun`."""

    text: str
    attached: list[int]
    on_white: list[int]
    """The turn's uploads that had see-through parts."""
    seed: int
    plan: dict[str, Any]
    outcomes: list[Outcome]
    failure: Failure
    reply: dict[str, Any]


def resumable(state: TurnState) -> TurnState:
    """What a later try of the turn goes on with: the plan and what came of its steps, and the seed."""
    kept = {name: value for name, value in state.items() if name in ("seed", "plan", "outcomes")}
    return cast(TurnState, kept)


@dataclass(frozen=True)
class TurnRun:
    """The turn in flight, as it was handed in, and what it runs with. `id` is the turn's in the store."""

    turn: Turn
    id: str
    session: SessionRecord
    store: SessionStore
    runtime: Runtime
    cancel: threading.Event
    on_event: OnEvent | None = None
    tools: Toolbox = TOOLS
    options: DrawingOptions = field(default_factory=DrawingOptions)
    started: float = field(default_factory=time.monotonic)

    @property
    def language(self) -> Language:
        """Of the message; of the session's first one where a button says nothing."""
        return language_of(self.turn.text or self.session.title)
