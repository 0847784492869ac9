"""Regions keep what lies outside of them to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from flux_runtime.errors import BadMask
from flux_runtime.interface import Region
from flux_runtime.pixels import (
    laid_over,
    region_mask,
    share_changed_outside,
    to_image,
    to_tensor,
    token_mask,
)

MakeImage = Callable[..., Image.Image]


def test_pixels_survive_the_way_to_a_tensor_and_back(noise_image: MakeImage) -> None:
    image = noise_image(1, 40, 24)
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 24, 40)
    assert tensor.min() >= -1
    assert tensor.max() <= 1
    assert to_image(tensor[0]).tobytes() == image.tobytes()


def test_a_box_is_half_open_and_clipped_to_the_image() -> None:
    mask = np.asarray(region_mask(Region(box=(-5, 2, 3, 4)), (10, 8)))
    assert mask.sum() == 255 * 3 * 2
    assert (mask[2:4, 0:3] == 255).all()


def test_outside_turns_a_region_around() -> None:
    mask = np.asarray(region_mask(Region(box=(0, 0, 3, 8), outside=True), (10, 8)))
    assert (mask[:, :3] == 0).all()
    assert (mask[:, 3:] == 255).all()


@pytest.mark.parametrize(
    "region",
    [
        Region(box=(20, 0, 30, 8)),
        Region(box=(0, 0, 10, 8), outside=True),
        Region(mask=Image.new("L", (10, 8), 0)),
        Region(mask=Image.new("L", (8, 10), 255)),
        Region(mask=Image.new("RGBA", (10, 8), "white")),
    ],
)
def test_a_region_that_cannot_be_used_is_refused(region: Region) -> None:
    with pytest.raises(BadMask):
        region_mask(region, (10, 8))


def _masks() -> dict[str, Image.Image]:
    stroke = Image.new("L", (96, 64), 0)
    ImageDraw.Draw(stroke).line((0, 0, 95, 63), fill=255, width=2)
    dot = Image.new("L", (96, 64), 0)
    dot.putpixel((50, 30), 255)
    grey = Image.linear_gradient("L").resize((96, 64))
    box = Image.new("L", (96, 64), 0)
    box.paste(255, (20, 10, 70, 50))
    return {"stroke": stroke, "dot": dot, "grey": grey, "box": box, "all": Image.new("L", (96, 64), 255)}


@pytest.mark.parametrize("name", _masks())
def test_where_the_mask_is_zero_every_byte_stays(noise_image: MakeImage, name: str) -> None:
    mask = _masks()[name]
    source, edited = noise_image(1, 96, 64), noise_image(2, 96, 64)
    result = laid_over(source, edited, mask)
    keep = np.asarray(mask) == 0
    assert np.array_equal(np.asarray(result)[keep], np.asarray(source)[keep])
    assert share_changed_outside(source, result, mask) == 0
    assert np.asarray(result)[~keep].tobytes() != np.asarray(source)[~keep].tobytes(), "inside it changed"


def test_the_middle_of_a_region_is_the_edit_and_its_edge_is_feathered(noise_image: MakeImage) -> None:
    source, edited = Image.new("RGB", (96, 64), "black"), Image.new("RGB", (96, 64), "white")
    row = np.asarray(laid_over(source, edited, _masks()["box"]))[30, :, 0]
    assert (row[26:64] == 255).all()
    assert 0 < row[20] < row[21] < row[22] < 255


def test_a_thin_stroke_gets_all_of_the_edit_beside_a_large_region_too() -> None:
    source, edited = Image.new("RGB", (96, 64), "black"), Image.new("RGB", (96, 64), "white")
    mask = _masks()["box"]
    mask.paste(255, (80, 5, 83, 60))
    row = np.asarray(laid_over(source, edited, mask))[30, :, 0]
    assert row[81] == 255
    assert 0 < row[80] < 255


def test_a_slanted_or_round_edge_is_feathered_from_next_to_nothing_all_along() -> None:
    source, edited = Image.new("RGB", (512, 512), "black"), Image.new("RGB", (512, 512), "white")
    mask = Image.new("L", (512, 512), 0)
    ImageDraw.Draw(mask).ellipse((60, 40, 300, 240), fill=255)
    ImageDraw.Draw(mask).polygon([(250, 480), (480, 250), (480, 480)], fill=255)
    result = np.asarray(laid_over(source, edited, mask))[..., 0]
    beside = np.asarray(mask.filter(ImageFilter.MinFilter(3))) == 0
    assert np.median(result[(np.asarray(mask) > 0) & beside]) == pytest.approx(255 / 8, abs=1)
    assert (result[100:180, 120:240] == 255).all()


def test_a_region_that_reaches_the_border_of_the_image_is_not_feathered_there() -> None:
    source, edited = Image.new("RGB", (96, 64), "black"), Image.new("RGB", (96, 64), "white")
    assert np.asarray(laid_over(source, edited, _masks()["all"])).min() == 255


def test_changes_outside_are_counted(noise_image: MakeImage) -> None:
    source = noise_image(1, 96, 64)
    mask = _masks()["box"]
    result = source.copy()
    result.putpixel((0, 0), tuple(255 - value for value in source.getpixel((0, 0))))  # pyright: ignore
    result.putpixel((30, 30), (1, 2, 3))
    assert share_changed_outside(source, result, mask) == pytest.approx(1 / (96 * 64 - 50 * 40))


def test_a_token_with_anything_to_repaint_is_repainted() -> None:
    mask = Image.new("L", (32, 16), 0)
    mask.putpixel((17, 3), 1)
    expected = torch.zeros(2, 4, dtype=torch.bool)
    expected[0, 2] = True
    assert torch.equal(token_mask(mask, 8), expected.view(1, -1, 1))
