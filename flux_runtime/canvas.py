"""Fit an image of any size onto a size that the model draws, whole, and take it back off again.

Sizes are (width, height). A `Canvas` remembers where the image lies; what is on it is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image

from flux_runtime.errors import BadSize
from flux_runtime.interface import Box

MAX_AREA = 4 * 1024 * 1024
REFERENCE_AREA = 1024 * 1024
"""Pixels of an image that an edit only looks at."""
MIN_SIDE = 64
MAX_SIDE = 4096


@dataclass(frozen=True)
class Canvas:
    """A size the model draws and the box of the source image on it; `source` is the image's own size."""

    size: tuple[int, int]
    box: Box
    source: tuple[int, int]

    def put(self, image: Image.Image) -> Image.Image:
        """Resize to the box and fill the rest with the image's reflection. RGB or grey in, the same out."""
        left, top, right, bottom = self.box
        if image.size != (right - left, bottom - top):
            # A mask must not ring: a pixel it keeps would count as repainted.
            how = Image.Resampling.BOX if image.mode == "L" else Image.Resampling.LANCZOS
            image = image.resize((right - left, bottom - top), how)
        if image.size == self.size:
            return image
        width, height = self.size
        padding = [(top, height - bottom), (left, width - right)]
        if image.mode != "L":
            padding.append((0, 0))
        mode = "reflect" if min(image.size) > 1 else "edge"
        return Image.fromarray(np.pad(np.asarray(image), padding, mode=mode))

    @property
    def resamples(self) -> bool:
        """Whether the image has another size on the canvas than its own, and so comes back less sharp."""
        left, top, right, bottom = self.box
        return self.source != (right - left, bottom - top)

    def take(self, image: Image.Image) -> Image.Image:
        """The part in the box, at the source's own size. RGB or grey in, the same out."""
        if self.box != (0, 0, *self.size):
            image = image.crop(self.box)
        if image.size != self.source:
            # Between two pixels that a mask keeps, there is none that it repaints.
            how = Image.Resampling.BILINEAR if image.mode == "L" else Image.Resampling.LANCZOS
            image = image.resize(self.source, how)
        return image


def canvas_for(
    source: tuple[int, int], sizes: Sequence[tuple[int, int]], grid: int, *, max_area: int = MAX_AREA
) -> Canvas:
    """The canvas for an image of size `source`.

    With declared `sizes`, the one of the nearest aspect ratio, the image scaled up or down to fit. Without,
    as diffusers' `Flux3ImageProcessor` does it for one image: it keeps its size unless its canvas would
    exceed `max_area` or a side 4096, and the canvas is that rounded up to the token grid of `grid` pixels.
    """
    width, height = source
    if sizes:
        size = min(sizes, key=lambda s: (abs(math.log(s[0] / s[1] * height / width)), -s[0] * s[1]))
        scale = min(size[0] / width, size[1] / height)
        fitted = (min(size[0], round(width * scale)) or 1, min(size[1], round(height * scale)) or 1)
    else:
        fitted, size = _rounded_up(source, grid, max_area)
    left, top = (size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2
    return Canvas(size, (left, top, left + fitted[0], top + fitted[1]), source)


def drawing_size(
    width: int | None,
    height: int | None,
    *,
    default: tuple[int, int],
    sizes: Sequence[tuple[int, int]],
    grid: int,
) -> tuple[int, int]:
    """Check a size asked for; a side left out is taken from `default`.

    Raises:
        BadSize: the model does not draw at that size; the remedy names sizes that it does.
    """
    size = (width or default[0], height or default[1])
    if sizes:
        if size not in sizes:
            known = ", ".join(f"{w}x{h}" for w, h in sizes)
            raise BadSize(f"This model does not draw at {size[0]}x{size[1]}.", remedy=f"It draws at {known}.")
    elif any(side % grid or not MIN_SIDE <= side <= MAX_SIDE for side in size) or math.prod(size) > MAX_AREA:
        raise BadSize(
            f"This model does not draw at {size[0]}x{size[1]}.",
            remedy=f"Sides are multiples of {grid}, {MIN_SIDE} to {MAX_SIDE}, at most 4 megapixels in all.",
        )
    return size


def _rounded_up(source: tuple[int, int], grid: int, max_area: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The scaled image's size and its canvas, within the limits on area and side."""
    scale = min(1.0, math.sqrt(max_area / math.prod(source)), MAX_SIDE / max(source))
    while True:
        fitted = cast(tuple[int, int], tuple(max(1, round(side * scale)) for side in source))
        size = cast(
            tuple[int, int], tuple(min(MAX_SIDE, max(MIN_SIDE, -(-side // grid) * grid)) for side in fitted)
        )
        if math.prod(size) <= max_area:
            return fitted, size
        scale *= 0.995
