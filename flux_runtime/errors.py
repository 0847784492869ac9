"""Everything the runtime can fail with, as one small tree.

    FluxRuntimeError
    |-- Refused                 policy says no; the same request will be refused again
    |-- TryOther                other arguments would work
    |   |-- BadSetting          seed, steps, guidance or text length out of range
    |   |-- BadSize             an image size the model cannot draw
    |   |-- BadMask             a region that is empty, outside the image or of another size
    |   |-- BadImage            no image, or one that cannot be used
    |   |-- MissingCapability   this model has no such task, or takes fewer images
    |   `-- UnknownModel        no model of that name or at that path
    |-- QueueFull               too many requests wait already; later it works
    |-- Cancelled               the caller's flag was set
    `-- Broken                  not the caller's fault
        |-- BadCheckpoint       a model folder with missing, extra or unsafe parts
        |-- OutOfMemory         the device ran out of memory
        |-- DeadlinePassed      the request took longer than the engine allows
        `-- EngineClosed        the engine was shut down

QueueFull and whatever is Broken may pass: the same request can succeed when it is made again. All others say
no for good, and Cancelled is what its caller wanted.

The text of an error is for a person: what is wrong and, after it, what would work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self


class FluxRuntimeError(Exception):
    """Base of the tree; `code` names the class in machine-readable replies.

    Args:
        message: one sentence that says what is wrong.
        stage: where it happened: "request", "load", "queue", or a stage of `Started`.
        remedy: one sentence that says what would work, or "" if nothing would.
    """

    code: ClassVar[str] = "runtime_error"
    may_pass: ClassVar[bool] = False
    """Whether the same request may succeed when it is made again."""

    def __init__(self, message: str, *, stage: str = "request", remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.stage = stage
        self.remedy = remedy

    @classmethod
    def kinds(cls) -> Iterator[type[Self]]:
        """This class and every one below it, also those that other folders define."""
        yield cls
        for kind in cls.__subclasses__():
            yield from kind.kinds()


class Refused(FluxRuntimeError):
    """Policy does not allow the request."""

    code = "refused"


class TryOther(FluxRuntimeError):
    """The same task with other arguments would work; `remedy` says which."""

    code = "try_other"


class BadSetting(TryOther):
    """A number or text is out of its range."""

    code = "bad_setting"


class BadSize(TryOther):
    """The model cannot draw at the size asked for."""

    code = "bad_size"


class BadMask(TryOther):
    """The region of an edit cannot be used."""

    code = "bad_mask"


class BadImage(TryOther):
    """An image is missing or cannot be used."""

    code = "bad_image"


class MissingCapability(TryOther):
    """The model in use does not have the task, or not for so many images."""

    code = "missing_capability"


class UnknownModel(TryOther):
    """Neither a catalogue name nor a model folder."""

    code = "unknown_model"


class QueueFull(FluxRuntimeError):
    """The bounded queue is full."""

    code = "queue_full"
    may_pass = True


class Cancelled(FluxRuntimeError):
    """The caller set its cancel flag; nothing was produced."""

    code = "cancelled"


class Broken(FluxRuntimeError):
    """The runtime or its machine failed."""

    code = "broken"
    may_pass = True


class BadCheckpoint(Broken):
    """A model folder is incomplete, does not match its classes, or holds pickles."""

    code = "bad_checkpoint"


class OutOfMemory(Broken):
    """The device has not enough memory for the request."""

    code = "out_of_memory"


class DeadlinePassed(Broken):
    """The request was given up because it took too long."""

    code = "deadline_passed"


class EngineClosed(Broken):
    """The engine no longer takes requests."""

    code = "engine_closed"
