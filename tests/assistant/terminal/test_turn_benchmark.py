"""The benchmark's turn is one of the page's, and what it is measured against is the same picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assistant.settings import Settings
from assistant.terminal import turn_benchmark
from flux_runtime import benchmark
from flux_runtime.errors import Broken, OutOfMemory
from flux_runtime.interface import GenerateRequest

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime


@pytest.fixture
def settings(tmp_path: Path, scripted: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(turn_benchmark, "build_runtime", lambda _: scripted)
    monkeypatch.setattr(benchmark, "WARM_UPS", 1)
    return Settings(data_dir=tmp_path / "mine")


def test_a_turn_draws_what_the_bare_model_draws_and_leaves_nothing(
    settings: Settings, scripted: ScriptedRuntime
) -> None:
    heard: list[str] = []
    row, sql = turn_benchmark.measure_turn(settings, n=2, on_progress=heard.append)
    assert sql["value"] == sql["baseline"] > 0, "as much SQL however many pictures there are"
    assert set(row) == {"name", "value", "unit", "baseline", "ratio", "n", "spread"}
    assert (row["name"], row["unit"], row["n"]) == ("page turn that draws 16x16", "s", 2)
    assert heard == [row["name"]]
    assert scripted.plan_requests == []
    requests = [request for request in scripted.requests if isinstance(request, GenerateRequest)]
    assert len(requests) == 8, (
        "a warm-up and two timings, of a turn and of the bare model, and two counted turns"
    )
    assert [request.previews for request in requests] == [benchmark.PREVIEWS, 0] * 3 + [
        benchmark.PREVIEWS
    ] * 2
    assert len({(request.prompt, request.seed) for request in requests}) == 1
    assert scripted.closed
    assert not settings.data_dir.exists()


def test_a_turn_that_fails_is_no_measurement(settings: Settings, scripted: ScriptedRuntime) -> None:
    def fail(_: object) -> None:
        raise OutOfMemory("There is not enough memory for that.", stage="denoise")

    scripted.before = fail
    with pytest.raises(Broken, match="A turn failed: There is not enough memory"):
        turn_benchmark.measure_turn(settings, n=2)
    assert scripted.closed
