"""What a channel hands in and gets back: a `Turn` and a `Reply`. Channels only translate to and from them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from assistant.planning.plan import PlanTool, ToldStep

LOCAL_OWNER = "local"
"""Who owns everything on loopback without sign-in."""

Words = Annotated[str, AfterValidator(lambda text: text.encode("utf-8", "ignore").decode())]
"""A string without lone surrogates, which can be neither stored nor shown."""

_LARGEST = 2**63 - 1

Whole = Annotated[int, AfterValidator(lambda number: max(-_LARGEST, min(number, _LARGEST)))]
"""An integer as far as one can be stored. What lies beyond is as far out of any range as the largest."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Stored(BaseModel):
    """Base of what is kept with a turn: another version that reads it ignores what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Turn(_Frozen):
    """One message. None leaves a setting to the assistant or the model; sizes and boxes are pixels."""

    text: Words = ""
    session: Words = "default"
    owner: Words = LOCAL_OWNER
    attachments: tuple[bytes, ...] = ()
    """Image files as they came, unchecked."""
    reply_to: Whole | None = None
    """The number of the image that the message is a reply to, or whose button was pressed."""
    command: Words | None = None
    """The name of a tool's command: what a button asks for without any planning."""
    seed: Whole | None = None
    width: Whole | None = None
    height: Whole | None = None
    num_inference_steps: Whole | None = None
    region: tuple[Whole, Whole, Whole, Whole] | None = None
    """The part of the image that an edit may change."""
    previews: Whole = 0
    """How many previews are shown on the way to a picture."""
    idempotency_key: Words | None = None
    """A second turn of the session with the same key gets the first one's reply; no model runs."""
    channel: Words = "cli"

    def fingerprint(self) -> str:
        """A hash of everything asked for, to tell a retry from another request under the same key."""
        asked = self.model_dump(exclude={"attachments", "previews", "idempotency_key", "channel"})
        asked["attachments"] = [hashlib.sha256(data).hexdigest() for data in self.attachments]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class ReplyParent(_Stored):
    """The number of the image that another came from, and what it was to it."""

    n: int
    role: str


class ReplyImage(_Stored):
    """An image as a channel shows it; `caption` is its alternative text.

    Its bytes are asked of the store by `id`, so that no channel hands a path of this machine to anybody.
    """

    n: int
    id: str
    op: str
    parents: tuple[ReplyParent, ...]
    seed: int | None
    width: int
    height: int
    outside_change: float | None
    caption: str
    receipt: dict[str, Any] | None


class Action(_Stored):
    """A button: pressed, it sends `Turn(command=..., reply_to=image, text=text)`.

    The button of a command that wants words comes without a text: the person says what, and the image is
    already chosen.
    """

    command: str | None
    label: str
    image: int | None = None
    text: str = ""


class ReplyError(_Stored):
    """Why a turn did not do all it should; `message` is a sentence for a person."""

    code: str
    stage: str
    message: str


class Reply(_Stored):
    """What came of a turn. `text` says it all in words, failures included."""

    text: str
    tool: PlanTool
    steps: tuple[ToldStep, ...] = ()
    answer: str | None = None
    images: tuple[ReplyImage, ...] = ()
    """What the turn made, in order; uploads are not among them."""
    candidates: tuple[ReplyImage, ...] = ()
    """Images between which the person is asked to choose."""
    head: int | None = None
    """The number of the image that is current after the turn."""
    session: str
    turn: str
    """The id under which the turn is recorded."""
    seconds: float
    actions: tuple[Action, ...] = ()
    error: ReplyError | None = None

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Self:
        """A stored reply, of whatever version: parts that this one cannot read are left out."""
        try:
            return cls.model_validate(stored)
        except ValidationError as error:
            unread = {wrong["loc"][0] for wrong in error.errors()}
            kept = {name: value for name, value in stored.items() if name not in unread}
            needed = {"text": "", "tool": "chat", "session": "", "turn": "", "seconds": 0.0}
            return cls.model_validate({**needed, **kept})

    def as_json(self) -> dict[str, Any]:
        """The reply as scripts read it: what was done, or `{"error": ...}`."""
        if self.error:
            return {"error": self.error.model_dump()}
        return {
            "reply": self.text,
            "tool": self.tool,
            "steps": [step.model_dump(mode="json") for step in self.steps],
            "answer": self.answer,
            "images": [
                image.model_dump(mode="json", exclude={"caption", "receipt"}) for image in self.images
            ],
            "head": self.head,
            "session": self.session,
            "seconds": self.seconds,
        }
