"""`LocalRuntime`: the `Runtime` protocol over the model loaded in this process."""

from __future__ import annotations

import os
import threading

import torch

from flux_runtime import drawing, instances, talking
from flux_runtime.engine import EngineLimits
from flux_runtime.errors import EngineClosed
from flux_runtime.interface import (
    AnswerRequest,
    AnswerResult,
    Capabilities,
    EditRequest,
    Envelope,
    GenerateRequest,
    ImageResult,
    OnEvent,
    PlanRequest,
    PlanResult,
)


class LocalRuntime:
    """A handle on the shared model instance; every runtime on one model uses the same weights and engine.

    Args:
        name_or_path: a catalogue name or model folder; None takes FLUX_ASSISTANT_MODEL, else pocket.
        device: such as "cpu" or "cuda:0"; None chooses.
        dtype: such as torch.bfloat16; None takes float32 on a CPU, bfloat16 elsewhere.
        limits: how much the engine takes on at once; who shares a loaded instance shares its limits.

    Raises:
        UnknownModel, BadCheckpoint: there is no such model, or it cannot be loaded.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str] | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        limits: EngineLimits | None = None,
    ) -> None:
        self._held: instances.Instance | None = instances.acquire(
            instances.instance_key(name_or_path, device=device, dtype=dtype), limits
        )
        self._closing = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do."""
        return self.instance.model.capabilities

    @property
    def instance(self) -> instances.Instance:
        """The shared instance. Raises EngineClosed after `close`."""
        if self._held is None:
            raise EngineClosed("This runtime has been closed.", stage="queue")
        return self._held

    def generate(
        self,
        request: GenerateRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> ImageResult:
        """Draw an image. Raises BadSize, MissingCapability and what `Engine.run` raises."""
        held = self.instance
        begin = drawing.generate(held.model, request)
        return held.engine.run(begin, envelope=envelope, on_event=on_event, cancel=cancel)

    def edit(
        self,
        request: EditRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> ImageResult:
        """Change an image. Raises BadMask, MissingCapability and what `Engine.run` raises."""
        held = self.instance
        work = drawing.edit(held.model, request)
        return held.engine.run(lambda _: work, envelope=envelope, on_event=on_event, cancel=cancel)

    def answer(
        self,
        request: AnswerRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> AnswerResult:
        """Answer from images alone. Raises BadImage, MissingCapability and what `Engine.run` raises."""
        held = self.instance
        return held.engine.run(
            lambda stop: talking.answer(held.model, request, stop),
            envelope=envelope,
            on_event=on_event,
            cancel=cancel,
            quick=True,
        )

    def plan(
        self, request: PlanRequest, *, envelope: Envelope | None = None, cancel: threading.Event | None = None
    ) -> PlanResult:
        """Turn a message into tool calls. Raises MissingCapability and what `Engine.run` raises."""
        held = self.instance
        return held.engine.run(
            lambda stop: talking.plan(held.model, request, stop),
            envelope=envelope,
            cancel=cancel,
            quick=True,
        )

    def close(self) -> None:
        """Give the instance back; the last handle's close frees the model. Closing twice does nothing."""
        with self._closing:
            held, self._held = self._held, None
        if held is not None:
            instances.release(held)
