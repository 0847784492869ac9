"""diffusers' own FLUX.3 pipeline over a model folder of ours: what we compare ourselves with.

No product path uses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.guiders.classifier_free_guidance import ClassifierFreeGuidance
from diffusers.modular_pipelines.flux3.encoders import Flux3TextEncoderStep
from diffusers.modular_pipelines.flux3.image_processor import Flux3ImageProcessor
from diffusers.modular_pipelines.flux3.modular_blocks_flux3 import Flux3AutoBlocks
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from PIL import Image

from flux_runtime.checkpoint import load_shift
from flux_runtime.families.flux3.entry import Flux3Entry
from flux_runtime.families.flux3.parts import load_parts
from flux_runtime.families.flux3.processor import VisionLanguageProcessor
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest
from flux_runtime.talking import answer_messages


class ReferencePipeline:
    """The same weights behind diffusers' pipeline and transformers' `generate`, with the model's defaults."""

    def __init__(self, folder: Path, entry: Flux3Entry, *, device: torch.device, dtype: torch.dtype) -> None:
        self._entry = entry
        self._device = device
        blocks = Flux3AutoBlocks()
        blocks.sub_blocks.pop("prompt_upsampler")
        blocks.sub_blocks["text_encoder"] = Flux3TextEncoderStep(pad_multiple=self._entry.text_pad_multiple)
        _draw_without_bars(blocks)
        self._pipeline: Any = blocks.init_pipeline()
        parts = load_parts(folder, device=device, dtype=dtype)
        self._processor = VisionLanguageProcessor.from_pretrained(folder)
        # A token is 2x2 latents; the VAE halves each side once less than it has blocks.
        pixels_a_token = 2 ** len(parts["vae"].config.block_out_channels)
        self._pipeline.update_components(
            **parts,
            tokenizer=self._processor,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=load_shift(folder)),
            image_processor=Flux3ImageProcessor(vae_scale_factor=pixels_a_token),
            guider=ClassifierFreeGuidance(guidance_scale=self._entry.default_guidance),
        )

    def generate(self, request: GenerateRequest) -> Image.Image:
        """Draw `request.prompt` at the model's default size, steps and guidance."""
        width, height = self._entry.default_size
        return self._draw(request.prompt, request.seed, width=width, height=height)

    def edit(self, request: EditRequest) -> Image.Image:
        """Change the images as `request.instruction` says."""
        return self._draw(request.instruction, request.seed, image=list(request.images))

    def answer(self, request: AnswerRequest) -> str:
        """Answer with transformers' greedy `generate`."""
        question = self._entry.answer_template.replace("{question}", request.question)
        messages = answer_messages(question, len(request.images))
        text = self._processor.apply_chat_template(messages, add_generation_prompt=True)
        encoder = self._pipeline.text_encoder
        inputs = {
            name: value.to(self._device) for name, value in self._processor(text, request.images).items()
        }
        inputs["pixel_values"] = inputs["pixel_values"].to(encoder.dtype)
        with torch.inference_mode():
            most = request.max_new_tokens or self._entry.answer_tokens
            output = encoder.generate(**inputs, max_new_tokens=most, do_sample=False)
        return str(self._processor.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))

    def _draw(self, prompt: str, seed: int, **where: Any) -> Image.Image:
        images = self._pipeline(
            prompt=prompt,
            num_inference_steps=self._entry.default_steps,
            generator=torch.Generator("cpu").manual_seed(seed),
            text_encoder_out_layers=self._entry.text_encoder_out_layers,
            output="images",
            **where,
        )
        return images[0]


def _draw_without_bars(blocks: Any) -> None:
    """The pipeline's own switch reaches its outermost blocks only."""
    for block in blocks.sub_blocks.values():
        if hasattr(block, "set_progress_bar_config"):
            block.set_progress_bar_config(disable=True)
        _draw_without_bars(block)
