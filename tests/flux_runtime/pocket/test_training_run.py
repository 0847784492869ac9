"""A stage that is stopped goes on where it was, and the judge reads what it is taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from flux_runtime.pocket.judge import HEADS, Judge, targets
from flux_runtime.pocket.progress import Average, TrainingRun, averaged_weights, warmup_cosine
from flux_runtime.pocket.recipe import ROWS, STAGES, main
from flux_runtime.pocket.splits import held_out_scenes


def _state() -> dict[str, Any]:
    model = torch.nn.Linear(2, 1)
    return {"model": model, "average": Average(model, torch.nn.Linear(2, 1), 0.5)}


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    state = _state()
    run = TrainingRun(tmp_path / "stage", state)

    def train_until_stopped() -> None:
        for step in run.steps(10):
            torch.nn.init.constant_(state["model"].weight, float(step))
            if step == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_until_stopped()
    again = _state()
    resumed = TrainingRun(tmp_path / "stage", again)
    assert list(resumed.steps(6)) == [4, 5]
    assert again["model"].weight.tolist() == [[4.0, 4.0]]
    assert list(TrainingRun(tmp_path / "stage", _state()).steps(6)) == []


def test_the_log_is_a_line_of_json_each_time(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "stage", _state())
    for _ in run.steps(2):
        run.log(loss=0.5)
    lines = [json.loads(line) for line in (tmp_path / "stage" / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(0, 0.5), (1, 0.5)]


def test_the_average_follows_the_model_and_is_what_is_shipped(tmp_path: Path) -> None:
    state = _state()
    before = state["average"].model.weight.clone()
    torch.nn.init.constant_(state["model"].weight, 3.0)
    state["average"].update(state["model"], step=100)
    torch.testing.assert_close(state["average"].model.weight, (before + 3) / 2)
    TrainingRun(tmp_path / "stage", state).save()
    shipped = torch.nn.Linear(2, 1)
    shipped.load_state_dict(averaged_weights(tmp_path / "stage"))
    assert torch.equal(shipped.weight, state["average"].model.weight)


def test_the_learning_rate_rises_and_falls() -> None:
    factors = [warmup_cosine(step, 1000) for step in range(1001)]
    assert factors[0] < 0.01
    assert max(factors) == factors[200] == pytest.approx(1)
    assert factors[200:] == sorted(factors[200:], reverse=True)
    assert factors[-1] == pytest.approx(0.02)


def test_the_judge_reads_the_scenes_that_its_targets_describe(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = list(held_out_scenes()[:50])
    wanted = targets(scenes)
    assert wanted.keys() == HEADS.keys()
    judge = Judge()
    logits = {name: torch.nn.functional.one_hot(wanted[name], count).float() for name, count in HEADS.items()}
    monkeypatch.setattr(judge, "forward", lambda images: logits)
    assert judge.read(torch.zeros(50, 3, 256, 256)) == scenes


def test_the_recipe_has_every_stage_once_and_refuses_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(STAGES) == sorted({stage for row in ROWS for stage in row})
    monkeypatch.setattr("sys.argv", ["recipe", "polish"])
    with pytest.raises(SystemExit):
        main()
    assert "no stage 'polish'" in capsys.readouterr().err
