"""A tiny FLUX.3 with random weights, of the same unmodified classes and laid out like a real model folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from diffusers.models.transformers.transformer_flux3 import Flux3Transformer2DModel
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from flux_runtime.runtime import LocalRuntime

HIDDEN, LAYERS = 32, (0, 2, 3)
SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
]
SPECIAL.append("<|video_pad|>")
SENTENCES = [
    "user assistant system images: none #1 #2 attached",
    "a robot watering plants in a greenhouse, sunny day",
    "make it rainy. what is the robot doing? watering plants",
    "一个机器人在温室里浇水 改成下雨天",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ENTRY = {
    "name": "tiny",
    "family": "flux3",
    "license": "Apache-2.0",
    "languages": ["en", "zh"],
    "tasks": ["generate", "edit", "answer", "plan"],
    "default_size": [64, 64],
    "default_steps": 3,
    "default_guidance": 2.0,
    "max_references": 2,
    "text_encoder_out_layers": LAYERS,
    "text_pad_multiple": 8,
    "image_rope_scale": 0.5,
}


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[1:],
        chat_template=CHAT_TEMPLATE,
    )


def _text_encoder(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLForConditionalGeneration:
    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    ids: dict[str, Any] = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN,
            "intermediate_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": HIDDEN,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
        tie_word_embeddings=True,
    )
    return Qwen3VLForConditionalGeneration(config)


def _randomise(module: torch.nn.Module) -> None:
    """Weights large enough that every input shows in the output."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim > 1 else 0.5)


def build_tiny_model(folder: Path) -> Path:
    """Save a model folder of a few ten thousand random parameters."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    transformer = Flux3Transformer2DModel(
        in_channels=16,
        cond_in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=HIDDEN * len(LAYERS),
        timestep_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        rope_theta=100,
    )
    vae = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    text_encoder = _text_encoder(tokenizer)
    for part in (transformer, vae, text_encoder):
        _randomise(part)
    assert isinstance(vae.bn.running_mean, torch.Tensor)
    assert isinstance(vae.bn.running_var, torch.Tensor)
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2.0)
    transformer.save_pretrained(folder / "transformer")
    vae.save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "processor")
    images = Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, temporal_patch_size=2, min_pixels=64 * 64, max_pixels=64 * 64
    )
    images.save_pretrained(folder / "processor")
    scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.5}
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (folder / "entry.json").write_text(json.dumps(ENTRY))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random FLUX.3; do not change it."""
    return build_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def runtime(tiny_model: Path) -> Iterator[LocalRuntime]:
    """One runtime over the tiny model for all tests."""
    runtime = LocalRuntime(tiny_model, device="cpu")
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def noise_image() -> Callable[..., Image.Image]:
    """Makes an RGB image of random coloured blocks from (seed, width, height)."""
    return _noise_image


def _noise_image(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (max(height // 8, 1), max(width // 8, 1), 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)
