"""The flux3 family: one loaded FLUX.3 that encodes prompts and images, gives velocities, decodes and talks.

It wires unmodified diffusers and transformers classes together and holds no state of any request.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from flux_runtime.catalogue import capabilities_of
from flux_runtime.checkpoint import load_shift
from flux_runtime.errors import BadCheckpoint
from flux_runtime.families.flux3.chat_model import ChatModel
from flux_runtime.families.flux3.entry import Flux3Entry
from flux_runtime.families.flux3.parts import CLASSES, load_parts
from flux_runtime.families.flux3.processor import PROCESSOR_FOLDERS, VisionLanguageProcessor
from flux_runtime.families.flux3.prompt_encoding import PromptEncoder, PromptTokenizer
from flux_runtime.families.flux3.velocity import ReferenceTokens, VelocityField
from flux_runtime.families.latents import LatentCodec, image_position_ids, to_grid, to_tokens
from flux_runtime.families.protocol import Message, References, Schedule, Stop, Talk
from flux_runtime.flow_matching import sigma_schedule
from flux_runtime.pixels import to_tensor
from flux_runtime.revision import revision_of


class Flux3Model:
    """A FLUX.3 model folder, loaded once; `text_encoder` both conditions the drawing and answers.

    Raises:
        BadCheckpoint: the folder is incomplete, its parts do not fit together, or it is a flow-map model.
    """

    def __init__(self, folder: Path, entry: Flux3Entry, *, device: torch.device, dtype: torch.dtype) -> None:
        self.entry = entry
        self.capabilities = capabilities_of(folder, self.entry)
        self._folder = folder
        self._revision: str | None = None
        self._shift = load_shift(folder)
        self.device, self.dtype = device, dtype
        self.processor = VisionLanguageProcessor.from_pretrained(folder)
        parts = load_parts(folder, device=device, dtype=dtype)
        self._transformer, text_encoder = parts["transformer"], parts["text_encoder"]
        self._codec = LatentCodec(parts["vae"])
        self._check_parts_fit(folder, text_encoder.config.text_config)
        self.prompts = PromptEncoder(
            text_encoder,
            PromptTokenizer(self.processor, entry.text_pad_multiple, entry.max_prompt_tokens),
            self.entry.text_encoder_out_layers,
        )
        self.chat = ChatModel(text_encoder, self.processor, entry.max_prompt_tokens)

    @property
    def revision(self) -> str:
        """Which configs, tokenizer and weights these are; looked up when a receipt first needs it."""
        if self._revision is None:
            recipe = self.entry.model_dump_json(
                include={"text_encoder_out_layers", "text_pad_multiple", "image_rope_scale"}
            )
            parts = (*CLASSES, *PROCESSOR_FOLDERS, "scheduler")
            self._revision = revision_of(self._folder, parts, recipe)
        return self._revision

    @property
    def token_size(self) -> int:
        """Side of a token in pixels."""
        return self._codec.token_size

    def encode_prompt(self, prompt: str) -> torch.Tensor:
        """Prompt embeds (1, L, E)."""
        return self.prompts.encode(prompt)

    def encode_ids(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The same from token ids (1, L)."""
        return self.prompts.encode_ids(input_ids, attention_mask)

    def encode_references(self, images: Sequence[Image.Image]) -> ReferenceTokens:
        """Images as tokens at l = -1, -2, ..."""
        encoded = [self._codec.encode(to_tensor(image)) for image in images]
        tokens = [to_tokens(latents) for latents in encoded]
        scale = self.entry.image_rope_scale
        return ReferenceTokens(
            tokens[0],
            torch.cat(tokens, dim=1),
            torch.cat(
                [
                    image_position_ids(*latents.shape[-2:], rope_scale=scale, image=number)
                    for number, latents in enumerate(encoded, start=1)
                ]
            ),
        )

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Latents are packed 2x2 already: one is one token."""
        width, height = size
        return self._transformer.config.in_channels, height // self.token_size, width // self.token_size

    def pack(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents as a sequence, row by row."""
        return to_tokens(latents)

    def unpack(self, packed: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """The sequence as a grid again."""
        return to_grid(packed, *self.latent_shape(size)[1:])

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, H, W), about [-1, 1]."""
        return self._codec.decode(latents)

    def sketch(self, latents: torch.Tensor) -> torch.Tensor:
        """A linear map of each latent cell, fitted to the VAE when it is first asked for."""
        return self._codec.sketch(latents)

    def schedule(self, num_inference_steps: int, tokens: int, *, shifted: bool) -> Schedule:
        """FLUX.3 bends its schedule by a constant, whatever the number of tokens."""
        shift = self._shift if shifted else 1.0
        return Schedule(tuple(sigma_schedule(num_inference_steps, shift=shift, shifted=shifted)), shift)

    def velocity_field(
        self,
        conditioning: torch.Tensor,
        *,
        size: tuple[int, int],
        guidance_scale: float,
        references: References | None = None,
    ) -> VelocityField:
        """The transformer's velocity; two-pass guidance unless its scale is 1."""
        assert references is None or isinstance(references, ReferenceTokens), "of another family"
        grid = self.latent_shape(size)[1:]
        return VelocityField(
            self._transformer,
            prompt_embeds=conditioning,
            unconditional=None if guidance_scale == 1 else self.prompts.unconditional,
            position_ids=image_position_ids(*grid, rope_scale=self.entry.image_rope_scale),
            references=references,
            guidance_scale=guidance_scale,
        )

    def talk(
        self,
        messages: Sequence[Message],
        images: Sequence[Image.Image] = (),
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        max_new_tokens: int,
        stop: Stop,
        seed: int | None = None,
    ) -> Talk:
        """Continue a conversation, greedily or as the seed has it."""
        inputs = self.chat.inputs(messages, images, tools)
        return self.chat.continue_from(inputs, max_new_tokens=max_new_tokens, stop=stop, seed=seed)

    def plain(self, text: str) -> str:
        """The text without control tokens."""
        return self.processor.plain(text)

    def _check_parts_fit(self, folder: Path, text_config: object) -> None:
        config = self._transformer.config
        hidden, depth = text_config.hidden_size, text_config.num_hidden_layers  # pyright: ignore
        layers = self.entry.text_encoder_out_layers
        if config.flow_map:
            raise BadCheckpoint(
                f"The model in {folder} is a distilled one (a flow map), which is not supported.",
                stage="load",
                remedy="Use the base model that it was distilled from.",
            )
        if max(layers) > depth or config.joint_attention_dim != hidden * len(layers):
            raise BadCheckpoint(
                f"The transformer in {folder} takes prompt embeds of width {config.joint_attention_dim}, but "
                f"layers {layers} of its text encoder ({depth} layers of width {hidden}) do not make that.",
                stage="load",
            )
