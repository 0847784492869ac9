"""The engine serves jobs in turn, tells them where they stand, stops them, and outlives their failures."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import torch

from flux_runtime.engine import QUICK_TURNS, Engine, EngineLimits
from flux_runtime.errors import (
    BadSize,
    Broken,
    Cancelled,
    DeadlinePassed,
    EngineClosed,
    OutOfMemory,
    QueueFull,
)
from flux_runtime.evaluations import Evaluated, Evaluation
from flux_runtime.interface import Envelope, Finished, Queued, Started, Step

Submit = Callable[..., Future[Any]]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(EngineLimits(queue=3, drawings=2, deadline_seconds=30))
    yield engine
    engine.close()


@pytest.fixture
def submit(engine: Engine) -> Iterator[Submit]:
    """Runs work on the engine from a thread of its own."""
    with ThreadPoolExecutor(16) as pool:
        yield lambda start, **options: pool.submit(engine.run, start, **options)


def _steps(name: str, count: int, log: list[str]) -> Callable[..., Generator[Step, Any, str]]:
    def start(stop: Callable[[], bool]) -> Generator[Step, Any, str]:
        for number in range(1, count + 1):
            log.append(name)
            yield Step(step=number, of=count)
        return name

    return start


class Gate:
    """Work that takes steps only when let; `entered` says that its first step began."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, stop: Callable[[], bool]) -> Generator[Step, Any, str]:
        self.entered.set()
        assert self.open.wait(20)
        yield Step(step=1, of=1)
        return "gate"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.002)


def _all_at_once(
    engine: Engine, submit: Submit, work: list[tuple[Any, dict[str, Any]]], *, quick_gate: bool = True
) -> list[Future[Any]]:
    """Submits a gate and then all of the work in order, and opens the gate when all of it waits."""
    gate = Gate()
    jobs = [submit(gate, quick=quick_gate)]
    gate.entered.wait(20)
    for number, (start, options) in enumerate(work, start=1):
        jobs.append(submit(start, **options))
        _until(lambda number=number: len(engine._waiting) == number)
    gate.open.set()
    return jobs


def test_a_job_returns_its_result_and_its_events_in_order(engine: Engine) -> None:
    events: list[Any] = []
    assert engine.run(_steps("a", 2, []), on_event=events.append) == "a"
    assert [event.kind for event in events] == ["step", "step", "finished"]
    assert events[-1].seconds >= 0


def test_drawings_take_turns_step_by_step(engine: Engine, submit: Submit) -> None:
    log: list[str] = []
    jobs = _all_at_once(engine, submit, [(_steps(name, 3, log), {}) for name in "ab"])
    assert [job.result(20) for job in jobs] == ["gate", "a", "b"]
    assert "".join(log) == "ababab"


def test_an_endless_stream_of_questions_does_not_stop_a_drawing(engine: Engine, submit: Submit) -> None:
    log: list[str] = []
    done = threading.Event()

    def questions(stop: Callable[[], bool]) -> Generator[None, Any, None]:
        while not done.is_set():
            log.append("q")
            yield

    def drawing(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
        for number in range(1, 51):
            log.append("d")
            yield Step(step=number, of=50)
        done.set()

    for job in _all_at_once(engine, submit, [(drawing, {}), (questions, {"quick": True})]):
        job.result(20)
    pauses = [len(questions) for questions in "".join(log).split("d")[:50]]
    assert max(pauses) == QUICK_TURNS, "so many bursts at most between two steps"


def test_a_question_starts_within_one_step_of_a_long_drawing(engine: Engine, submit: Submit) -> None:
    log: list[str] = []
    asked: list[Future[Any]] = []

    def drawing(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
        for number in range(1, 51):
            log.append("d")
            if number == 20:
                asked.append(submit(_steps("q", 3, log), quick=True))
                _until(lambda: len(engine._waiting) == 1)
            yield Step(step=number, of=50)

    engine.run(drawing)
    assert asked[0].result(20) == "q"
    assert log[18:24] == ["d", "d", "q", "q", "q", "d"]


def test_a_long_answer_lets_a_drawing_go_on_between_its_bursts(engine: Engine, submit: Submit) -> None:
    log: list[str] = []

    def answer(stop: Callable[[], bool]) -> Generator[None, Any, str]:
        for _ in range(20):
            log.append("a")
            yield  # a burst of tokens is decoded
        return "answer"

    jobs = _all_at_once(engine, submit, [(_steps("drawing", 3, log), {}), (answer, {"quick": True})])
    assert [job.result(20) for job in jobs] == ["gate", "drawing", "answer"]
    assert log.index("drawing") <= QUICK_TURNS
    assert log[-1] == "a", "the drawing did not wait for the end of the answer"


@pytest.mark.parametrize("quick", [False, True])
def test_owners_take_turns_however_many_jobs_each_has(engine: Engine, submit: Submit, quick: bool) -> None:
    log: list[str] = []
    work = [("x", "ann"), ("y", "bob")] if not quick else [("x", "ann"), ("x", "ann"), ("y", "bob")]
    jobs = _all_at_once(
        engine,
        submit,
        [(_steps(name, 4, log), {"envelope": Envelope(owner=owner), "quick": quick}) for name, owner in work],
        quick_gate=not quick,
    )
    for job in jobs:
        job.result(20)
    assert "".join(log[:8]) == "xyxyxyxy", "a step each, whoever came first or asked twice"


def test_an_owner_who_fills_the_queue_does_not_keep_others_waiting_behind_it(
    engine: Engine, submit: Submit
) -> None:
    log: list[str] = []
    gates = [Gate(), Gate()]  # one is at work and one in line before the others, both ann's
    jobs = [submit(gates[0], envelope=Envelope(owner="ann"))]
    gates[0].entered.wait(20)
    jobs.append(submit(gates[1], envelope=Envelope(owner="ann")))
    _until(lambda: len(engine._waiting) == 1)
    for number, (name, owner) in enumerate([("a", "ann"), ("b", "bob")], start=2):
        jobs.append(submit(_steps(name, 1, log), envelope=Envelope(owner=owner)))
        _until(lambda number=number: len(engine._waiting) == number)
    for gate in gates:
        gate.open.set()
    for job in jobs:
        job.result(20)
    assert log == ["b", "a"]


def test_of_an_owners_drawings_the_most_urgent_goes_first(engine: Engine, submit: Submit) -> None:
    log: list[str] = []
    final, draft = (_steps("f", 4, log), {}), (_steps("d", 4, log), {"envelope": Envelope(priority=1)})
    for job in _all_at_once(engine, submit, [final, draft]):
        job.result(20)
    assert "".join(log) == "ddddffff"


def test_a_request_may_ask_for_a_shorter_deadline_but_not_for_a_longer_one() -> None:
    def endless(stop: Callable[[], bool]) -> Generator[None, Any, None]:
        while True:
            yield

    for limit, asked in ((30.0, 0.01), (0.01, 30.0)):
        engine = Engine(EngineLimits(deadline_seconds=limit))
        try:
            with pytest.raises(DeadlinePassed):
                engine.run(endless, envelope=Envelope(deadline_seconds=asked))
        finally:
            engine.close()


def _evaluating(name: str, count: int) -> Callable[..., Generator[Any, Any, list[torch.Tensor]]]:
    """Work that asks for `count` velocities at an x that tells whose it is."""

    def field(x: torch.Tensor, sigma: float) -> torch.Tensor:
        if name == "bad":
            raise ZeroDivisionError("bad field")
        return x * sigma

    def start(stop: Callable[[], bool]) -> Generator[Any, Any, list[torch.Tensor]]:
        velocities = []
        for number in range(1, count + 1):
            evaluated = yield Evaluation(field, torch.full((1,), float(ord(name[0]))), float(number))
            velocities.append(evaluated.velocity)
            yield Step(step=number, of=count)
        return velocities

    return start


def test_several_drawings_can_be_evaluated_in_one_call() -> None:
    calls: list[list[float]] = []

    def both_at_once(wanted: Sequence[Evaluation]) -> list[Evaluated]:
        """A field that knows its velocity: x times sigma, of all in one multiplication."""
        calls.append([each.x.item() for each in wanted])
        x, sigma = torch.stack([each.x for each in wanted]), torch.tensor([[each.sigma] for each in wanted])
        return [Evaluated(velocity, 0.5) for velocity in x * sigma]

    engine = Engine(evaluate=both_at_once, together=2)
    try:
        with ThreadPoolExecutor(4) as pool:
            jobs = _all_at_once(
                engine,
                lambda start, **options: pool.submit(engine.run, start, **options),
                [(_evaluating(name, 3), {}) for name in "ab"],
            )
            results = [torch.cat(job.result(20)).tolist() for job in jobs[1:]]
    finally:
        engine.close()
    assert results == [[97.0, 194.0, 291.0], [98.0, 196.0, 294.0]]
    assert calls == [[97.0, 98.0]] * 3


def test_of_drawings_evaluated_together_only_the_one_at_fault_fails() -> None:
    def all_or_nothing(wanted: Sequence[Evaluation]) -> list[Evaluated]:
        return [Evaluated(each.field(each.x, each.sigma), 0.0) for each in wanted]

    engine = Engine(evaluate=all_or_nothing, together=2)
    try:
        with ThreadPoolExecutor(4) as pool:
            _, bad, good = _all_at_once(
                engine,
                lambda start, **options: pool.submit(engine.run, start, **options),
                [(_evaluating(name, 2), {}) for name in ("bad", "good")],
            )
            with pytest.raises(Broken, match="bad field"):
                bad.result(20)
            assert torch.cat(good.result(20)).tolist() == [103.0, 206.0]
    finally:
        engine.close()


def test_a_quick_job_does_not_wait_for_a_place(engine: Engine, submit: Submit) -> None:
    log: list[str] = []
    enough = threading.Event()

    def endless(name: str) -> Callable[..., Generator[Step, Any, str]]:
        def start(stop: Callable[[], bool]) -> Generator[Step, Any, str]:
            while not enough.is_set():
                log.append(name)
                yield Step(step=1, of=2)
            return name

        return start

    long = [submit(endless(name)) for name in "xyz"]
    _until(lambda: len(set(log)) == 2)
    assert submit(_steps("quick", 1, log), quick=True).result(20) == "quick"
    assert not any(job.done() for job in long)
    assert len(set(log) - {"quick"}) == 2, "the third drawing job still waits"
    enough.set()
    assert [job.result(20) for job in long] == ["x", "y", "z"]


def test_quick_jobs_are_done_in_order_before_the_next_step_of_a_drawing(
    engine: Engine, submit: Submit
) -> None:
    log: list[str] = []

    def question(name: str) -> Callable[..., Generator[Started, Any, str]]:
        def start(stop: Callable[[], bool]) -> Generator[Started, Any, str]:
            yield Started(stage="answer")
            log.append(name)
            return name

        return start

    gate = Gate()
    jobs = [submit(gate)]
    gate.entered.wait(20)
    jobs.append(submit(_steps("drawing", 2, log)))
    _until(lambda: len(engine._waiting) == 1)
    for number, name in enumerate("qrs", start=2):
        jobs.append(submit(question(name), quick=True))
        _until(lambda number=number: len(engine._waiting) == number)
    gate.open.set()
    assert [job.result(20) for job in jobs] == ["gate", "drawing", "q", "r", "s"]
    assert log == ["q", "r", "s", "drawing", "drawing"]


def test_drawings_that_wait_leave_room_for_quick_jobs_which_have_a_limit_of_their_own(
    engine: Engine, submit: Submit
) -> None:
    gate = Gate()
    jobs = [submit(gate)]
    gate.entered.wait(20)
    for quick in (False, True):
        for _ in range(3):
            jobs.append(submit(_steps("a", 1, []), quick=quick))
            _until(lambda: len(engine._waiting) == len(jobs) - 1)
        with pytest.raises(QueueFull, match="3 requests"):
            engine.run(_steps("b", 1, []), quick=quick)
    gate.open.set()
    for job in jobs:
        job.result(20)
    assert engine.run(_steps("b", 1, []), quick=True) == "b"


def test_a_failure_names_its_stage_is_logged_whole_and_lets_go_of_its_memory(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    class Activations:
        pass

    kept: list[weakref.ref[Activations]] = []

    def start(stop: Callable[[], bool]) -> Generator[Started, Any, str]:
        activations = Activations()
        kept.append(weakref.ref(activations))
        yield Started(stage="decode")
        raise ZeroDivisionError("oops")

    gc.disable()
    try:
        with pytest.raises(Broken) as caught:
            engine.run(start)
        assert kept[0]() is None, "also without the garbage collector"
    finally:
        gc.enable()
    assert caught.value.stage == "decode"
    assert "raise ZeroDivisionError" in caplog.text


def test_waiting_jobs_hear_their_position_whenever_it_changes(engine: Engine, submit: Submit) -> None:
    gates = [Gate(), Gate()]
    jobs = [submit(gates[0])]
    gates[0].entered.wait(20)
    events: dict[str, list[Any]] = {"c": [], "d": []}
    jobs.append(submit(gates[1]))
    _until(lambda: len(engine._waiting) == 1)
    for number, name in enumerate("cd", start=2):
        jobs.append(submit(_steps(name, 1, []), on_event=events[name].append))
        _until(lambda number=number: len(engine._waiting) == number)
    gates[0].open.set()
    gates[1].entered.wait(20)
    gates[1].open.set()
    for job in jobs:
        job.result(20)
    assert [e.position for e in events["c"] if isinstance(e, Queued)] == [1]
    assert [e.position for e in events["d"] if isinstance(e, Queued)] == [2, 1]
    assert isinstance(events["d"][-1], Finished)


def test_a_full_queue_refuses_and_says_what_to_do(engine: Engine, submit: Submit) -> None:
    gate = Gate()
    jobs = [submit(gate)]
    gate.entered.wait(20)
    jobs += [submit(_steps(name, 1, [])) for name in "abc"]
    _until(lambda: len(engine._waiting) == 3)
    with pytest.raises(QueueFull, match="Try again"):
        engine.run(_steps("d", 1, []))
    gate.open.set()
    assert [job.result(20) for job in jobs] == ["gate", "a", "b", "c"]


def test_a_running_job_stops_between_two_steps(engine: Engine, submit: Submit) -> None:
    cancel, log = threading.Event(), []
    closed = threading.Event()

    def start(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
        try:
            for number in range(1, 10_001):
                log.append(number)
                if number == 5:
                    cancel.set()
                yield Step(step=number, of=10_000)
        finally:
            closed.set()

    with pytest.raises(Cancelled):
        engine.run(start, cancel=cancel)
    assert log == [1, 2, 3, 4, 5]
    assert closed.is_set(), "the work was told to end"


def test_a_waiting_job_is_cancelled_without_ever_starting(engine: Engine, submit: Submit) -> None:
    gates = [Gate(), Gate()]
    jobs = [submit(gate) for gate in gates]
    _until(lambda: gates[0].entered.is_set() or gates[1].entered.is_set())
    _until(lambda: len(engine._waiting) <= 1)
    cancel, log = threading.Event(), []
    waiting = submit(_steps("late", 1, log), cancel=cancel)
    _until(lambda: len(engine._waiting) >= 1)
    cancel.set()
    for gate in gates:
        gate.open.set()
    with pytest.raises(Cancelled):
        waiting.result(20)
    for job in jobs:
        job.result(20)
    assert log == []


def test_work_is_told_to_stop_while_it_is_busy(engine: Engine) -> None:
    cancel = threading.Event()
    polled = 0

    def start(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
        nonlocal polled
        yield Step(step=1, of=2)
        cancel.set()
        while not stop():
            polled += 1
        yield Step(step=2, of=2)

    with pytest.raises(Cancelled):
        engine.run(start, cancel=cancel)
    assert polled == 0


def test_a_failing_job_breaks_nobody_else(engine: Engine, submit: Submit) -> None:
    log: list[str] = []
    bystander = submit(_steps("a", 500, log))

    def fail(error: BaseException) -> Callable[..., Generator[Step, Any, None]]:
        def start(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
            yield Step(step=1, of=2)
            raise error

        return start

    with pytest.raises(Broken, match="ZeroDivisionError: oops"):
        engine.run(fail(ZeroDivisionError("oops")))
    with pytest.raises(BadSize, match="too wide"):
        engine.run(fail(BadSize("too wide")))
    with pytest.raises(OutOfMemory, match="smaller"):
        engine.run(fail(MemoryError()))
    with pytest.raises(Broken):
        engine.run(fail(SystemExit(3)))
    assert bystander.result(20) == "a"
    assert engine.run(_steps("after", 1, log)) == "after"


def test_a_failing_listener_ends_its_own_job_only(engine: Engine, submit: Submit) -> None:
    def listener(event: object) -> None:
        raise ValueError("deaf")

    gates = [Gate(), Gate()]
    jobs = [submit(gate) for gate in gates]
    _until(lambda: any(gate.entered.is_set() for gate in gates))
    waiting = submit(_steps("a", 1, []), on_event=listener)
    _until(lambda: len(engine._waiting) >= 1)
    for gate in gates:
        gate.open.set()
    with pytest.raises(Broken, match="deaf"):
        waiting.result(20)
    with pytest.raises(Broken, match="deaf"):
        engine.run(_steps("a", 1, []), on_event=listener)
    assert [job.result(20) for job in jobs] == ["gate", "gate"]


def test_a_job_that_takes_too_long_is_given_up() -> None:
    engine = Engine(EngineLimits(deadline_seconds=0.05))

    def start(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
        while True:
            time.sleep(0.01)
            yield Step(step=1, of=2)

    try:
        with pytest.raises(DeadlinePassed):
            engine.run(start)
    finally:
        engine.close()


def test_a_program_may_end_while_the_engine_is_at_work() -> None:
    code = """
import threading, torch
from flux_runtime.engine import Engine
begun = threading.Event()
def start(stop):
    noise = torch.randn(600, 600)
    while True:
        noise @ noise
        begun.set()
        yield None
threading.Thread(target=lambda: Engine().run(start, on_event=lambda _: None), daemon=True).start()
begun.wait()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


def test_what_can_be_prepared_is_done_once_when_nothing_is_asked_for(submit: Submit) -> None:
    log: list[str] = []
    prepared = threading.Event()

    def prepare() -> None:
        log.append("prepare")
        prepared.set()
        raise ZeroDivisionError("no harm")

    engine = Engine(prepare=prepare, idle_seconds=0.2)
    try:
        assert engine.run(_steps("asked at once", 2, log)) == "asked at once"
        assert prepared.wait(20)
        assert engine.run(_steps("later", 1, log)) == "later"
    finally:
        engine.close()
    assert sorted(log) == ["asked at once", "asked at once", "later", "prepare"]


def test_a_closed_engine_ends_what_runs_and_takes_nothing_new() -> None:
    engine = Engine()
    begun = threading.Event()

    def start(stop: Callable[[], bool]) -> Generator[Step, Any, None]:
        while True:
            begun.set()
            yield Step(step=1, of=2)

    with ThreadPoolExecutor() as pool:
        running = pool.submit(engine.run, start)
        begun.wait(20)
        engine.close()
        with pytest.raises(EngineClosed):
            running.result(20)
    with pytest.raises(EngineClosed):
        engine.run(_steps("a", 1, []))


def test_work_cut_short_by_closing_is_no_result() -> None:
    engine = Engine()
    begun = threading.Event()

    def start(stop: Callable[[], bool]) -> Generator[Step, Any, str]:
        yield Step(step=1, of=1)
        begun.set()
        _until(stop)
        return "half an answer"

    with ThreadPoolExecutor() as pool:
        running = pool.submit(engine.run, start)
        begun.wait(20)
        engine.close()
        with pytest.raises(EngineClosed):
            running.result(20)
