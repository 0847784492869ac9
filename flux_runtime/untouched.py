"""What an edit left alone, found by comparing pictures, so that it can stay the source's own pixels.

The VAE alone changes every pixel a little, and a picture larger than the model's canvas comes back blurred.
What the edit drew is compared with the source as it went through the same VAE, so that this is no change.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_propagation, uniform_filter

_STRONG, _WEAK = 24, 10
"""Levels, as means over a neighbourhood. The model redraws what it keeps within 10 (measured on pocket: the
median is 4, 9 of 10 pixels within 15); what it changes, it changes by more than 24 somewhere."""
_NEIGHBOURHOOD = 5
_MARGIN = 32
"""What changed is taken with a margin of a 32nd of the canvas, in which it is blended in."""
_MOST = 0.5
"""If more than this share changed, patches of the old picture would only stand out in the new one."""


def changed_mask(reconstructed: Image.Image, edited: Image.Image) -> Image.Image | None:
    """Where an edit changed a picture: 255, with a margin; 0 is untouched.

    Args:
        reconstructed: the source after it was encoded and decoded, or the sketch of its latents.
        edited: what the model made of it, or that sketch, of the same size.

    Returns:
        A mask (L) of their size, or None if so much changed that the picture has to be used as a whole.
    """
    before, after = (np.asarray(image, np.float32) for image in (reconstructed, edited))
    difference = uniform_filter(np.abs(after - before).max(axis=-1), _NEIGHBOURHOOD)
    changed = binary_propagation(difference > _STRONG, mask=difference > _WEAK)
    margin = max(1, max(edited.size) // _MARGIN)
    changed = binary_dilation(changed, np.ones((3, 3), bool), iterations=margin)
    if changed.mean() > _MOST:
        return None
    return Image.fromarray(changed.astype(np.uint8) * 255)


def share_kept(mask: Image.Image) -> float:
    """Share of the pixels that a mask leaves alone, 0 to 1."""
    return float((np.asarray(mask) == 0).mean())
