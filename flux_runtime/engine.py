"""The one place with a thread and a queue: it advances jobs one step at a time, each in turn.

So a question does not wait behind a 50-step image, a long answer does not hold an image up, and a job can be
stopped between any two steps. It runs generators and knows nothing of what they compute: the velocities that
they wait for are computed by a function it is given, for one job or for several at once.

Whose turn it is: quick jobs (answers, plans) go first, but after QUICK_TURNS turns of theirs in a row a
drawing has one. Within either kind owners take turns, however many jobs each has; of an owner's jobs the one
of highest priority goes, and among equals quick jobs one after another, drawings step by step.
"""

from __future__ import annotations

import atexit
import logging
import threading
import traceback
from collections import Counter
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
from flux_runtime.evaluations import Evaluate, Evaluated, Evaluation, one_by_one
from flux_runtime.interface import Envelope, Finished, OnEvent, Queued, Started, Step

_log = logging.getLogger(__name__)

QUICK_TURNS = 4
"""Turns in a row that quick jobs may have while a drawing waits for its next step."""

Result = TypeVar("Result")
Work = Generator[Started | Step | Evaluation | None, Evaluated | None, Result]
"""What a job does, a piece between two yields: it tells an event, asks for a velocity (and is sent it), or
with None only hands over."""


@dataclass(frozen=True)
class EngineLimits:
    """How much is taken on at once.

    `queue`: drawings that may wait besides those at work, or quick jobs in all. `drawings`: drawings that
    take turns. `deadline_seconds`: how long a job may take, waiting included.
    """

    queue: int = 32
    drawings: int = 4
    deadline_seconds: float = 900.0


@dataclass(eq=False)
class _Job:
    start: Callable[[Callable[[], bool]], Work[Any]]
    envelope: Envelope
    on_event: OnEvent
    cancel: threading.Event
    quick: bool
    deadline: float
    number: int
    """Jobs count in the order they came."""
    future: Future[Any] = field(default_factory=Future)
    submitted: float = field(default_factory=monotonic)
    work: Work[Any] | None = None
    wanted: Evaluation | None = None
    stage: str = "queue"
    position: int = 0
    turn: int = 0
    """The engine's turn that was this job's last; 0 before its first."""
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
        limits: how much is taken on at once.
        evaluate: computes the velocities that drawings wait for.
        together: drawings whose evaluations may be handed to `evaluate` at once.
        prepare: done once, when nothing was asked for `idle_seconds`, so that somebody need not wait for it
            later. It must be no harm if it fails or never comes to it.
    """

    def __init__(
        self,
        limits: EngineLimits | None = None,
        *,
        evaluate: Evaluate = one_by_one,
        together: int = 1,
        prepare: Callable[[], object] | None = None,
        idle_seconds: float = 1.0,
    ) -> None:
        self._limits = limits or EngineLimits()
        self._evaluate = evaluate
        self._together = together
        self._prepare = prepare
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._at_work: list[_Job] = []
        self._quick = 0  # quick jobs not yet answered
        self._submitted = 0
        self._turn = 0
        self._quick_turns = 0  # in a row
        self._last_turns: dict[tuple[bool, str], int] = {}  # of each owner's quick jobs, and drawings
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="flux-engine", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # an interpreter that ends in the middle of a torch kernel aborts

    def run(
        self,
        start: Callable[[Callable[[], bool]], Work[Result]],
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
        quick: bool = False,
    ) -> Result:
        """Do a piece of work and return its result; blocks meanwhile.

        Args:
            start: called with a function that says whether to stop early; returns the work.
            envelope: whose it is, how urgent, and how long it may take; None for the local owner's.
            on_event: hears of progress, on the engine's thread.
            cancel: stops the work, or its waiting, once set.
            quick: let it in at once and serve it before the next step of any drawing.

        Raises:
            QueueFull, Cancelled, DeadlinePassed, EngineClosed, OutOfMemory, or what the work raises;
            anything that is no FluxRuntimeError becomes Broken.
        """
        envelope = envelope or Envelope()
        at_most = self._limits.deadline_seconds
        seconds = min(envelope.deadline_seconds or at_most, at_most)
        with self._changed:
            if self._closed:
                raise _closed()
            ahead = self._quick if quick else sum(not other.quick for other in self._waiting)
            if ahead >= self._limits.queue:
                raise QueueFull(
                    f"{ahead} requests are waiting already.",
                    stage="queue",
                    remedy="Try again in a little while.",
                )
            self._submitted += 1
            job = _Job(
                start,
                envelope,
                on_event or _ignore,
                cancel or threading.Event(),
                quick,
                monotonic() + seconds,
                self._submitted,
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
                if not self._waiting and not self._at_work:
                    self._last_turns.clear()
                asked = self._changed.wait_for(
                    lambda: self._closed or self._waiting or self._at_work,
                    timeout=self._idle_seconds if self._prepare else None,
                )
                if self._closed:
                    break
            if not asked:
                self._prepare_once()
                continue
            self._admit()
            if self._at_work:
                self._take_turn()  # in its own frame: a job held here would hold its memory until the next
        for job in (*self._at_work, *self._waiting):
            self._end(job, _closed())

    def _prepare_once(self) -> None:
        prepare, self._prepare = self._prepare, None
        try:
            with torch.inference_mode():
                if prepare:
                    prepare()
        except Exception:
            _log.warning("what was to be prepared could not be", exc_info=True)

    def _admit(self) -> None:
        """Let waiting jobs in while there is room, drop interrupted ones, tell the rest where they stand."""
        with self._changed:
            waiting = list(self._waiting)
        if not waiting:
            return
        at_work = Counter(job.envelope.owner for job in self._at_work if not job.quick)
        room = self._limits.drawings - at_work.total()
        admitted: list[_Job] = []
        position = 0
        for job in _in_line(waiting, at_work):
            if error := job.interruption():
                self._end(job, error)
            elif job.quick:
                admitted.append(job)
            elif room > 0:
                room -= 1
                admitted.append(job)
            else:
                position += 1
                if job.position != position:
                    job.position = position
                    self._tell(job, Queued(position=position))
                continue
            with self._changed:
                self._waiting.remove(job)
        self._at_work += admitted

    def _take_turn(self) -> None:
        """One turn of a quick job, or one step of a drawing and of those that are evaluated with it."""
        quick = sorted((job for job in self._at_work if job.quick), key=self._order)
        drawings = sorted((job for job in self._at_work if not job.quick), key=self._order)
        if quick and (not drawings or self._quick_turns < QUICK_TURNS):
            self._quick_turns += bool(drawings)
            jobs = quick[:1]
        else:
            self._quick_turns = 0
            jobs = drawings[: self._together]
        self._turn += 1
        for job in jobs:
            job.turn = self._last_turns[job.quick, job.envelope.owner] = self._turn
            if error := job.interruption():
                self._end(job, error)
            elif job.wanted is None:
                self._resume(job)
        self._answer([job for job in jobs if job.wanted is not None])
        self._at_work = [job for job in self._at_work if not job.future.done()]

    def _order(self, job: _Job) -> tuple[int, int, int, int]:
        """Sorts jobs of one kind by whose turn is next."""
        last = self._last_turns.get((job.quick, job.envelope.owner), 0)
        return last, -job.envelope.priority, 0 if job.quick else job.turn, job.number

    def _answer(self, jobs: list[_Job]) -> None:
        """Compute what jobs wait for and let each do the rest of its step."""
        if not jobs:
            return
        try:
            with torch.inference_mode():
                answers = self._evaluate([job.wanted for job in jobs if job.wanted is not None])
        except BaseException as error:
            if len(jobs) == 1:
                self._end(jobs[0], _as_ours(error, jobs[0].stage))
                return
            answers = None
        if answers is None:  # only the one at fault shall fail
            for job in jobs:
                self._answer([job])
            return
        for job, evaluated in zip(jobs, answers, strict=True):
            job.wanted = None
            self._resume(job, evaluated)

    def _resume(self, job: _Job, evaluated: Evaluated | None = None) -> None:
        """Let a job go on to where it wants a velocity, tells an event, hands over or is done."""
        try:
            with torch.inference_mode():
                if job.work is None:
                    job.work = job.start(lambda: self._interruption(job) is not None)
                said = next(job.work) if evaluated is None else job.work.send(evaluated)
                while job.quick and isinstance(said, Started):  # nothing was done yet, so its turn goes on
                    job.stage = said.stage
                    if not self._tell(job, said):
                        return
                    said = next(job.work)
        except StopIteration as done:
            if error := self._interruption(job):
                self._end(job, error)  # what was told to stop early has no whole result
            elif self._tell(job, Finished(seconds=monotonic() - job.submitted)):
                job.future.set_result(done.value)
            return
        except BaseException as error:
            self._end(job, _as_ours(error, job.stage))
            return
        if isinstance(said, Evaluation):
            job.wanted = said
        elif said is not None:
            job.stage = said.stage if isinstance(said, Started) else job.stage
            self._tell(job, said)

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
        job.wanted = None
        if job.work is not None:
            with suppress(Exception):  # what fails while it is being ended must not end the engine
                job.work.close()
        if not job.future.done():
            job.future.set_exception(error)


def _in_line(waiting: list[_Job], at_work: Counter[str]) -> list[_Job]:
    """Jobs in the order they are let in: an owner's by priority, the owners in turn, with those at work."""
    by_urgency = sorted(waiting, key=lambda job: (-job.envelope.priority, job.number))
    places = Counter(at_work)
    line: list[tuple[int, _Job]] = []
    for job in by_urgency:
        line.append((places[job.envelope.owner], job))
        places[job.envelope.owner] += not job.quick
    return [job for _, job in sorted(line, key=lambda placed: placed[0])]


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
