"""Our loop gives what diffusers' own FLUX.3 pipeline gives, on the same weights, seed and schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.guiders.classifier_free_guidance import ClassifierFreeGuidance
from diffusers.modular_pipelines.flux3.encoders import Flux3TextEncoderStep
from diffusers.modular_pipelines.flux3.image_processor import Flux3ImageProcessor
from diffusers.modular_pipelines.flux3.modular_blocks_flux3 import Flux3AutoBlocks
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from PIL import Image

from flux_runtime import drawing
from flux_runtime.families.flux3.parts import load_parts
from flux_runtime.families.flux3.processor import VisionLanguageProcessor
from flux_runtime.interface import EditRequest, GenerateRequest
from flux_runtime.runtime import LocalRuntime

LAYERS = (0, 2, 3)


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> Any:
    """diffusers' modular FLUX.3 pipeline over weights of its own, loaded from the same folder."""
    blocks = Flux3AutoBlocks()
    blocks.sub_blocks.pop("prompt_upsampler")
    blocks.sub_blocks["text_encoder"] = Flux3TextEncoderStep(pad_multiple=8)
    pipeline = blocks.init_pipeline()
    parts = load_parts(tiny_model, device=torch.device("cpu"), dtype=torch.float32)
    pipeline.update_components(
        **parts,
        tokenizer=VisionLanguageProcessor.from_pretrained(tiny_model),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.5),
        image_processor=Flux3ImageProcessor(vae_scale_factor=8),
    )
    return pipeline


def _theirs(
    pipeline: Any, prompt: str, steps: int, guidance: float, images: list[Image.Image], **size: int
) -> np.ndarray:
    pipeline.update_components(guider=ClassifierFreeGuidance(guidance_scale=guidance))
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(
        prompt=prompt,
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(11),
        text_encoder_out_layers=LAYERS,
        output="images",
        output_type="np",
        **({"image": images} if images else {}),
        **size,
    )
    return output[0]


@pytest.fixture
def exact_pixels(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Float pixels in [0, 1] of every image that we decode, before they are rounded to bytes."""
    seen: list[np.ndarray] = []
    to_image = drawing.to_image

    def record(pixels: torch.Tensor) -> Image.Image:
        seen.append((pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy())
        return to_image(pixels)

    monkeypatch.setattr(drawing, "to_image", record)
    return seen


# The second is padded to the length of the empty prompt (one batched pass), the third is longer (two passes).
PROMPTS = ("", "a robot", "a robot watering plants in a greenhouse, sunny day, 一个机器人在温室里浇水")


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_text_to_image_equals_the_diffusers_pipeline(
    runtime: LocalRuntime, pipeline: Any, exact_pixels: list[np.ndarray], prompt: str, guidance: float
) -> None:
    theirs = _theirs(pipeline, prompt, 4, guidance, [], width=96, height=64)
    request = GenerateRequest(
        prompt=prompt, width=96, height=64, seed=11, num_inference_steps=4, guidance_scale=guidance
    )
    ours = runtime.generate(request)
    assert ours.image.size == (96, 64)
    assert theirs.std() > 0.05, "a flat image would prove nothing"
    np.testing.assert_allclose(exact_pixels[-1], theirs, atol=2e-5)
    assert np.abs(np.asarray(ours.image) / 255 - theirs).max() <= 0.5 / 255 + 2e-5


@pytest.mark.parametrize("sizes", [[(96, 64)], [(80, 72)], [(64, 64), (96, 72)]])
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_image_to_image_equals_the_diffusers_pipeline(
    runtime: LocalRuntime,
    pipeline: Any,
    exact_pixels: list[np.ndarray],
    noise_image: Any,
    sizes: list[tuple[int, int]],
    guidance: float,
) -> None:
    images = [noise_image(seed, *size) for seed, size in enumerate(sizes)]
    theirs = _theirs(pipeline, "make it rainy", 4, guidance, images)
    request = EditRequest(
        instruction="make it rainy",
        images=tuple(images),
        seed=11,
        num_inference_steps=4,
        guidance_scale=guidance,
    )
    ours = runtime.edit(request)
    assert ours.image.size == sizes[0]
    assert theirs.std() > 0.05, "a flat image would prove nothing"
    np.testing.assert_allclose(exact_pixels[-1], theirs, atol=2e-5)


def test_an_image_off_the_grid_is_padded_and_cropped_as_diffusers_does(
    runtime: LocalRuntime, pipeline: Any, noise_image: Any
) -> None:
    image = noise_image(5, 90, 70)
    theirs = _theirs(pipeline, "make it rainy", 2, 2.0, [image])
    ours = runtime.edit(
        EditRequest(
            instruction="make it rainy", images=(image,), seed=11, num_inference_steps=2, guidance_scale=2.0
        )
    )
    assert ours.image.size == (90, 70)
    assert np.abs(np.asarray(ours.image) / 255 - theirs).max() <= 0.5 / 255 + 2e-5


def test_the_reference_is_seen(runtime: LocalRuntime, noise_image: Any) -> None:
    results = [
        runtime.edit(EditRequest(instruction="make it rainy", images=(noise_image(seed),), seed=11)).image
        for seed in (1, 2)
    ]
    assert results[0].tobytes() != results[1].tobytes()
