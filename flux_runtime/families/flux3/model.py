"""The flux3 family: one loaded FLUX.3 that encodes prompts and images, gives velocities, decodes and talks.

It wires unmodified diffusers and transformers classes together and holds no state of any request.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from flux_runtime.catalogue import capabilities_of, read_entry
from flux_runtime.checkpoint import load_part, load_shift, revision_of
from flux_runtime.errors import BadCheckpoint
from flux_runtime.families.flux3.chat_model import ChatModel
from flux_runtime.families.flux3.latents import LatentCodec, image_position_ids, to_tokens
from flux_runtime.families.flux3.processor import VisionLanguageProcessor
from flux_runtime.families.flux3.prompt_encoding import PromptEncoder, PromptTokenizer
from flux_runtime.families.flux3.velocity import References, VelocityField
from flux_runtime.pixels import to_tensor


class Flux3Model:
    """A FLUX.3 model folder, loaded once; `text_encoder` both conditions the drawing and answers.

    Raises:
        BadCheckpoint: the folder is incomplete, its parts do not fit together, or it is a flow-map model.
    """

    def __init__(self, folder: Path, *, device: torch.device, dtype: torch.dtype) -> None:
        self.entry = read_entry(folder)
        self.capabilities = capabilities_of(folder, self.entry)
        self.revision = revision_of(folder)
        self.shift = load_shift(folder)
        self.device, self.dtype = device, dtype
        self.processor = VisionLanguageProcessor.from_pretrained(folder)
        self._transformer = load_part(folder, "transformer", device=device, dtype=dtype)
        self.codec = LatentCodec(load_part(folder, "vae", device=device, dtype=dtype))
        text_encoder = load_part(folder, "text_encoder", device=device, dtype=dtype)
        self._check_parts_fit(folder, text_encoder.config.text_config)
        self.prompts = PromptEncoder(
            text_encoder,
            PromptTokenizer(self.processor, self.entry.text_pad_multiple),
            self.entry.text_encoder_out_layers,
        )
        self.chat = ChatModel(text_encoder, self.processor)

    @property
    def latent_channels(self) -> int:
        """Channels of a packed latent."""
        return self._transformer.config.in_channels

    def references(self, images: Sequence[Image.Image]) -> References:
        """Images whose sides are multiples of the token size, as tokens at l = -1, -2, ..."""
        encoded = [self.codec.encode(to_tensor(image)) for image in images]
        scale = self.entry.image_rope_scale
        return References(
            torch.cat([to_tokens(latents) for latents in encoded], dim=1),
            torch.cat(
                [
                    image_position_ids(*latents.shape[-2:], rope_scale=scale, image=number)
                    for number, latents in enumerate(encoded, start=1)
                ]
            ),
        )

    def velocity_field(
        self,
        prompt_embeds: torch.Tensor,
        *,
        grid: tuple[int, int],
        guidance_scale: float,
        references: References | None = None,
    ) -> VelocityField:
        """The velocity of (height, width) = `grid` image tokens; two-pass guidance unless its scale is 1."""
        return VelocityField(
            self._transformer,
            prompt_embeds=prompt_embeds,
            unconditional=None if guidance_scale == 1 else self.prompts.unconditional,
            position_ids=image_position_ids(*grid, rope_scale=self.entry.image_rope_scale),
            references=references,
            guidance_scale=guidance_scale,
        )

    def _check_parts_fit(self, folder: Path, text_config: object) -> None:
        config = self._transformer.config
        hidden, depth = text_config.hidden_size, text_config.num_hidden_layers  # pyright: ignore
        layers = self.entry.text_encoder_out_layers
        if config.flow_map:
            raise BadCheckpoint(f"The model in {folder} is a flow map, which is not supported.", stage="load")
        if max(layers) > depth or config.joint_attention_dim != hidden * len(layers):
            raise BadCheckpoint(
                f"The transformer in {folder} takes prompt embeds of width {config.joint_attention_dim}, but "
                f"layers {layers} of its text encoder ({depth} layers of width {hidden}) do not make that.",
                stage="load",
            )
