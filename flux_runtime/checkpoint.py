"""Load the parts of a model folder, strictly: safetensors only, every weight present and none left over.

It knows files; of which classes the parts are, and what they do together, is the family's business.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from flux_runtime.errors import BadCheckpoint, OutOfMemory

_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}


def load_part(kind: Any, folder: Path, part: str, *, device: torch.device, dtype: torch.dtype) -> Any:
    """Load `folder/part` (such as "transformer") for inference.

    `kind` is its class, with the `from_pretrained` of diffusers or transformers. Weights may be stored in
    another dtype; they are converted to `dtype`.

    Raises:
        BadCheckpoint: the part is missing, damaged, holds pickles, or its weights do not match its class.
        OutOfMemory: the device has not enough memory for it.
    """
    where = folder / part
    if not (where / "config.json").is_file():
        raise BadCheckpoint(f"The model in {folder} has no {part}/config.json.", stage="load")
    _only_safetensors(where)
    # Their bars would go to the terminal of a command that prints JSON.
    transformers_logging.disable_progress_bar()
    diffusers_logging.disable_progress_bar()
    try:
        model, info = kind.from_pretrained(
            where, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # safetensors and transformers have errors of their own for damaged files
        raise BadCheckpoint(f"The {part} in {folder} cannot be loaded: {error}", stage="load") from error
    wrong = [
        f"{len(info[key])} {word} (such as {sorted(map(str, info[key]))[0]})"
        for key, word in (
            ("missing_keys", "weights are missing"),
            ("unexpected_keys", "weights are not part of it"),
            ("mismatched_keys", "weights have another shape"),
        )
        if info[key]
    ]
    if wrong:
        raise BadCheckpoint(
            f"The {part} in {folder} does not fit its class: {'; '.join(wrong)}.", stage="load"
        )
    try:
        return model.to(device).eval().requires_grad_(False)
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"The {part} does not fit into the memory of {device}.",
            stage="load",
            remedy="Close other programs that use it, or choose a smaller model or another device.",
        ) from error
    except Exception as error:
        raise BadCheckpoint(f"The {part} cannot run on {device}: {error}", stage="load") from error


def load_shift(folder: Path) -> float:
    """The constant bending of the sigma schedule, from `scheduler/`.

    Raises:
        BadCheckpoint: the scheduler is missing or of a kind whose schedule this runtime does not follow.
    """
    file = folder / "scheduler" / "scheduler_config.json"
    if not file.is_file():
        raise BadCheckpoint(f"The model in {folder} has no scheduler/scheduler_config.json.", stage="load")
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise BadCheckpoint(f"{file} is not JSON: {error}", stage="load") from error
    if config.get("_class_name") != "FlowMatchEulerDiscreteScheduler":
        raise BadCheckpoint(f"{file} is not of a FlowMatchEulerDiscreteScheduler.", stage="load")
    bent = ("use_dynamic_shifting", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
    other = [
        key for key in (*bent, "shift_terminal", "invert_sigmas", "stochastic_sampling") if config.get(key)
    ]
    if other:
        raise BadCheckpoint(f"{file} asks for {', '.join(other)}, which this runtime lacks.", stage="load")
    return float(config.get("shift", 1.0))


def _only_safetensors(where: Path) -> None:
    pickles = sorted(path.name for path in where.iterdir() if path.suffix in _PICKLES)
    if pickles:
        raise BadCheckpoint(
            f"{where} holds {', '.join(pickles)}, which could run code when loaded.",
            stage="load",
            remedy="Convert the weights to safetensors and remove the file.",
        )
    if not any(path.suffix == ".safetensors" for path in where.iterdir()):
        raise BadCheckpoint(f"{where} has no weights (*.safetensors).", stage="load")
