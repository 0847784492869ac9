"""The model in three parts, as users of transformers and diffusers know them: text to ids, ids to latents,
latents to images. They share the weights that are loaded already, and give what `FluxMultiTaskModel` gives.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from transformers import BatchEncoding

from flux_runtime import instances
from flux_runtime.catalogue import find_model, read_entry
from flux_runtime.drawing import latents_of_ids, requested_size
from flux_runtime.engine import Work
from flux_runtime.errors import BadSetting
from flux_runtime.facade import random_seed
from flux_runtime.families.protocol import PromptTokenizer
from flux_runtime.families.registry import family
from flux_runtime.interface import MAX_SEED, GenerateRequest, Started
from flux_runtime.pixels import to_image
from flux_runtime.runtime import LocalRuntime


@dataclass(frozen=True)
class Latents:
    """Latents (B, C, h, w) float32, the size in pixels of their images, and who can decode them."""

    tensor: torch.Tensor
    width: int
    height: int
    key: instances.InstanceKey


class FluxTokenizer:
    """Prompts to token ids, through the model's chat template; loads no weights."""

    def __init__(self, tokenizer: PromptTokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str] | None = None) -> Self:
        """The tokenizer of a catalogue name or model folder. Raises UnknownModel, BadCheckpoint."""
        folder = find_model(name_or_path)
        entry = read_entry(folder)
        return cls(family(entry.family).tokenizer(folder, entry))

    def __call__(
        self, text: str | Sequence[str], *, return_tensors: str = "pt", padding: bool = True
    ) -> BatchEncoding:
        """`input_ids` and `attention_mask` (B, L).

        The padding is part of the model's recipe and torch its only tensor kind: other values are refused.

        Raises:
            BadSetting: `return_tensors` is not "pt", `padding` is False, or a text is too long.
        """
        if return_tensors != "pt" or not padding:
            raise BadSetting(
                "FLUX prompts are padded torch tensors.", remedy='Use return_tensors="pt", padding=True.'
            )
        input_ids, attention_mask = self._tokenizer([text] if isinstance(text, str) else list(text))
        return BatchEncoding({"input_ids": input_ids, "attention_mask": attention_mask})


class FluxDevModel:
    """Token ids to latents."""

    def __init__(self, runtime: LocalRuntime, dtype: torch.dtype | None = None) -> None:
        """`dtype` is the one asked for, which moving to another device keeps."""
        self._runtime = runtime
        self._dtype = dtype

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        torch_dtype: torch.dtype | None = None,
    ) -> Self:
        """Load a model, or share it if it is loaded. Raises UnknownModel, BadCheckpoint."""
        dtype = dtype or torch_dtype
        return cls(LocalRuntime(name_or_path, device=device, dtype=dtype), dtype)

    def to(self, device: str | torch.device) -> Self:
        """Run on another device from now on; others that share the model stay where they are."""
        moved = LocalRuntime(self._runtime.instance.key.folder, device=device, dtype=self._dtype)
        self._runtime.close()
        self._runtime = moved
        return self

    def close(self) -> None:
        """Give the weights back; they are freed when nobody else uses them."""
        self._runtime.close()

    def generate(
        self,
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        flow_match_timesteps: bool = True,
        width: int | None = None,
        height: int | None = None,
        seed: int | None = None,
    ) -> Latents:
        """Draw one image for each row of ids; row b uses seed + b, and after the last seed comes 0.

        Without a seed, a new one is drawn.

        Raises:
            BadSetting, BadSize, MissingCapability, and what `Engine.run` raises.
        """
        instance = self._runtime.instance
        first = random_seed() if seed is None else seed
        if not 0 <= first <= MAX_SEED:
            raise BadSetting(f"The seed {first} is out of range.", remedy=f"Use 0 to {MAX_SEED}.")
        request = GenerateRequest(
            prompt="",
            seed=first,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            flow_match_timesteps=flow_match_timesteps,
            width=width,
            height=height,
        )
        size = requested_size(instance.model, request)
        drawn: list[torch.Tensor] = []
        for row in range(input_ids.shape[0]):
            own = request.model_copy(update={"seed": (first + row) % (MAX_SEED + 1)})
            work = latents_of_ids(
                instance.model, own, input_ids[row : row + 1], attention_mask[row : row + 1]
            )
            drawn.append(instance.engine.run(lambda _, work=work: work))
        tensor = torch.cat(drawn).float().clone()  # a tensor of inference mode could not be trained on
        return Latents(tensor, *size, instance.key)


class FluxImageProcessor:
    """Latents to images. Latents know their model, so it takes no arguments."""

    def decode(self, latents: Latents) -> list[Image.Image]:
        """One RGB image for each of the latents, with the VAE of the model that drew them."""
        instance = instances.acquire(latents.key)
        try:
            return instance.engine.run(lambda _: _decoded(instance, latents.tensor), quick=True)
        finally:
            instances.release(instance)

    def save_image(self, image: Image.Image, path: str | os.PathLike[str]) -> None:
        """Write an image; the ending of the name chooses the format."""
        image.save(Path(path))


def _decoded(instance: instances.Instance, tensor: torch.Tensor) -> Work[list[Image.Image]]:
    yield Started(stage="decode")
    return [to_image(instance.model.decode(row[None])[0]) for row in tensor]
