"""Resumable training runs for all stages of the recipe: optimisers, schedule, average, log and checkpoint.

A stage may run in several processes (torch.distributed): they begin with the state of the first, average
their gradients, stop after the same step, and only the first one writes.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

M = TypeVar("M", bound=torch.nn.Module)

DECAY = 0.998  # of the average, a step


def training_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_training_device(module: M) -> M:
    """The module itself, moved there."""
    torch.nn.Module.to(module, training_device())
    return module


class TrainingRun:
    """One stage's folder `<runs>/<name>/` with `log.jsonl` and `last.pt`.

    `for step in run.steps(): run.descend(loss)`, where the loss comes from `run.module`. A checkpoint is
    written between two steps, every `save_seconds`, when the run is stopped and at the end; a step that was
    not finished is done again. What is drawn in a step, from `run.rng` or torch's own generator, depends on
    stage, process and step alone, so that a stopped run ends like one that was not.

    Args:
        folder: of the stage, made when missing; a checkpoint in it is gone on from.
        module: what is trained, on the training device.
        optimizers: of its parameters; their learning rates are the highest ones.
        total: how many steps the stage has.
        warmup: how many of them the learning rate rises for.
        averaged: the part of the module of which a moving average is kept, if any.
        save_seconds: from one checkpoint to the next.
    """

    def __init__(
        self,
        folder: Path,
        module: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        total: int,
        *,
        warmup: int = 200,
        averaged: torch.nn.Module | None = None,
        save_seconds: float = 120,
    ) -> None:
        self.folder, self.total, self.save_seconds = folder, total, save_seconds
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.rng = random.Random()
        self.step, self.seconds = 0, 0.0
        self._optimizers = list(optimizers)
        self._schedules = [
            LambdaLR(optimizer, lambda step: warmup_cosine(step, total, warmup=warmup))
            for optimizer in optimizers
        ]
        self._average = AveragedModel(averaged, multi_avg_fn=_move_towards) if averaged is not None else None
        self._trained, self._averaged = module, averaged
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "last.pt"
        self._begin()
        self.module = DistributedDataParallel(module) if dist.is_initialized() else module

    @property
    def average(self) -> torch.nn.Module:
        """The moving average of the averaged part."""
        assert self._average is not None
        return self._average.module

    def steps(self) -> Iterator[int]:
        """Yield the numbers of the steps still to do, and save between them.

        Raises KeyboardInterrupt after a SIGINT or SIGTERM to any process, once the step is done and saved.
        """
        began = saved = time.perf_counter()
        before = self.seconds
        with _signals() as told:
            while self.step < self.total:
                self.rng.seed(f"{self.folder.name} {self.rank} {self.step}")
                torch.manual_seed(self.rng.getrandbits(63))
                yield self.step
                self.step += 1
                now = time.perf_counter()
                self.seconds = before + now - began
                stop = _any_process(told.is_set())
                if stop or now - saved > self.save_seconds:
                    self._save()
                    saved = now
                if stop:
                    raise KeyboardInterrupt
            self._save()

    def descend(self, loss: torch.Tensor) -> None:
        """One step of every optimiser down the loss, whose gradients are clipped to a norm of 1."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._trained.parameters(), 1.0)
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            schedule.step()
        if self._average is not None and self._averaged is not None:
            self._average.update_parameters(self._averaged)

    def log(self, **values: Any) -> None:
        """Append one line of JSON to the log, and print it; of several processes, only the first does."""
        if self.rank:
            return
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **values})
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        print(f"{self.folder.name}: {line}", flush=True)

    def _begin(self) -> None:
        """Take up the checkpoint, if there is one; every process begins with what the first one has."""
        saved = None
        if self.rank == 0 and self._path.exists():
            saved = torch.load(self._path, weights_only=True, map_location=training_device())
        if dist.is_initialized():
            given = [saved or self._state() if self.rank == 0 else None]
            dist.broadcast_object_list(given, src=0)
            saved = given[0]
        if saved is None:
            return
        for name, holder in self._holders().items():
            holder.load_state_dict(saved[name])
        self.step, self.seconds = saved["step"], saved["seconds"]

    def _holders(self) -> dict[str, Any]:
        """Whatever has a state, by its name in the checkpoint."""
        holders: dict[str, Any] = {"model": self._trained}
        for kind, each in (("optimizer", self._optimizers), ("schedule", self._schedules)):
            holders |= {f"{kind}-{number}": holder for number, holder in enumerate(each)}
        return holders if self._average is None else {**holders, "average": self._average}

    def _state(self) -> dict[str, Any]:
        states = {name: holder.state_dict() for name, holder in self._holders().items()}
        return {**states, "step": self.step, "seconds": self.seconds}

    def _save(self) -> None:
        """Write the checkpoint, all of it or nothing. All processes have the same, so the first writes it."""
        if self.rank:
            return
        partial = self._path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save(self._state(), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self._path)


def join_processes(rank: int, world: int, port: int = 29511) -> None:
    """Join `world` local processes (gloo, loopback only); to be called before a stage begins."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    dist.init_process_group("gloo", rank=rank, world_size=world)


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Set once SIGINT or SIGTERM comes, which otherwise do nothing meanwhile."""
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: told.set()) for number in numbers}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _any_process(flag: bool) -> bool:
    """Whether the flag is set in any process of the stage; all of them hear the same."""
    if not dist.is_initialized():
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


@torch.no_grad()
def _move_towards(
    average: Sequence[torch.Tensor], model: Sequence[torch.Tensor], count: torch.Tensor | int
) -> None:
    """Move a model's average; early steps, of which little is worth keeping, move it further."""
    decay = min(DECAY, (1 + int(count)) / (10 + int(count)))
    torch._foreach_lerp_(list(average), list(model), 1 - decay)  # pyright: ignore


def averaged_weights(run: Path) -> dict[str, torch.Tensor]:
    """The state dict of the averaged model in a run's last checkpoint."""
    saved = torch.load(run / "last.pt", weights_only=True, map_location="cpu")["average"]
    return {key.removeprefix("module."): value for key, value in saved.items() if key.startswith("module.")}


def muon_and_adamw(
    module: torch.nn.Module, matrices: Sequence[torch.Tensor], learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices, AdamW for every other parameter that is trained."""
    chosen = {id(parameter) for parameter in matrices}
    rest = [p for p in module.parameters() if p.requires_grad and id(p) not in chosen]
    muon = torch.optim.Muon(
        matrices, learning_rate, weight_decay=0.01, ns_steps=4, adjust_lr_fn="match_rms_adamw"
    )
    return muon, torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.98), weight_decay=0.0)


def warmup_cosine(step: int, total: int, *, warmup: int = 200, floor: float = 0.02) -> float:
    """Learning-rate factor in (0, 1]: linear warm-up, then a cosine down to `floor` at `total`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(progress * math.pi))
