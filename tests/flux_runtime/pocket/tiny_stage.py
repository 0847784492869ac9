"""A tiny stage of training in one of two processes, for test_training_run.py; it can stop itself in a step.

python tiny_stage.py FOLDER RANK PORT [SIGNAL], where SIGNAL is sent to the process itself in the fourth step,
after the first optimiser and before the second. At the end the parameters are in FOLDER/final-RANK.pt.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from flux_runtime.pocket.progress import TrainingRun, join_processes, muon_and_adamw


def main(folder: Path, rank: int, port: int, told: str | None) -> None:
    join_processes(rank, 2, port)
    torch.manual_seed(rank)  # the two begin with different parameters
    first = torch.nn.Linear(3, 4)
    model = torch.nn.Sequential(first, torch.nn.Linear(4, 1))
    muon, adamw = muon_and_adamw(model, [first.weight], 0.05)
    run = TrainingRun(folder / "tiny", model, [muon, adamw], 8, warmup=2, averaged=model, save_seconds=0)
    if told:
        number = signal.Signals[told]
        muon.register_step_post_hook(lambda *_: os.kill(os.getpid(), number) if run.step == 3 else None)
    for _ in run.steps():
        inputs = torch.randn(5, 3) + run.rng.random()
        run.descend((run.module(inputs) - inputs.sum(1, keepdim=True)).square().mean())
    final = {**model.state_dict(), **{f"average.{k}": v for k, v in run.average.state_dict().items()}}
    torch.save(final, folder / f"final-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
