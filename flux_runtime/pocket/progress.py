"""Resumable training runs for all stages of the recipe: a JSON-lines log, checkpoints that survive Ctrl-C."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

M = TypeVar("M", bound=torch.nn.Module)


def training_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_training_device(module: M) -> M:
    """The module itself, moved there."""
    torch.nn.Module.to(module, training_device())
    return module


class TrainingRun:
    """One stage's folder `<runs>/<name>/` with `log.jsonl` and `last.pt`.

    `steps(total)` yields step numbers from where the last checkpoint stopped; a checkpoint is written every
    `save_seconds` and at the end.
    """

    def __init__(self, folder: Path, state: dict[str, Any], *, save_seconds: float = 120) -> None:
        """`state` maps names to objects with state_dict/load_state_dict (models, optimisers, EMA copies)."""
        self.folder = folder
        self.state = state
        self.save_seconds = save_seconds
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "last.pt"
        if self._path.exists():
            saved = torch.load(self._path, weights_only=True, map_location=training_device())
            for name, holder in state.items():
                holder.load_state_dict(saved[name])
            self.step, self.seconds = saved["step"], saved["seconds"]

    def steps(self, total: int) -> Iterator[int]:
        """Yield the steps still to do; saves as it goes."""
        began, saved = time.perf_counter(), time.perf_counter()
        before = self.seconds
        try:
            while self.step < total:
                yield self.step
                self.step += 1
                now = time.perf_counter()
                self.seconds = before + now - began
                if now - saved > self.save_seconds:
                    self.save()
                    saved = now
        finally:
            self.save()

    def save(self) -> None:
        """Write the checkpoint, all of it or nothing."""
        saved = {name: holder.state_dict() for name, holder in self.state.items()}
        partial = self._path.with_suffix(".partial")
        torch.save({**saved, "step": self.step, "seconds": self.seconds}, partial)
        os.replace(partial, self._path)

    def log(self, **values: Any) -> None:
        """Append one line of JSON to the log, and print it."""
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **values})
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        print(f"{self.folder.name}: {line}", flush=True)


class Average(torch.nn.Module, Generic[M]):
    """Exponential moving average of a model's parameters; `model` is the averaged copy."""

    def __init__(self, model: M, copy: M, decay: float) -> None:
        super().__init__()
        self.model = copy.requires_grad_(False)
        self.model.load_state_dict(model.state_dict())
        self.decay = decay

    @torch.no_grad()
    def update(self, model: M, step: int) -> None:
        """Move towards the model; early steps, of which little is worth keeping, move further."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = list(self.model.parameters()), [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(ours, theirs, 1 - decay)  # pyright: ignore


def averaged_weights(run: Path) -> dict[str, torch.Tensor]:
    """The state dict of the averaged model in a run's last checkpoint."""
    saved = torch.load(run / "last.pt", weights_only=True, map_location="cpu")["average"]
    return {key.removeprefix("model."): value for key, value in saved.items() if key.startswith("model.")}


def warmup_cosine(step: int, total: int, *, warmup: int = 200, floor: float = 0.02) -> float:
    """Learning-rate factor in (0, 1]: linear warm-up, then a cosine down to `floor` at `total`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1 - floor) * 0.5 * (1 + float(torch.cos(torch.tensor(progress * torch.pi))))
