"""What callers say to a runtime and hear from it: three tasks, a plan, and the events in between.

The in-process runtime fulfils `Runtime`; so can anything else. Nothing here imports torch, loads a model or
knows a model family. Sizes are pixels, boxes half open in source pixels, seeds integers. Images are PIL
images of any mode; a request makes them upright opaque sRGB, and source pixels are the upright image's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol, Self
from uuid import uuid4

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from flux_runtime.errors import BadImage, BadMask, BadSetting
from flux_runtime.picture import Picture, StandardPicture
from flux_runtime.vocabulary import Vocabulary

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in source pixels, half open."""

GuidanceKind = Literal["cfg", "embedded", "none"]

MAX_SEED = 2**32 - 1
MAX_STEPS = 200
MAX_GUIDANCE = 30.0
MAX_DEADLINE = 86_400.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")


class Envelope(_Frozen):
    """What travels with a request: which it is, whose, how urgent, and how long it may take.

    Raises:
        BadSetting: a number is out of its range.
    """

    id: str = Field(default_factory=lambda: uuid4().hex)
    owner: str = "local"
    """Owners take turns, however many requests each has."""
    priority: int = 0
    """-100 to 100: of an owner's requests, the highest goes first."""
    deadline_seconds: float | None = None
    """How long it may take, waiting included; the runtime's own limit holds as well."""

    @model_validator(mode="after")
    def _numbers_in_range(self) -> Self:
        _in_range("priority", self.priority, -100, 100)
        _in_range("deadline in seconds", self.deadline_seconds, 0.001, MAX_DEADLINE)
        return self


class Region(_Frozen):
    """The part of the source image that an edit may change: exactly one of `box` and `mask`.

    `mask` is an 8-bit grey image of the source's size: 0 keeps the source's bytes exactly, more repaints.
    `outside=True` means everything except the box or mask.

    Raises:
        BadMask: neither or both are given, or the box is empty.
    """

    box: Box | None = None
    mask: Picture | None = None
    outside: bool = False

    @model_validator(mode="after")
    def _one_of_box_and_mask(self) -> Self:
        if (self.box is None) == (self.mask is None):
            raise BadMask("A region is either a box or a mask.", remedy="Give exactly one of them.")
        if self.box is not None and (self.box[2] <= self.box[0] or self.box[3] <= self.box[1]):
            raise BadMask(f"The box {self.box} is empty.", remedy="Give x0 < x1 and y0 < y1, in pixels.")
        return self


class _Sampling(_Frozen):
    """What generating and editing share.

    Raises:
        BadSetting: a number is out of its range.
    """

    seed: int
    """0 to 2**32 - 1."""
    num_inference_steps: int | None = None
    """1 to 200; None takes the model's default."""
    guidance_scale: float | None = None
    """0 to 30; 1 means no guidance; None takes the model's default."""
    flow_match_timesteps: bool = True
    """True: sigmas shifted as the model's scheduler says. False: uniform sigmas."""
    previews: int = 0
    """How many `Step` events carry a small preview, spread over the steps, the first a fifth of the way."""

    @model_validator(mode="after")
    def _numbers_in_range(self) -> Self:
        _in_range("seed", self.seed, 0, MAX_SEED)
        _in_range("number of steps", self.num_inference_steps, 1, MAX_STEPS)
        _in_range("guidance scale", self.guidance_scale, 0.0, MAX_GUIDANCE)
        _in_range("number of previews", self.previews, 0, MAX_STEPS)
        return self


class GenerateRequest(_Sampling):
    """Draw an image from a prompt. `width` and `height` in pixels; None takes the model's default."""

    prompt: str
    width: int | None = None
    height: int | None = None
    upsample: bool = False
    """True: the model's own prompt upsampler first completes what the prompt leaves open; the seed picks."""


class EditRequest(_Sampling):
    """Change `images[0]` as the instruction says; the other images are references to look at.

    The result has the size of `images[0]`. With a region, every pixel outside it is the source's own.

    Raises:
        BadImage: there is no image.
    """

    instruction: str
    images: tuple[StandardPicture, ...]
    region: Region | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        _check_not_empty(self.images, "edit")
        return self


class AnswerRequest(_Frozen):
    """Answer a question from the images alone.

    Raises:
        BadImage: there is no image.
        BadSetting: `max_new_tokens` is not in 1 to 2048.
    """

    question: str
    images: tuple[StandardPicture, ...]
    max_new_tokens: int | None = None
    """None takes the model's limit on answers."""

    @model_validator(mode="after")
    def _has_an_image(self) -> Self:
        _in_range("number of new tokens", self.max_new_tokens, 1, 2048)
        _check_not_empty(self.images, "answer the question about")
        return self


class ToolSchema(_Frozen):
    """A tool offered to the planner; `parameters` is its JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class Exchange(_Frozen):
    """An earlier message of the conversation, empty if a button said nothing, and the reply to it."""

    said: str
    replied: str


class PlanRequest(_Frozen):
    """Turn a person's message into tool calls. The planner sees numbers and captions of images, never pixels.

    `images` are the numbers that it is shown, `attached` those that came with this message, `current` the one
    that is meant where none is named, `captions` what the images show, by number, as far as that is known.
    `history` is what was said before, the latest last. How much of this a model reads, its catalogue entry
    says.
    """

    message: str
    images: tuple[int, ...] = ()
    attached: tuple[int, ...] = ()
    current: int | None = None
    captions: dict[int, str] = Field(default_factory=dict)
    history: tuple[Exchange, ...] = ()
    tools: tuple[ToolSchema, ...]
    max_new_tokens: int | None = None
    """None takes the model's limit on plans."""


class ToolCall(_Frozen):
    """One call the planner wants made."""

    name: str
    arguments: dict[str, Any]


class ReceiptRegion(_Frozen):
    """The region of an edit: its box, or the hash (`pixels_sha256`) of its mask; `outside` as in `Region`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    box: Box | None = None
    mask_sha256: str | None = None
    outside: bool = False


class Receipt(_Frozen):
    """All that is needed to make the same bytes again.

    `images` are the hashes (`pixels_sha256`, as RGB) of what was edited and looked at, in order. `versions`
    are those of torch, diffusers, transformers and ours. `seconds` is per stage: encode, denoise, decode, and
    preview if there were any, upsample if the prompt was completed; `prompt_given` is then what it was
    before. Receipts of older versions lack some fields; those of newer ones may have more.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    revision: str
    prompt: str
    seed: int
    num_inference_steps: int
    guidance_scale: float
    guidance_kind: GuidanceKind
    width: int
    height: int
    shift: float
    dtype: str
    device: str
    seconds: dict[str, float]
    prompt_given: str | None = None
    images: tuple[str, ...] = ()
    region: ReceiptRegion | None = None
    versions: dict[str, str] = Field(default_factory=dict)


class ImageResult(_Frozen):
    """An image and its receipt. `outside_change`: share of the pixels outside the region that differ from the
    source, 0 to 1; None without a region. `kept`: share of the pixels that an edit without a region left as
    they were, 0 if it had to redraw a picture as a whole that the model does not draw at its own size; None
    with a region, or if most of a picture of the model's size changed."""

    image: Picture
    receipt: Receipt
    outside_change: float | None = None
    kept: float | None = None


class AnswerResult(_Frozen):
    """An answer, how long it took and how many tokens it has."""

    text: str
    seconds: float
    tokens: int


class PlanResult(_Frozen):
    """What the planner said: `calls` in order, `text` outside of them, and everything unparsed as `raw`.

    Without calls, `text` is a chat reply; neither calls nor text means that a call could not be read.
    `probability` is the model's own of all that it said, 0 to 1; None where it does not tell.
    """

    calls: tuple[ToolCall, ...]
    text: str
    raw: str
    seconds: float
    probability: float | None = None


class Queued(_Frozen):
    """The request waits; `position` 1 is next. Sent only when it has to wait, again at every change."""

    kind: Literal["queued"] = "queued"
    position: int


class Started(_Frozen):
    """A stage began: "upsample", "encode", "denoise", "decode", "answer" or "plan"."""

    kind: Literal["started"] = "started"
    stage: str


class Step(_Frozen):
    """Step `step` (from 1) of `of` is done. `preview` shows, small and roughly, what is going to be."""

    kind: Literal["step"] = "step"
    step: int
    of: int
    preview: Picture | None = None


class Finished(_Frozen):
    """The request is done, `seconds` after it was handed in."""

    kind: Literal["finished"] = "finished"
    seconds: float


Event = Annotated[Queued | Started | Step | Finished, Field(discriminator="kind")]
OnEvent = Callable[[Queued | Started | Step | Finished], None]


class PictureCheck(_Frozen):
    """How the model is asked what of a request a picture does not show; see `picture_check`.

    `questions` are by language; `{wanted}` in them stands for the request. `nothing` and `unsure` are answers
    (in lower case, no full stop) that mean that all of it is there, or that it cannot tell.
    """

    questions: dict[str, str]
    nothing: tuple[str, ...]
    unsure: tuple[str, ...] = ()


class Capabilities(_Frozen):
    """What the model in use can do.

    `planner_images` is how many of the latest images its planner should be shown, besides those that a
    message names. `sizes` are (width, height); empty means any multiple of the token grid.
    """

    model: str
    generate: bool
    edit: Literal["reference", "inpaint", "none"]
    answer: Literal["own", "companion", "none"]
    plan: bool
    upsampler: bool = False
    check: PictureCheck | None = None
    sure_from: float = 0.0
    """The probability from which on a plan is done without asking; 0 does every plan."""
    planner_images: int
    planner_gaps: bool = True
    """Whether numbers may be missing between the images that its planner is shown."""
    max_references: int
    mask: bool
    boxes: bool
    guidance: GuidanceKind
    sizes: tuple[tuple[int, int], ...]
    default_size: tuple[int, int]
    default_steps: int
    vocabulary: Literal["open"] | Vocabulary


class Runtime(Protocol):
    """One multitask model behind three tasks and a planner.

    An `envelope` says whose request it is, how urgent, and how long it may take; without one it is the local
    owner's, like any other.

    Every method blocks until its result is there, may be called from any thread, and raises only errors of
    `flux_runtime.errors`. Events arrive on another thread: `on_event` must return quickly. `cancel` is looked
    at between denoise steps and between decoded tokens; once set, `Cancelled` is raised.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def generate(
        self,
        request: GenerateRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> ImageResult: ...

    def edit(
        self,
        request: EditRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> ImageResult: ...

    def answer(
        self,
        request: AnswerRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> AnswerResult: ...

    def plan(
        self, request: PlanRequest, *, envelope: Envelope | None = None, cancel: threading.Event | None = None
    ) -> PlanResult: ...

    def close(self) -> None: ...


def _in_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise BadSetting(
            f"The {name} {value} is out of range.", remedy=f"It must be between {low} and {high}."
        )


def _check_not_empty(images: tuple[Image.Image, ...], task: str) -> None:
    if not images:
        raise BadImage(f"There is no image to {task}.", remedy="Attach one or name one by its number.")
