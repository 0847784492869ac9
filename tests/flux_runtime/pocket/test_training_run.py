"""A stage that is stopped goes on where it was, and the judge reads what it is taught."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flux_runtime.pocket.judge import HEADS, Judge, targets
from flux_runtime.pocket.progress import TrainingRun, averaged_weights, warmup_cosine
from flux_runtime.pocket.recipe import ROWS, STAGES, main
from flux_runtime.pocket.splits import held_out_scenes


def _run(folder: Path, total: int, save_seconds: float = 1e9) -> TrainingRun:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return TrainingRun(folder / "stage", model, [optimizer], total, averaged=model, save_seconds=save_seconds)


def _descend(run: TrainingRun) -> None:
    run.descend(run.module(torch.randn(4, 2) + run.rng.random()).square().mean())


def _train(run: TrainingRun) -> list[int]:
    """Take the steps that are left; their numbers."""
    done = []
    for step in run.steps():
        _descend(run)
        done.append(step)
    return done


def _weights(run: TrainingRun) -> list[torch.Tensor]:
    return [run.module.state_dict()["weight"], run.average.state_dict()["weight"]]


def test_a_run_that_is_told_to_stop_finishes_its_step_and_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    run, done = _run(tmp_path, 10), []

    def train_until_told() -> None:
        for step in run.steps():
            if step == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            _descend(run)
            done.append(step)

    with pytest.raises(KeyboardInterrupt):
        train_until_told()
    assert done == [0, 1, 2, 3, 4]
    resumed, whole = _run(tmp_path, 10), _run(tmp_path / "whole", 10)
    assert _train(resumed) == [5, 6, 7, 8, 9]
    assert _train(whole) == list(range(10))
    assert all(map(torch.equal, _weights(resumed), _weights(whole)))
    assert _train(_run(tmp_path, 10)) == []


def test_a_step_that_was_not_finished_is_not_saved(tmp_path: Path) -> None:
    run = _run(tmp_path, 10, save_seconds=0)
    for step in run.steps():
        _descend(run)
        if step == 4:
            break  # as an error in the step would
    assert next(_run(tmp_path, 10).steps()) == 4


def test_two_processes_stopped_anywhere_end_equal_and_as_if_they_had_not_been(tmp_path: Path) -> None:
    def train(name: str, told: dict[int, str]) -> list[int]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        script, root = Path(__file__).with_name("tiny_stage.py"), Path(__file__).parents[3]
        running = [
            subprocess.Popen(
                [sys.executable, str(script), str(folder), str(rank), port, *filter(None, [told.get(rank)])],
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
            )
            for rank in (0, 1)
        ]
        return [process.wait(120) for process in running]

    def final(name: str) -> list[dict[str, torch.Tensor]]:
        return [torch.load(tmp_path / name / f"final-{rank}.pt", weights_only=True) for rank in (0, 1)]

    assert train("whole", {}) == [0, 0]
    whole, other = final("whole")
    for name, told, step in (("stopped", {1: "SIGTERM"}, 4), ("killed", {0: "SIGKILL"}, 3)):
        assert 0 not in train(name, told)
        assert torch.load(tmp_path / name / "tiny" / "last.pt", weights_only=True)["step"] == step
        assert train(name, {}) == [0, 0]
        for resumed in (other, *final(name)):
            assert resumed.keys() == whole.keys()
            assert all(torch.equal(resumed[key], value) for key, value in whole.items())


def test_the_log_is_a_line_of_json_each_time(tmp_path: Path) -> None:
    run = _run(tmp_path, 2)
    for _ in run.steps():
        run.log(loss=0.5)
    lines = [json.loads(line) for line in (tmp_path / "stage" / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(0, 0.5), (1, 0.5)]


def test_the_average_follows_the_model_and_is_what_is_shipped(tmp_path: Path) -> None:
    run, seen = _run(tmp_path, 3), []
    for _ in run.steps():
        _descend(run)
        seen.append(run.module.state_dict()["weight"].clone())
    wanted = seen[0]  # the average begins with the first step's weights
    for count, weight in enumerate(seen[1:], start=1):
        wanted = wanted.lerp(weight, 1 - (1 + count) / (10 + count))
    shipped = averaged_weights(tmp_path / "stage")
    torch.testing.assert_close(shipped["weight"], wanted)
    assert torch.equal(shipped["weight"], _weights(run)[1])


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
