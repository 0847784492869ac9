"""The three networks of a FLUX.3 model folder, each of the class that its makers wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from diffusers.models.transformers.transformer_flux3 import Flux3Transformer2DModel
from transformers import Qwen3VLForConditionalGeneration

from flux_runtime.checkpoint import load_part

CLASSES: dict[str, Any] = {
    "transformer": Flux3Transformer2DModel,
    "vae": AutoencoderKLFlux2,
    "text_encoder": Qwen3VLForConditionalGeneration,
}


def load_parts(folder: Path, *, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Load all of `CLASSES`, by the names of their folders. Raises BadCheckpoint, OutOfMemory."""
    return {part: load_part(kind, folder, part, device=device, dtype=dtype) for part, kind in CLASSES.items()}
