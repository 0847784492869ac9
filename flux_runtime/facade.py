"""The model as one object, for a notebook or a script: `FluxMultiTaskModel`.

model = FluxMultiTaskModel.from_pretrained("pocket")
image = model(instruction="Generate an image", input_text="a robot on the beach")
model.generate_text(instruction="Answer the question", image=image, input_text="Where is the robot?")
model.edit_image(instruction="Edit the image: make it rainy", image=image)
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import Self

import torch
from PIL import Image

from flux_runtime.instruction import change_of, prompt_of, question_of, task_of
from flux_runtime.interface import MAX_SEED, AnswerRequest, EditRequest, GenerateRequest, Region
from flux_runtime.runtime import LocalRuntime

Images = Image.Image | Sequence[Image.Image]


class FluxMultiTaskModel:
    """One model that generates, answers and edits. Two of them on one model share its weights."""

    def __init__(self, runtime: LocalRuntime, dtype: torch.dtype | None = None) -> None:
        """`dtype` is the one asked for, which moving to another device keeps."""
        self.runtime = runtime
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
        """Load a model by catalogue name ("pocket") or folder; `torch_dtype` is the older name of `dtype`.

        Raises:
            UnknownModel, BadCheckpoint: there is no such model, or it cannot be loaded.
        """
        dtype = dtype or torch_dtype
        return cls(LocalRuntime(name_or_path, device=device, dtype=dtype), dtype)

    def to(self, device: str | torch.device) -> Self:
        """Run on another device from now on; others that share the model stay where they are."""
        moved = LocalRuntime(self.runtime.instance.key.folder, device=device, dtype=self._dtype)
        self.runtime.close()
        self.runtime = moved
        return self

    def close(self) -> None:
        """Give the weights back; they are freed when nobody else uses them."""
        self.runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(
        self,
        *,
        instruction: str = "",
        input_text: str = "",
        image: Images | None = None,
        seed: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> Image.Image | str:
        """Do the task that the form of the input asks for.

        No image: generate. An image and an instruction that begins with "Answer", or a text that begins with
        "Question:": answer, with a string. Otherwise: edit. Without a seed, a new one is drawn.
        """
        task = task_of(instruction, input_text, image is not None)
        if image is not None and task == "answer":
            return self.generate_text(instruction=instruction, image=image, input_text=input_text)
        if image is not None:
            return self.edit_image(
                instruction=instruction,
                image=image,
                input_text=input_text,
                seed=seed,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
            )
        request = GenerateRequest(
            prompt=prompt_of(instruction, input_text),
            seed=random_seed() if seed is None else seed,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        return self.runtime.generate(request).image

    def generate_text(
        self, *, instruction: str = "", image: Images, input_text: str = "", max_new_tokens: int | None = None
    ) -> str:
        """Answer a question about one image or several."""
        question = question_of(instruction, input_text)
        request = AnswerRequest(question=question, images=_tuple(image), max_new_tokens=max_new_tokens)
        return self.runtime.answer(request).text

    def edit_image(
        self,
        *,
        instruction: str = "",
        image: Images,
        input_text: str = "",
        region: Region | None = None,
        seed: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> Image.Image:
        """Change an image; of several, the first is changed and the others are looked at."""
        request = EditRequest(
            instruction=change_of(instruction, input_text),
            images=_tuple(image),
            region=region,
            seed=random_seed() if seed is None else seed,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        return self.runtime.edit(request).image


def random_seed() -> int:
    """A seed nobody chose, 0 to 2**32 - 1."""
    return secrets.randbelow(MAX_SEED + 1)


def _tuple(image: Images) -> tuple[Image.Image, ...]:
    return (image,) if isinstance(image, Image.Image) else tuple(image)
