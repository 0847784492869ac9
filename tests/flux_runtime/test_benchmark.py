"""The benchmark's shape, and that its baseline does the same work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flux_runtime import benchmark
from flux_runtime.instances import instance_key
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest
from flux_runtime.runtime import LocalRuntime


def test_every_row_has_a_time_and_a_baseline_of_the_same_run(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "COLD_STARTS", 1)
    monkeypatch.setattr(benchmark, "WARM_UPS", 1)
    heard: list[str] = []
    figures = benchmark.measure(str(tiny_model), n=2, on_progress=heard.append)
    assert set(figures) == {"machine", "rows"}
    assert {"torch", "cores", "device"} <= set(figures["machine"])
    names = [row["name"] for row in figures["rows"]]
    assert names == [
        "cold start to first picture",
        "peak memory of one process",
        "generate 64x64",
        "answer",
        "edit 64x64",
        "generate 64x64 with 4 previews",
    ]
    for row in figures["rows"]:
        assert set(row) == {"name", "value", "unit", "baseline", "ratio", "n", "spread"}
        assert row["value"] > 0
        assert row["ratio"] == pytest.approx(row["baseline"] / row["value"], rel=0.1)
    assert heard


def test_the_baseline_draws_edits_and_answers_the_same(runtime: LocalRuntime, tiny_model: Path) -> None:
    reference = benchmark._reference(instance_key(tiny_model, device="cpu"))
    draw = GenerateRequest(prompt="a robot", seed=3)
    ours = runtime.generate(draw).image
    assert _distance(ours, reference.generate(draw)) <= 1
    change = EditRequest(instruction="make it rainy", images=(ours,), seed=3)
    assert _distance(runtime.edit(change).image, reference.edit(change)) <= 1
    ask = AnswerRequest(question="what is it", images=(ours,), max_new_tokens=8)
    assert runtime.answer(ask).tokens == 8
    assert reference.answer(ask)


def _distance(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of a channel, 0 to 255."""
    assert one.size == other.size
    return int(np.abs(np.asarray(one, int) - np.asarray(other.convert("RGB"), int)).max())
