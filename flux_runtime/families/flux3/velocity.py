"""The velocity of `Flux3Transformer2DModel`, with all that does not depend on the step computed once a turn.

Same modules, same numbers as calling the transformer at every step, only not twice: the text and reference
streams run through their own blocks once, modulation is computed for one row instead of for every (equal)
row, and the image's own blocks, which never see text, serve both passes of classifier-free guidance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_flux3 import Flux3Transformer2DModel

from flux_runtime.families.latents import text_position_ids
from flux_runtime.flow_matching import guided_velocity

Rotary = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class ReferenceTokens:
    """Reference images as tokens (1, L, C) and their position ids (L, 4), all images one after another.

    `source` are the tokens of the first image alone.
    """

    source: torch.Tensor
    tokens: torch.Tensor
    position_ids: torch.Tensor


@dataclass(frozen=True)
class _Pass:
    """Text (B, T, D) after its own blocks, and the rotary embedding of text and content tokens."""

    text: torch.Tensor
    rotary: Rotary


class VelocityField:
    """Velocity of the image tokens at (x, sigma) for fixed prompts, references and guidance.

    Args:
        transformer: a base (not flow-map) transformer.
        prompt_embeds: (1, T, E).
        unconditional: (1, T', E) for classifier-free guidance; None for a single pass.
        position_ids: (L, 4) of the image tokens.
        references: images to look at, or None.
        guidance_scale: only used with `unconditional`.
    """

    def __init__(
        self,
        transformer: Flux3Transformer2DModel,
        *,
        prompt_embeds: torch.Tensor,
        unconditional: torch.Tensor | None,
        position_ids: torch.Tensor,
        references: ReferenceTokens | None,
        guidance_scale: float,
    ) -> None:
        self._net: Any = transformer
        self._device, self._dtype = transformer.device, transformer.dtype
        self._guidance_scale = guidance_scale
        self._guided = unconditional is not None
        still = F.silu(self._time_embedding(0.0))
        self._text_mod = self._net.single_stream_modulations["txt"](still)
        self._image_rotary = self._rotary(position_ids)
        content_rotary = self._image_rotary
        self._reference_stream: torch.Tensor | None = None
        if references is not None:
            rotary = self._rotary(references.position_ids)
            self._reference_stream = self._own_blocks("image_cond", references.tokens, still, rotary)
            self._reference_mod = self._net.single_stream_modulations["image_cond"](still)
            content_rotary = _joined(content_rotary, rotary)
        prompts = [prompt_embeds] if unconditional is None else [prompt_embeds, unconditional]
        if len(prompts) == 2 and prompts[0].shape == prompts[1].shape:
            prompts = [torch.cat(prompts)]
        self._passes = [self._text_pass(prompt, still, content_rotary) for prompt in prompts]

    def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Velocity (1, L, C) in x's dtype at image tokens x (1, L, C) and noise level sigma in [0, 1]."""
        time = self._time_embedding(sigma)
        image = self._own_blocks("image", x, F.silu(time), self._image_rotary)
        modulation = self._net.single_stream_modulations["image"](F.silu(time))
        length = image.shape[1]
        if self._reference_stream is not None:
            image = torch.cat([image, self._reference_stream], dim=1)
            modulation = torch.cat(
                [
                    modulation.expand(-1, length, -1),
                    self._reference_mod.expand(-1, self._reference_stream.shape[1], -1),
                ],
                dim=1,
            )
        velocities = torch.cat([self._joint(run, image, modulation, time, length) for run in self._passes])
        velocities = velocities.to(x.dtype)
        if self._guided:
            return guided_velocity(velocities[:1], velocities[1:], self._guidance_scale)
        return velocities

    def _joint(
        self, run: _Pass, image: torch.Tensor, modulation: torch.Tensor, time: torch.Tensor, length: int
    ) -> torch.Tensor:
        text, content = run.text, image.expand(run.text.shape[0], -1, -1)
        for block in self._net.single_transformer_blocks:
            text, content = block(
                hidden_states=content,
                encoder_hidden_states=text,
                temb_mod=modulation,
                temb_mod_context=self._text_mod,
                image_rotary_emb=run.rotary,
            )
        return self._net.proj_out(self._net.norm_out(content[:, :length], time))

    def _text_pass(self, prompt: torch.Tensor, still: torch.Tensor, content_rotary: Rotary) -> _Pass:
        rotary = self._rotary(text_position_ids(prompt.shape[1]))
        text = self._net.context_embedder(prompt.to(self._device, self._dtype))
        modulation = self._net.early_stream_modulations["txt"](still)
        for block in self._net.txt_mode_blocks:
            text = block(text, modulation, rotary)
        return _Pass(text, _joined(rotary, content_rotary))

    def _own_blocks(
        self, mode: str, tokens: torch.Tensor, time: torch.Tensor, rotary: Rotary
    ) -> torch.Tensor:
        stream = self._net.x_embedders[mode](tokens.to(self._device, self._dtype))
        modulation = self._net.early_stream_modulations[mode](time)
        for block in self._net.mode_blocks[mode]:
            stream = block(stream, modulation, rotary)
        return stream

    def _time_embedding(self, sigma: float) -> torch.Tensor:
        """(1, 1, D), before its activation. The network is fed sigma times 1000."""
        timestep = torch.full((1,), sigma, device=self._device, dtype=self._dtype) * 1000
        return self._net.timestep_embedder(self._net.time_proj(timestep).to(self._dtype))[:, None]

    def _rotary(self, position_ids: torch.Tensor) -> Rotary:
        return self._net.pos_embed(position_ids.to(self._device))


def _joined(first: Rotary, second: Rotary) -> Rotary:
    return torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])
