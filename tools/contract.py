"""What every tool is given and gives back. A tool does one step of a plan; which step is decided above it.

The docstring and the field descriptions of a tool's arguments are what the planner reads about the tool, so
they are written for the model. Sources arrive as stored images: what people call them was resolved before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flux_runtime.interface import Box, ImageResult, OnEvent, Runtime, ToolSchema
from sessions.images import Move
from sessions.records import ImageRecord, NewImage, SessionRecord
from sessions.store import SessionStore

StepName = Literal["generate", "ask", "edit", "undo"]
"""What people and scripts call what a tool does."""

IMAGE_NAME = (
    'Which image, as the person named it: "last" (it, this, or not said), "#2" by its number, "first", '
    '"second", "third", "attached" (came with this message), "$1" (the result of step 1 of this plan), or a '
    'short description such as "the blue one".'
)
"""The description of every argument that names an image."""


class ToolArguments(BaseModel):
    """Base of what the planner may say to a tool; anything it was not told about is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def words(self) -> str:
        """The prompt, question or instruction."""
        return ""

    @property
    def source(self) -> str | None:
        """What the planner called the image; None for a tool that looks at none."""
        return None

    @classmethod
    def schema_for_planner(cls, name: str) -> ToolSchema:
        """The arguments as the planner reads them, without what pydantic adds for programs."""
        full = cls.model_json_schema()
        properties = {
            field: {key: value for key, value in about.items() if key in ("type", "description")}
            for field, about in full["properties"].items()
        }
        return ToolSchema(
            name=name,
            description=" ".join((cls.__doc__ or "").split()),
            parameters={"type": "object", "properties": properties, "required": full.get("required", [])},
        )


@dataclass(frozen=True)
class ToolTask:
    """One step: words, the images it is about (the first is the one to change), and a box of the first."""

    words: str
    sources: tuple[ImageRecord, ...] = ()
    region: Box | None = None


@dataclass(frozen=True)
class ToolContext:
    """What a step runs with. Sizes are pixels; None leaves a setting to the model."""

    runtime: Runtime
    store: SessionStore
    session: SessionRecord
    turn: str
    step: int
    typed: str
    """The person's own words, kept with every image made from them."""
    seed: int
    width: int | None = None
    height: int | None = None
    num_inference_steps: int | None = None
    preview_every: int = 0
    on_event: OnEvent | None = None
    cancel: threading.Event | None = None

    def already_made(self) -> ImageRecord | None:
        """The image of this step if a run before this one stored it: then the model need not run again."""
        return self.store.images.find(self.session.owner, self.turn, self.step, 0)

    def keep(self, result: ImageResult, new: NewImage) -> ToolOutcome:
        """Store the image of this step with its receipt; the outcome shows it."""
        new = new.model_copy(
            update={
                "prompt_typed": self.typed,
                "seed": result.receipt.seed,
                "outside_change": result.outside_change,
                "receipt": result.receipt.model_dump(mode="json"),
            }
        )
        image = self.store.images.add(self.session, self.turn, self.step, 0, result.image, new)
        return ToolOutcome(images=(image,))


@dataclass(frozen=True)
class ToolOutcome:
    """What a step came to: images it stored, an answer, or how it moved the current image."""

    images: tuple[ImageRecord, ...] = ()
    answer: str | None = None
    move: Move | None = None


@dataclass(frozen=True)
class Tool:
    """`name` is what the planner calls it, `step` what people call it; `run` raises the runtime's errors."""

    name: str
    step: StepName
    arguments: type[ToolArguments]
    run: Callable[[ToolTask, ToolContext], ToolOutcome]

    @property
    def schema(self) -> ToolSchema:
        return self.arguments.schema_for_planner(self.name)
