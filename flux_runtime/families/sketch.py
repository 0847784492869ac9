"""Latents to a small, rough picture without their decoder: each latent cell becomes a few pixels, linearly.

The map is fitted once per loaded VAE, by least squares, to what its decoder makes of a few drawn pictures.
It costs a thousandth of a decode and shows what is where and in which colours: what a preview is for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

Decoder = Callable[[torch.Tensor], torch.Tensor]

PICTURES, PICTURE_SIDE, SHAPES = 4, 256, 24
"""What the map is fitted to: pictures of so many pixels a side, with so many shapes each."""
RIDGE = 1e-3
"""Of the channels' mean variance; keeps channels that the pictures hardly use from shouting."""


@dataclass(frozen=True)
class Sketch:
    """The linear map: `weight` (C, 3 * side * side), `mean` (C,) of latents and `bias` of pixels."""

    mean: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    side: int
    """Pixels a side that each cell becomes."""

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (1, 3, h * side, w * side), about [-1, 1], of latents (1, C, h, w)."""
        height, width = latents.shape[-2:]
        patches = (_cells(latents) - self.mean) @ self.weight + self.bias
        return F.fold(patches.T[None], (height * self.side, width * self.side), self.side, stride=self.side)


def fit_sketch(encode: Decoder, decode: Decoder) -> Sketch:
    """Fit the map to a VAE: `encode` makes latents (1, C, h, w) of pixels (1, 3, H, W), `decode` the reverse.

    A cell becomes half as many pixels a side as it has in the image.
    """
    cells: list[torch.Tensor] = []
    patches: list[torch.Tensor] = []
    side = 1
    for number in range(PICTURES):
        latents = encode(_drawn_picture(number))
        pixels = decode(latents).float()
        side = max(1, pixels.shape[-1] // latents.shape[-1] // 2)
        small = F.adaptive_avg_pool2d(pixels, (latents.shape[-2] * side, latents.shape[-1] * side))
        cells.append(_cells(latents))
        patches.append(F.unfold(small, side, stride=side)[0].T)
    inputs, targets = torch.cat(cells).double(), torch.cat(patches).double()
    mean, bias = inputs.mean(0), targets.mean(0)
    centred = inputs - mean
    gram = centred.T @ centred
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram + ridge, centred.T @ (targets - bias))
    return Sketch(mean.float(), weight.float(), bias.float(), side)


def _cells(latents: torch.Tensor) -> torch.Tensor:
    """(h * w, C) float32, row by row."""
    return latents[0].float().flatten(1).T


def _drawn_picture(seed: int) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1]: a plain ground with boxes and ellipses of many sizes and colours."""
    rng = random.Random(seed)

    def color() -> tuple[int, int, int]:
        return rng.randrange(256), rng.randrange(256), rng.randrange(256)

    image = Image.new("RGB", (PICTURE_SIDE, PICTURE_SIDE), color())
    draw = ImageDraw.Draw(image)
    for number in range(SHAPES):
        x, y, radius = rng.randrange(PICTURE_SIDE), rng.randrange(PICTURE_SIDE), 2 ** rng.randint(2, 6)
        box = (x - radius, y - radius, x + radius * rng.uniform(0.5, 2), y + radius * rng.uniform(0.5, 2))
        (draw.ellipse if number % 2 else draw.rectangle)(box, fill=color())
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32))
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1
