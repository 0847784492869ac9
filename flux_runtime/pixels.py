"""PIL images to tensors and back, and edits laid over their source so that the rest keeps its bytes.

Tensors are (B, 3, H, W) float32 in [-1, 1]. A region becomes a grey mask here: 0 keeps, 255 repaints.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_cdt

from flux_runtime.errors import BadMask
from flux_runtime.interface import Region

FEATHER_SHARE, MIN_FEATHER, MAX_FEATHER = 64, 4, 16
"""A region's inner edge is feathered over a 64th of the image's longer side, but 4 to 16 pixels."""


def to_tensor(image: Image.Image) -> torch.Tensor:
    """(1, 3, H, W) float32 in [-1, 1] from an RGB image."""
    array = np.asarray(image.convert("RGB"), dtype=np.float32) / 255.0
    return torch.from_numpy(array).permute(2, 0, 1)[None] * 2.0 - 1.0


def to_image(pixels: torch.Tensor) -> Image.Image:
    """An RGB image from (3, H, W) in [-1, 1]; what lies outside is clipped."""
    array = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray((array * 255).round().astype(np.uint8))


def region_mask(region: Region, size: tuple[int, int]) -> Image.Image:
    """The region as an 8-bit mask of the source's size (width, height): 0 keeps, more repaints.

    Raises:
        BadMask: the mask has another size or mode, or nothing of the image is in the region.
    """
    width, height = size
    if region.mask is not None:
        if region.mask.size != size:
            got = "x".join(map(str, region.mask.size))
            raise BadMask(
                f"The mask is {got}, the image {width}x{height}.", remedy="Give them the same size."
            )
        if region.mask.mode not in ("L", "1"):
            raise BadMask(
                f"The mask is an image of mode {region.mask.mode}.",
                remedy="Give 8-bit grey (mode L): 0 keeps, more repaints.",
            )
        mask = region.mask.convert("L")
    else:
        assert region.box is not None
        x0, y0, x1, y1 = region.box
        mask = Image.new("L", size, 0)
        inside = (max(x0, 0), max(y0, 0), min(x1, width) - 1, min(y1, height) - 1)
        if inside[2] < inside[0] or inside[3] < inside[1]:
            raise BadMask(
                f"The box {region.box} lies outside the image.",
                remedy=f"The image is {width} pixels wide and {height} high.",
            )
        ImageDraw.Draw(mask).rectangle(inside, fill=255)
    if region.outside:
        mask = ImageChops.invert(mask)
    if mask.getextrema() == (0, 0):
        raise BadMask("The region is empty: nothing could change.", remedy="Mark what should change.")
    return mask


def token_mask(mask: Image.Image, token_size: int) -> torch.Tensor:
    """(1, L, 1) bool, True for every token of `token_size` pixels with anything to repaint in it."""
    array = torch.from_numpy(np.asarray(mask) > 0)
    cells = array.unflatten(1, (-1, token_size)).unflatten(0, (-1, token_size))  # (h, t, w, t)
    return cells.amax(dim=(1, 3)).view(1, -1, 1)


def laid_over(source: Image.Image, edited: Image.Image, mask: Image.Image) -> Image.Image:
    """`edited` where the mask allows, the very bytes of `source` where the mask is 0.

    The inner edge of the region is feathered; outside, nothing is touched. All three have the same size.
    """
    weight = _feathered(mask)[..., None]
    old = np.asarray(source.convert("RGB"), dtype=np.float32)
    new = np.asarray(edited.convert("RGB"), dtype=np.float32)
    return Image.fromarray((old + weight * (new - old)).round().astype(np.uint8))


def share_changed_outside(source: Image.Image, result: Image.Image, mask: Image.Image) -> float:
    """Share of the pixels where the mask is 0 that differ between two images, 0 to 1; 0 if there are none."""
    outside = np.asarray(mask) == 0
    differs = (np.asarray(source.convert("RGB")) != np.asarray(result.convert("RGB"))).any(axis=-1)
    return float(differs[outside].mean()) if outside.any() else 0.0


def _feathered(mask: Image.Image) -> np.ndarray:
    """(H, W) float32 weights in [0, 1], 0 wherever the mask is 0: full only some pixels inside the edge.

    A stroke too thin to get that deep is full along its middle, whatever else is marked. Distances count
    diagonal steps as one; the border of the image is no edge.
    """
    grey = np.asarray(mask)
    weights = np.asarray(mask, np.float32) / 255
    box = mask.getbbox()
    if box is None or grey.all():
        return weights
    # All that matters is the marked part and the unmarked pixels around it.
    near = (slice(max(box[1] - 1, 0), box[3] + 1), slice(max(box[0] - 1, 0), box[2] + 1))
    rounds = min(max(max(mask.size) // FEATHER_SHARE, MIN_FEATHER), MAX_FEATHER)
    depth = np.minimum(_steps_to_false(grey[near] > 0), rounds).astype(np.uint8)
    ahead = np.asarray(Image.fromarray(depth).filter(ImageFilter.MaxFilter(3)))
    # The middle is where no step leads deeper in.
    to_middle = _steps_to_false((depth == 0) | (ahead > depth))
    weights[near] *= depth / np.maximum(depth + to_middle, np.float32(1))
    return weights


def _steps_to_false(array: np.ndarray) -> np.ndarray:
    """(H, W) int: how many steps each pixel is from the nearest False."""
    return cast(np.ndarray, distance_transform_cdt(array, "chessboard"))
