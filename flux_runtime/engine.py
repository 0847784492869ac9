"""The one place with a thread and a queue: it advances jobs one step at a time, each in turn.

So a question does not wait behind a 50-step image, and a job can be stopped between any two steps. It runs
generators and knows nothing of what they compute.
"""

from __future__ import annotations

import atexit
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import torch

from flux_runtime.errors import (
    Broken,
    Cancelled,
    DeadlinePassed,
    EngineClosed,
    FluxRuntimeError,
    OutOfMemory,
    QueueFull,
)
from flux_runtime.interface import Finished, OnEvent, Queued, Started, Step

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Generator[Started | Step, None, Result]


@dataclass(eq=False)
class _Job:
    start: Callable[[Callable[[], bool]], Work[Any]]
    on_event: OnEvent
    cancel: threading.Event
    quick: bool
    deadline: float
    future: Future[Any] = field(default_factory=Future)
    submitted: float = field(default_factory=monotonic)
    work: Work[Any] | None = None
    stage: str = "queue"
    position: int = 0
    abandoned: bool = False

    def interruption(self) -> FluxRuntimeError | None:
        if self.cancel.is_set() or self.abandoned:
            return Cancelled("Stopped.", stage=self.stage)
        if monotonic() > self.deadline:
            return DeadlinePassed(
                "That took too long and was given up.", stage=self.stage, remedy="Try fewer steps."
            )
        return None


class Engine:
    """One worker thread over a bounded queue.

    Args:
        queue_limit: drawing jobs that may wait, besides those at work; or quick jobs (answers, plans) in all.
        at_once: drawing jobs that take turns; quick jobs go before all of them.
        deadline_seconds: how long a job may take, waiting included.
    """

    def __init__(self, *, queue_limit: int = 32, at_once: int = 4, deadline_seconds: float = 900.0) -> None:
        self._queue_limit = queue_limit
        self._at_once = at_once
        self._deadline_seconds = deadline_seconds
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._at_work: deque[_Job] = deque()
        self._quick = 0  # quick jobs not yet answered
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="flux-engine", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # an interpreter that ends in the middle of a torch kernel aborts

    def run(
        self,
        start: Callable[[Callable[[], bool]], Work[Result]],
        *,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
        quick: bool = False,
    ) -> Result:
        """Do a piece of work and return its result; blocks meanwhile.

        Args:
            start: called with a function that says whether to stop early; returns the work.
            on_event: hears of progress, on the engine's thread.
            cancel: stops the work, or its waiting, once set.
            quick: let it in at once and serve it before the next step of any drawing.

        Raises:
            QueueFull, Cancelled, DeadlinePassed, EngineClosed, OutOfMemory, or what the work raises;
            anything that is no FluxRuntimeError becomes Broken.
        """
        job = _Job(
            start,
            on_event or _ignore,
            cancel or threading.Event(),
            quick,
            monotonic() + self._deadline_seconds,
        )
        with self._changed:
            if self._closed:
                raise _closed()
            ahead = self._quick if quick else sum(not other.quick for other in self._waiting)
            if ahead >= self._queue_limit:
                raise QueueFull(
                    f"{ahead} requests are waiting already.",
                    stage="queue",
                    remedy="Try again in a little while.",
                )
            self._quick += quick
            self._waiting.append(job)
            self._changed.notify_all()
        try:
            return job.future.result()
        except BaseException:
            job.abandoned = True  # the caller may have been interrupted while the work goes on
            raise
        finally:
            with self._changed:
                self._quick -= quick
            del job  # an error's traceback holds this frame, and with the job all that it had computed

    def close(self) -> None:
        """Stop after the step being done; all other jobs fail with EngineClosed. Waits for the thread."""
        atexit.unregister(self.close)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting or self._at_work)
                if self._closed:
                    break
            self._admit()
            if self._at_work:
                job = self._at_work.popleft()
                if self._advance(job):
                    self._at_work.append(job)
                del job  # or its error, and the memory that hangs on it, would live until the next job
        for job in (*self._at_work, *self._waiting):
            self._end(job, _closed())

    def _admit(self) -> None:
        """Let waiting jobs in while there is room, drop interrupted ones, tell the rest where they stand."""
        drawing, quick = sum(not job.quick for job in self._at_work), 0
        still: list[_Job] = []
        with self._changed:
            waiting = list(self._waiting)
        for job in waiting:
            if error := job.interruption():
                self._end(job, error)
            elif job.quick:
                self._at_work.insert(quick, job)
                quick += 1
            elif drawing < self._at_once:
                drawing += 1
                self._at_work.append(job)
            else:
                still.append(job)
                continue
            with self._changed:
                self._waiting.remove(job)
        for position, job in enumerate(still, start=1):
            if job.position != position:
                job.position = position
                self._tell(job, Queued(position=position))

    def _advance(self, job: _Job) -> bool:
        """Do one step of a job; False when it is over."""
        if error := job.interruption():
            self._end(job, error)
            return False
        try:
            with torch.inference_mode():
                if job.work is None:
                    job.work = job.start(lambda: self._interruption(job) is not None)
                event = next(job.work)
                while job.quick and isinstance(event, Started):  # nothing was done yet, so its turn goes on
                    job.stage = event.stage
                    if not self._tell(job, event):
                        return False
                    event = next(job.work)
        except StopIteration as done:
            if error := self._interruption(job):
                self._end(job, error)  # what was told to stop early has no whole result
            elif self._tell(job, Finished(seconds=monotonic() - job.submitted)):
                job.future.set_result(done.value)
            return False
        except BaseException as error:
            self._end(job, _as_ours(error, job.stage))
            return False
        if isinstance(event, Started):
            job.stage = event.stage
        return self._tell(job, event)

    def _interruption(self, job: _Job) -> FluxRuntimeError | None:
        return job.interruption() or (_closed() if self._closed else None)

    def _tell(self, job: _Job, event: Queued | Started | Step | Finished) -> bool:
        """Send an event; a listener that fails ends its own job and nobody else's."""
        try:
            job.on_event(event)
        except Exception as error:
            _log.exception("a listener failed")
            broken = Broken(f"Nobody could be told of the progress ({error}).", stage=job.stage)
            self._end(job, broken)
            return False
        return True

    def _end(self, job: _Job, error: FluxRuntimeError) -> None:
        job.abandoned = True  # should it still wait, it is dropped from there
        if job.work is not None:
            with suppress(Exception):  # what fails while it is being ended must not end the engine
                job.work.close()
        if not job.future.done():
            job.future.set_exception(error)


def _as_ours(error: BaseException, stage: str) -> FluxRuntimeError:
    """The error as one of the tree; an unforeseen one is logged with its traceback."""
    if isinstance(error, FluxRuntimeError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error):
        ours: FluxRuntimeError = OutOfMemory(
            "There is not enough memory for that.", stage=stage, remedy="Try a smaller image."
        )
    else:
        _log.error("the model failed at stage %s", stage, exc_info=error)
        ours = Broken(f"The model failed ({type(error).__name__}: {error}).", stage=stage)
    traceback.clear_frames(error.__traceback__)  # the frames hold every activation of the failed step
    ours.__cause__ = error
    return ours


def _closed() -> EngineClosed:
    return EngineClosed("The model has been shut down.", stage="queue")


def _ignore(_: Queued | Started | Step | Finished) -> None:
    pass
