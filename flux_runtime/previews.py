"""Small pictures of what a drawing is going to be, cheap enough to be shown on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from PIL import Image

from flux_runtime.canvas import Canvas
from flux_runtime.families.protocol import Family
from flux_runtime.pixels import to_image

PREVIEW_SIDE = 256
"""The most pixels of a preview's longer side."""

Preview = Callable[[torch.Tensor], Image.Image]
"""Makes a picture of estimated latents (1, C, h, w)."""


def preview_steps(previews: int, of: int) -> frozenset[int]:
    """The steps (from 1, never the last) after which one of so many previews is shown.

    They lie evenly, the first a fifth of the way, because before that there is little to see.
    """
    wanted = (max(1, int(of * (0.2 + 0.8 * number / previews))) for number in range(previews))
    return frozenset(step for step in wanted if step < of)


def preview_of_drawing(model: Family) -> Preview:
    """Previews of a picture drawn from words."""

    def preview(latents: torch.Tensor) -> Image.Image:
        image = to_image(model.sketch(latents)[0])
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        return image

    return preview


def sketched(model: Family, latents: torch.Tensor, size: tuple[int, int]) -> Image.Image:
    """What latents show, roughly: enough to see where two differ, for a thousandth of a decode."""
    return to_image(model.sketch(latents)[0]).resize(size, Image.Resampling.BILINEAR)


class PreviewOfEdit:
    """Previews of an edited picture, with its proportions; `mask` is 0 where the source stays."""

    def __init__(self, model: Family, canvas: Canvas, source: Image.Image, mask: Image.Image | None) -> None:
        self._model, self._canvas = model, canvas
        self._source, self._mask = source, mask

    def __call__(self, latents: torch.Tensor) -> Image.Image:
        sketch = to_image(self._model.sketch(latents)[0])
        scale = sketch.width / self._canvas.size[0]
        left, top, right, bottom = (side * scale for side in self._canvas.box)
        edited = sketch.resize(self._size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
        return Image.composite(edited, *self._kept) if self._kept else edited

    @property
    def _size(self) -> tuple[int, int]:
        width, height = self._source.size
        shrink = min(1.0, PREVIEW_SIDE / max(width, height))
        return max(1, round(width * shrink)), max(1, round(height * shrink))

    @cached_property
    def _kept(self) -> tuple[Image.Image, Image.Image] | None:
        """Source and mask in the preview's size: a photo is made smaller once for all previews."""
        if self._mask is None:
            return None
        source = self._source.resize(self._size, Image.Resampling.BOX, reducing_gap=2.0)
        return source, self._mask.resize(self._size, Image.Resampling.BOX, reducing_gap=2.0)
