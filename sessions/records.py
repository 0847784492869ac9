"""What the store gives back: one frozen record a row. It holds no bytes and does no reading or writing."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Operation = Literal["upload", "generate", "edit", "inpaint", "variation"]
"""How an image came to be: given by a person, drawn, edited as a whole, edited in a region, drawn again."""

Role = Literal["base", "reference"]
"""What a parent was to its child: the image that was changed or varied, or one that was only looked at."""

TurnStatus = Literal["started", "committed", "replied", "stopped", "failed"]
"""started: work may be under way; committed: an image of it is stored; the others have a stored reply.

A turn that its process did not live to end is stopped as well."""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the source image, half open."""


class NotFound(LookupError):
    """There is no such thing, or it belongs to someone else: the two cannot be told apart."""


class Damaged(Exception):
    """The bytes of a stored image are missing or are not those that were stored.

    Args:
        n: the number that people know the image by.
    """

    def __init__(self, n: int) -> None:
        super().__init__(f"The file of #{n} is missing or damaged.")
        self.n = n


class _Record(BaseModel):
    """Other versions write the same tables: columns and words that are not known here are no error."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    """Who may read it. On loopback without sign-in that is the local owner."""


class SessionRecord(_Record):
    """One conversation. Times are UTC in ISO 8601."""

    id: str
    name: str
    """What the surface calls it: the CLI's session name, the chat page's thread id."""
    title: str
    branch: str
    created: str
    updated: str


class TurnRecord(_Record):
    """One message and what came of it."""

    id: str
    session: str
    key: str
    """The idempotency key; a second turn with the same key is the same turn."""
    fingerprint: str
    """A hash of everything asked, to tell a retry from another request under the same key."""
    text: str
    channel: str
    status: str
    """A `TurnStatus`, or what another version calls one."""
    plan: dict[str, Any] | None
    reply: dict[str, Any] | None
    """None while work may be under way, and when its process ended before the turn did."""
    state: dict[str, Any] | None = None
    """Where a later try goes on; None if the reply is final, or nothing was done yet."""
    created: str
    seconds: float | None


class Parent(BaseModel):
    """An image that another one came from; `n` is its number in the same session."""

    model_config = ConfigDict(frozen=True)

    id: str
    n: int
    role: str
    """A `Role`, or what another version calls one."""


class NewImage(BaseModel):
    """What is known of an image before the store gives it a number. Sizes are pixels."""

    model_config = ConfigDict(frozen=True)

    op: Operation
    parents: tuple[tuple[str, Role], ...] = ()
    prompt_typed: str = ""
    """The person's own words."""
    prompt_used: str = ""
    """The words the model was given."""
    caption: str = ""
    """What the image shows, for people who cannot see it."""
    region: Box | None = None
    seed: int | None = None
    outside_change: float | None = None
    """Share of the pixels outside the region that changed, 0 to 1; None without a region."""
    receipt: dict[str, Any] | None = None
    """All that is needed to make the same bytes again; None for an upload."""


class ImageRecord(_Record):
    """One stored image."""

    id: str
    session: str
    turn: str
    n: int
    """The number people say, `#n`; never given to another image of the session."""
    op: str
    """An `Operation`, or what another version calls one."""
    parents: tuple[Parent, ...]
    root: str
    """The first image of its lineage; its own id if it has no parent."""
    prompt_typed: str
    prompt_used: str
    caption: str
    region: Box | None
    seed: int | None
    width: int
    height: int
    outside_change: float | None
    receipt: dict[str, Any] | None
    sha256: str
    """Of the PNG file, which is stored under this name."""
    created: str


class History(BaseModel):
    """All of a session that can be seen again: turns and images in order, and the current image's number."""

    model_config = ConfigDict(frozen=True)

    session: SessionRecord
    turns: tuple[TurnRecord, ...]
    images: tuple[ImageRecord, ...]
    head: int | None
