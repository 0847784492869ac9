"""The models loaded in this process: one instance per folder, device and dtype, however many use it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import torch

from flux_runtime.catalogue import find_model, read_entry
from flux_runtime.engine import Engine, EngineLimits
from flux_runtime.families.protocol import Family
from flux_runtime.families.registry import family


@dataclass(frozen=True)
class InstanceKey:
    """What makes two uses share weights."""

    folder: Path
    device: str
    dtype: torch.dtype


@dataclass
class Instance:
    """A loaded model, the engine that serves it, and how many users have not released it."""

    key: InstanceKey
    model: Family
    engine: Engine
    users: int = 0


_instances: dict[InstanceKey, Instance] = {}
_lock = threading.Lock()


def instance_key(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> InstanceKey:
    """Where a model lies and how it is to run.

    By default on a CUDA device if there is one, in float32 on a CPU and bfloat16 elsewhere.

    Raises:
        UnknownModel: there is no such model here.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda" and where.index is None and torch.cuda.is_available():
        where = torch.device("cuda", torch.cuda.current_device())  # "cuda" and "cuda:0" share one instance
    if dtype is None:
        dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    return InstanceKey(find_model(name_or_path), str(where), dtype)


def acquire(key: InstanceKey, limits: EngineLimits | None = None) -> Instance:
    """The instance for a key, loaded now if it is not yet. Every `acquire` wants one `release`.

    `limits` are those of the engine if it starts now; an instance that is there keeps its own.

    Raises:
        BadCheckpoint: the model folder cannot be loaded.
    """
    with _lock:
        instance = _instances.get(key)
        if instance is None:
            entry = read_entry(key.folder)
            model = family(entry.family).load(key.folder, entry, torch.device(key.device), key.dtype)
            instance = _instances[key] = Instance(
                key, model, Engine(limits, prepare=lambda: _first_sketch(model))
            )
        instance.users += 1
        return instance


def _first_sketch(model: Family) -> None:
    """Lets a family fit its previews before anybody waits for one."""
    size = (model.token_size, model.token_size)
    model.sketch(torch.zeros(1, *model.latent_shape(size), device=model.device))


def release(instance: Instance) -> None:
    """Give an instance back; the last user's release stops its engine and frees its weights."""
    with _lock:
        instance.users -= 1
        if instance.users > 0:
            return
        _instances.pop(instance.key, None)
    instance.engine.close()
