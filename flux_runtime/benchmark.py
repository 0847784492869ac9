"""How long the three tasks take here, beside diffusers' and transformers' own code on the same weights.

Ours and the baseline take turns within one run, so that whatever else the machine does hits both. Only time
and memory are measured; how good the pictures are is the evaluation's business.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from flux_runtime.catalogue import find_model, read_entry
from flux_runtime.errors import Broken
from flux_runtime.families.protocol import ReferencePipeline
from flux_runtime.families.registry import family
from flux_runtime.instances import InstanceKey, instance_key
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest
from flux_runtime.machine import describe_machine
from flux_runtime.runtime import LocalRuntime

PROMPT = "a robot watering plants in a greenhouse, sunny"
QUESTION = "what is it doing?"
INSTRUCTION = "change the weather to rainy"
COLD_STARTS = 3
WARM_UPS = 2
SEED = 7
PREVIEWS = 4
"""As many as the chat page asks for."""

Progress = Callable[[str], None]


class Row(NamedTuple):
    """One measurement: medians of `n`.

    `baseline` is the same work by code that others wrote; for a turn, and for drawing with previews, it is
    the bare model's. `ratio` is baseline / value, above 1 where ours is less; `spread` is the distance
    between the quartiles of ours, in `unit`.
    """

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float
    n: int
    spread: float


def measure(
    model: str | None = None, *, n: int = 20, on_progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Time the three tasks and previews at the model's default size and steps, and a cold start; find the
    peak of memory.

    Args:
        n: how many times each task is timed.
        on_progress: told what is being measured.

    Returns:
        {"machine": {...}, "rows": [{"name", "value", "unit", "baseline", "ratio", "n", "spread"}]}

    Raises:
        UnknownModel, BadCheckpoint: there is no such model, or it cannot be loaded.
        Broken: a new process could not run it.
    """
    folder = find_model(model)
    tasks = _tasks(folder, n, on_progress)  # first: a model that cannot be loaded says so here
    rows = [*_cold_starts(folder, on_progress), *tasks]
    return {"machine": describe_machine(), "rows": [row._asdict() for row in rows]}


def _tasks(folder: Path, n: int, on_progress: Progress) -> list[Row]:
    runtime = LocalRuntime(folder)
    reference = _reference(runtime.instance.key)
    width, height = runtime.capabilities.default_size
    draw = GenerateRequest(prompt=PROMPT, seed=SEED)
    picture = runtime.generate(draw).image
    ask = AnswerRequest(question=QUESTION, images=(picture,))
    change = EditRequest(instruction=INSTRUCTION, images=(picture,), seed=SEED)
    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (f"generate {width}x{height}", lambda: runtime.generate(draw), lambda: reference.generate(draw)),
        ("answer", lambda: runtime.answer(ask), lambda: reference.answer(ask)),
        (f"edit {width}x{height}", lambda: runtime.edit(change), lambda: reference.edit(change)),
        (
            f"generate {width}x{height} with {PREVIEWS} previews",
            lambda: runtime.generate(draw.model_copy(update={"previews": PREVIEWS})),
            lambda: runtime.generate(draw),
        ),
    ]
    try:
        return [compare(name, ours, theirs, n, on_progress) for name, ours, theirs in pairs]
    finally:
        runtime.close()


def compare(
    name: str, ours: Callable[[], Any], baseline: Callable[[], Any], n: int, on_progress: Progress
) -> Row:
    """Seconds of `ours` beside a baseline, the two taking turns."""
    on_progress(name)
    return _row(name, "s", *_taking_turns(ours, baseline, n))


def _reference(key: InstanceKey) -> ReferencePipeline:
    """What the model's family is measured against."""
    entry = read_entry(key.folder)
    return family(entry.family).reference_pipeline(key.folder, entry, torch.device(key.device), key.dtype)


def _taking_turns(
    ours: Callable[[], Any], theirs: Callable[[], Any], n: int
) -> tuple[list[float], list[float]]:
    for _ in range(WARM_UPS):
        ours()
        theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(n):
        for seconds, task in zip(times, (ours, theirs), strict=True):
            start = time.perf_counter()
            task()
            seconds.append(time.perf_counter() - start)
    return times


def _row(name: str, unit: str, ours: Sequence[float], theirs: Sequence[float]) -> Row:
    value, baseline = statistics.median(ours), statistics.median(theirs)
    low, _, high = statistics.quantiles(ours, n=4) if len(ours) > 1 else (value, value, value)
    return Row(
        name,
        round(value, 3),
        unit,
        round(baseline, 3),
        round(baseline / value, 2),
        len(ours),
        round(high - low, 3),
    )


def _cold_starts(folder: Path, on_progress: Progress) -> list[Row]:
    """In new processes: from starting Python to the first picture, and the most memory the tasks take."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    megabytes: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(COLD_STARTS):
        for whose in seconds:
            on_progress(f"cold start, {whose}")
            first, peak = _in_a_new_process(whose, folder)
            seconds[whose].append(first)
            megabytes[whose].append(peak)
    return [
        _row("cold start to first picture", "s", seconds["ours"], seconds["theirs"]),
        _row("peak memory of one process", "MB", megabytes["ours"], megabytes["theirs"]),
    ]


def _in_a_new_process(whose: str, folder: Path) -> tuple[float, float]:
    start = time.time()
    command = [sys.executable, "-m", "flux_runtime.benchmark", whose, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise Broken(f"A new process could not run the model: {reason}", stage="load")
    seen = json.loads(done.stdout.splitlines()[-1])
    return seen["first_picture"] - start, seen["peak_mb"]


def _one_of_each(whose: str, folder: Path) -> dict[str, float]:
    """What a new process runs: each task once."""
    model: Any = LocalRuntime(folder) if whose == "ours" else _reference(instance_key(folder))
    drawn = model.generate(GenerateRequest(prompt=PROMPT, seed=SEED))
    first_picture = time.time()
    picture = drawn if isinstance(drawn, Image.Image) else drawn.image
    model.answer(AnswerRequest(question=QUESTION, images=(picture,)))
    model.edit(EditRequest(instruction=INSTRUCTION, images=(picture,), seed=SEED))
    return {"first_picture": first_picture, "peak_mb": _peak_megabytes()}


def _peak_megabytes() -> float:
    """The most memory this process has held. Linux's getrusage would count the parent's as well."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6
    in_bytes = sys.platform == "darwin"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if in_bytes else 1024) / 1e6


if __name__ == "__main__":
    print(json.dumps(_one_of_each(sys.argv[1], Path(sys.argv[2]))))
