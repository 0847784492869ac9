"""What every tool declares, is given and gives back. A tool does one step of a plan, chosen above it.

One file declares all of a tool: its arguments, slash commands and buttons, the sentence of its reply, what it
needs of the model, and what it does. The docstring and the field descriptions of the arguments are what the
planner reads about the tool, so they are written for the model. Sources arrive as stored images: what people
call them is resolved elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar

from PIL import Image
from pydantic import BaseModel, ConfigDict

from flux_runtime.interface import (
    MAX_SEED,
    Box,
    Capabilities,
    Envelope,
    ImageResult,
    OnEvent,
    Runtime,
    ToolSchema,
)
from flux_runtime.picture_check import Checked
from sessions.images import Move
from sessions.records import ImageRecord, NewImage, SessionRecord
from sessions.store import SessionStore
from tools.wording import Language, Wording

IMAGE_NAME = (
    'Which image, as the person named it: "last" (it, this, or not said), "#2" by its number, "first", '
    '"second", "third", "attached" (came with this message), "$1" (the result of step 1 of this plan), or a '
    'short description such as "the blue one".'
)
"""The description of every argument that names an image."""


class ToolArguments(BaseModel):
    """Base of what is said to a tool; anything that it does not declare is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def words(self) -> str:
        """The prompt, question or instruction, as people and scripts are shown it."""
        return ""

    @property
    def image_names(self) -> tuple[str, ...]:
        """What the images to work on were called, the one to change first; empty if it looks at none."""
        return ()

    @property
    def box(self) -> Box | None:
        """The only part of the first image that may change; None is all of it."""
        return None

    def in_own_words(self, text: str) -> Self:
        """The same asked in the person's own words, for a tool that may be asked in any."""
        return self

    def within(self, box: Box) -> Self:
        """The same inside `box` only; a tool that has no use for a part of an image is left as it is."""
        return self

    @classmethod
    def schema_for_planner(cls, name: str) -> ToolSchema:
        """The arguments as the planner reads them, without what pydantic adds for programs."""
        full = cls.model_json_schema()
        properties = {
            field: {key: value for key, value in about.items() if key in ("type", "description", "enum")}
            for field, about in full["properties"].items()
        }
        return ToolSchema(
            name=name,
            description=" ".join((cls.__doc__ or "").split()),
            parameters={"type": "object", "properties": properties, "required": full.get("required", [])},
        )


@dataclass(frozen=True)
class DrawingOptions:
    """What is done around a drawing where the model can."""

    upsample: bool = True
    """Complete a prompt before it is drawn."""
    check: bool = True
    """Look at a picture before it is claimed."""


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
    language: Language = "en"
    """What the person is spoken to in."""
    commanded: bool = False
    """Whether a slash command or a button asks for this step, and not the planner."""
    options: DrawingOptions = DrawingOptions()
    sources: tuple[ImageRecord, ...] = ()
    """The images that the arguments name, in that order."""
    width: int | None = None
    height: int | None = None
    num_inference_steps: int | None = None
    previews: int = 0
    on_event: OnEvent | None = None
    cancel: threading.Event | None = None

    @property
    def envelope(self) -> Envelope:
        """Whose request this is to the runtime, and which."""
        return Envelope(id=f"{self.turn}-{self.step}", owner=self.session.owner)

    def already_made(self) -> ImageRecord | None:
        """The image of this step if a run before this one stored it: then the model need not run again."""
        return self.store.images.find(self.session.owner, self.turn, self.step, 0)

    def unused_seed(self, words: str, start: int | None = None) -> int:
        """The first seed from `start` (else `seed`) on that these words were not drawn with before."""
        used, seed = self.store.images.seeds(self.session, words), self.seed if start is None else start
        while seed in used:
            seed = next_seed(seed)
        return seed

    def keep(self, result: ImageResult, new: NewImage, checked: Checked | None = None) -> ToolOutcome:
        """Store the image of this step with its receipt; the outcome shows it and what was seen in it."""
        known = {
            "seed": result.receipt.seed,
            "outside_change": result.outside_change,
            "receipt": result.receipt.model_dump(mode="json"),
        }
        stored = self.add(result.image, new.model_copy(update=known))
        return replace(stored, kept=result.kept, checked=checked)

    def add(self, image: Image.Image, new: NewImage) -> ToolOutcome:
        """Store an image of this step that no model made."""
        new = new.model_copy(update={"prompt_typed": self.typed})
        stored = self.store.images.add(self.session, self.turn, self.step, 0, image, new)
        return ToolOutcome(images=(stored,))


def next_seed(seed: int, by: int = 1) -> int:
    """The seed so many places on, in a circle; one out of range stays so, and the runtime refuses it."""
    return (seed + by) % (MAX_SEED + 1) if 0 <= seed <= MAX_SEED else seed


@dataclass(frozen=True)
class ToolOutcome:
    """What a step came to: images it stored, an answer, or how it moved the current image."""

    images: tuple[ImageRecord, ...] = ()
    answer: str | None = None
    move: Move | None = None
    kept: float | None = None
    """Share of its source's pixels that an image was left with, 0 to 1; None if nobody measured it."""
    checked: Checked | None = None
    """What the model saw in the image before it was claimed; None if nobody looked."""


Arguments = TypeVar("Arguments", bound=ToolArguments)


@dataclass(frozen=True)
class Done(Generic[Arguments]):
    """A step that was done, by the numbers that people call images."""

    arguments: Arguments
    sources: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    answer: str | None = None
    left: int | None = None
    """The image that was current before the step moved to another one."""
    current: int | None = None
    """The image that it moved to; the same as `left` if there was none to move to."""
    kept: float | None = None
    """As in `ToolOutcome`."""
    checked: Checked | None = None
    """As in `ToolOutcome`."""
    prompts: tuple[str, ...] = ()
    """What the images of `made` were drawn from, as the model was told it."""
    typed: str = ""
    """The person's own words in this turn."""


@dataclass(frozen=True)
class Moment:
    """Where a turn has come to when the buttons under its reply are chosen."""

    image: int | None = None
    """What they are about: the last image that the turn made, or else the first that came without words."""
    made: bool = False
    """Whether the turn made that image."""
    last: Done[Any] | None = None
    """The turn's last step."""


@dataclass(frozen=True)
class Asked:
    """What a person asks for by command: words, and the images that the command is about."""

    words: str
    images: tuple[int, ...] = ()
    stored: tuple[ImageRecord, ...] = ()
    """Those of the images that are stored already; what comes with this message may not be."""
    region: Box | None = None

    @property
    def names(self) -> str:
        """The images as an argument names them."""
        return " ".join(f"#{n}" for n in self.images)


@dataclass(frozen=True)
class Command:
    """A slash command of a tool, and the button that asks for the same."""

    name: str
    """In English, as typed after the slash and as `Turn.command` says it."""
    chinese: str
    """As typed after the slash in Chinese."""
    icon: str
    """A name of Lucide's set."""
    read: Callable[[Asked], ToolArguments | Wording]
    """Arguments, of this tool or of another, or the question to ask back; `{images}` in it are the images."""
    about_image: bool = True
    """Whether it is about images: those it begins with ("#1, #2"), else the current one."""
    wanting: Wording | None = None
    """What is asked if no words come with it, about `{images}`; None if it needs none."""
    menu: Wording | None = None
    """What the chat page's slash menu says of it; None leaves it out."""
    button: Wording | None = None
    """Its label, where `{n}` is the image; None if no button asks for it."""
    offered: Callable[[Moment], bool] = lambda _: False
    """When its button is shown."""


@dataclass(frozen=True)
class Tool(Generic[Arguments]):
    """One thing that the assistant can do."""

    name: str
    """What the planner calls it."""
    step: str
    """What people and scripts call what it does."""
    effect: Literal["image", "words", "current"]
    """What a step leaves behind: a new image, which is then current; words only; another current image."""
    arguments: type[Arguments]
    run: Callable[[Arguments, ToolContext], ToolOutcome]
    """Does it; raises the runtime's errors."""
    sentence: Callable[[Done[Arguments], Language], str]
    """Says what was done to which image."""
    lacks: Callable[[Capabilities], Wording | None] = lambda _: None
    """Why a model cannot do it (`{model}` is its name), or None if it can."""
    commands: tuple[Command, ...] = ()
    """The one named as the step, if there is one, does what the tool does."""
    offer: Wording | None = None
    """The question whether this is meant, of `{text}` and `{images}`; None if it is never offered."""

    @property
    def schema(self) -> ToolSchema:
        return self.arguments.schema_for_planner(self.name)
