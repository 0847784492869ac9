"""Pixels to the model's latents and back, and where latents lie: the VAE, 2x2 packing, position ids.

Latents are (B, 4 * C, h, w), packed 2x2 and normalised by the VAE's batch-norm statistics; tokens are the
same as a sequence (B, h * w, 4 * C). Knows nothing of noise or text.
"""

from __future__ import annotations

from functools import cached_property

import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

from flux_runtime.families.sketch import Sketch, fit_sketch


class LatentCodec:
    """The VAE with what surrounds it in FLUX.2 and FLUX.3. `token_size` is the side of a token in pixels."""

    def __init__(self, vae: AutoencoderKLFlux2) -> None:
        # Convolutions run a third faster on a CPU in this layout; the result is the same to rounding.
        self._vae = vae.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.token_size = 2 * 2 ** (len(vae.config["block_out_channels"]) - 1)
        assert isinstance(vae.bn.running_mean, torch.Tensor)
        assert isinstance(vae.bn.running_var, torch.Tensor)
        self._mean = vae.bn.running_mean.view(1, -1, 1, 1).to(vae.dtype)
        self._std = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config["batch_norm_eps"]).to(
            vae.dtype
        )

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents (B, 4 * C, H / token_size, W / token_size) of pixels (B, 3, H, W) in [-1, 1]."""
        return (pack_2x2(self._encode(pixels)) - self._mean) / self._std

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, H, W), about [-1, 1], of latents (B, 4 * C, h, w)."""
        return self._decode(self._unpacked(latents))

    def sketch(self, latents: torch.Tensor) -> torch.Tensor:
        """The same at a quarter of the pixels or fewer and roughly, in a thousandth of the time."""
        return self._sketch(self._unpacked(latents))

    @cached_property
    def _sketch(self) -> Sketch:
        return fit_sketch(self._encode, self._decode)

    def _unpacked(self, latents: torch.Tensor) -> torch.Tensor:
        """The VAE's own latents (B, C, 2 * h, 2 * w)."""
        return unpack_2x2(latents.to(self._vae.device, self._vae.dtype) * self._std + self._mean)

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(self._vae.device, self._vae.dtype, memory_format=torch.channels_last)
        return self._vae.encode(pixels).latent_dist.mode()  # pyright: ignore

    def _decode(self, unpacked: torch.Tensor) -> torch.Tensor:
        unpacked = unpacked.contiguous(memory_format=torch.channels_last)
        return self._vae.decode(unpacked, return_dict=False)[0]  # pyright: ignore


def pack_2x2(latents: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) to (B, 4 * C, h / 2, w / 2)."""
    b, c, h, w = latents.shape
    return (
        latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, c * 4, h // 2, w // 2)
    )


def unpack_2x2(latents: torch.Tensor) -> torch.Tensor:
    """(B, 4 * C, h, w) to (B, C, 2 * h, 2 * w)."""
    b, c, h, w = latents.shape
    return latents.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, h * 2, w * 2)


def to_tokens(latents: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) to (B, h * w, C), row by row."""
    return latents.flatten(2).transpose(1, 2)


def to_grid(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(B, height * width, C) to (B, C, height, width)."""
    return tokens.transpose(1, 2).unflatten(2, (height, width))


def image_position_ids(height: int, width: int, *, rope_scale: float, image: int = 0) -> torch.Tensor:
    """(height * width, 4) float32 position ids (t, h, w, l) of an image's tokens.

    `image` 0 is the one being drawn; reference images count 1, 2, ... and lie at l = -1, -2, ...
    """
    ids = torch.zeros(height, width, 4)
    ids[..., 1] = torch.arange(height)[:, None] * rope_scale
    ids[..., 2] = torch.arange(width)[None, :] * rope_scale
    ids[..., 3] = -image
    return ids.view(-1, 4)


def text_position_ids(length: int) -> torch.Tensor:
    """(length, 4) float32 position ids of text tokens: they advance along l."""
    ids = torch.zeros(length, 4)
    ids[:, 3] = torch.arange(length)
    return ids
