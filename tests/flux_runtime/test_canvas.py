"""Images of any size lie whole on a size the model draws, and come back at their own size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from flux_runtime.canvas import REFERENCE_AREA, canvas_for, drawing_size
from flux_runtime.errors import BadSize

SIZES = ((256, 256), (320, 192), (192, 320))


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((256, 256), (256, 256)),
        ((1000, 990), (256, 256)),
        ((1600, 900), (320, 192)),
        ((30, 50), (192, 320)),
        ((5000, 10), (320, 192)),
        ((1, 1), (256, 256)),
    ],
)
def test_the_declared_size_of_nearest_aspect_is_taken(source: tuple[int, int], size: tuple[int, int]) -> None:
    canvas = canvas_for(source, SIZES, 32)
    assert canvas.size == size
    left, top, right, bottom = canvas.box
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert (right - left == size[0]) or (bottom - top == size[1]), "the image fills one side"


@pytest.mark.parametrize("source", [(256, 256), (90, 70), (1600, 900), (3, 200), (1, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_is_put_on_comes_back_at_its_own_size(source: tuple[int, int], mode: str) -> None:
    image = Image.linear_gradient("L").resize(source).convert(mode)
    for sizes in (SIZES, ()):
        canvas = canvas_for(source, sizes, 16)
        laid = canvas.put(image)
        assert (laid.size, laid.mode) == (canvas.size, mode)
        assert canvas.take(laid).size == source


def test_an_image_of_a_declared_size_is_untouched(noise_image: Callable[..., Image.Image]) -> None:
    image = noise_image(1, 256, 256)
    canvas = canvas_for(image.size, SIZES, 32)
    assert canvas.take(canvas.put(image)).tobytes() == image.tobytes()


def test_without_declared_sizes_the_image_keeps_its_pixels(noise_image: Callable[..., Image.Image]) -> None:
    image = noise_image(1, 90, 70)
    canvas = canvas_for(image.size, (), 16)
    assert canvas.size == (96, 80)
    assert canvas.take(canvas.put(image)).tobytes() == image.tobytes()


def test_a_huge_image_is_scaled_to_four_megapixels() -> None:
    canvas = canvas_for((9000, 6000), (), 32)
    assert canvas.size[0] * canvas.size[1] <= 4 * 1024 * 1024
    assert max(canvas.size) <= 4096


def test_an_image_that_is_only_looked_at_is_scaled_to_one_megapixel() -> None:
    canvas = canvas_for((3000, 2000), (), 16, max_area=REFERENCE_AREA)
    assert 900_000 < canvas.size[0] * canvas.size[1] <= 1024 * 1024


def test_a_mask_does_not_ring_when_it_is_scaled() -> None:
    mask = Image.new("L", (1000, 1000), 0)
    mask.paste(255, (500, 0, 1000, 1000))
    laid = np.asarray(canvas_for(mask.size, SIZES, 32).put(mask))
    assert (laid[:, :127] == 0).all()
    assert (laid[:, 129:] == 255).all()


def test_a_size_asked_for_must_be_one_the_model_draws() -> None:
    assert drawing_size(None, None, default=(256, 256), sizes=SIZES, grid=32) == (256, 256)
    assert drawing_size(320, 192, default=(256, 256), sizes=SIZES, grid=32) == (320, 192)
    with pytest.raises(BadSize, match=r"320x192"):
        drawing_size(100, 100, default=(256, 256), sizes=SIZES, grid=32)
    assert drawing_size(128, None, default=(256, 96), sizes=(), grid=32) == (128, 96)
    for width, height in ((100, 96), (32, 96), (8192, 64), (4096, 4096)):
        with pytest.raises(BadSize, match="multiples of 32"):
            drawing_size(width, height, default=(256, 256), sizes=(), grid=32)
