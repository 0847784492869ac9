"""Whatever mode, turn, depth, colours or transparency a picture has, the model is shown what people see."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from flux_runtime.interface import AnswerRequest, EditRequest
from flux_runtime.standard_rgb import standard_rgb

GREEN = (30, 170, 60)  # sRGB


def in_space(profile: bytes, color: tuple[int, int, int] = GREEN) -> Image.Image:
    """A picture of one sRGB colour, written in the numbers of another space that it names."""
    srgb = Image.new("RGB", (8, 8), color)
    theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    image = ImageCms.profileToProfile(srgb, ImageCms.createProfile("sRGB"), theirs)
    assert image is not None
    image.info["icc_profile"] = profile
    return image


def near(image: Image.Image, color: tuple[int, int, int], levels: int = 5) -> bool:
    return bool((np.abs(np.asarray(image, np.int16) - color) <= levels).all())


@pytest.mark.parametrize("space", ["ProPhoto", "Adobe RGB"])
def test_colours_of_a_wide_space_are_the_ones_that_people_see(profiles: dict[str, bytes], space: str) -> None:
    wide = in_space(profiles[space])
    assert not near(wide, GREEN, 15), "the numbers in the file are others"
    image, done = standard_rgb(wide)
    assert near(image, GREEN)
    assert done == {"colors"}


def test_transparent_pixels_keep_their_colours_space_and_and_their_alpha(profiles: dict[str, bytes]) -> None:
    wide = in_space(profiles["ProPhoto"])
    wide.putalpha(128)
    image, done = standard_rgb(wide)
    assert near(image, tuple(round((value + 255) / 2) for value in GREEN))  # pyright: ignore
    assert done == {"colors", "on_white"}


def test_a_grey_picture_with_a_profile_of_its_own_is_converted(profiles: dict[str, bytes]) -> None:
    linear = Image.new("L", (4, 4), 128)
    linear.info["icc_profile"] = profiles["grey of gamma 1"]
    image, done = standard_rgb(linear)
    assert near(image, (188, 188, 188))
    assert done == {"colors"}


def test_an_srgb_profile_leaves_every_pixel_as_it_is() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    tagged = picture.copy()
    tagged.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, done = standard_rgb(tagged)
    assert image.tobytes() == picture.tobytes()
    assert not done


def test_a_profile_that_cannot_be_used_is_left_aside(profiles: dict[str, bytes]) -> None:
    unusable = {
        "empty": b"",
        "text": b"not a profile",
        "cut short": profiles["ProPhoto"][:300],
        "of another space": profiles["grey of gamma 1"],
        "without a curve": profiles["ProPhoto"].replace(b"rTRC", b"xxxx"),
        "LAB": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    }
    for name, profile in unusable.items():
        picture = Image.new("RGB", (4, 4), GREEN)
        picture.info["icc_profile"] = profile
        image, done = standard_rgb(picture)
        assert image.getpixel((0, 0)) == GREEN, name
        assert not done, name


def test_a_photo_on_its_side_is_turned_once() -> None:
    photo = Image.new("RGB", (40, 30), GREEN)
    photo.paste((255, 0, 0), (0, 0, 40, 5))
    photo.getexif()[0x0112] = 6  # to be shown a quarter turn clockwise
    image, done = standard_rgb(photo)
    assert image.size == (30, 40)
    assert image.getpixel((27, 20)) == (255, 0, 0), "what was the top is on the right"
    assert done == {"turned"}
    assert standard_rgb(image) == (image, frozenset())


def palette_with_alpha() -> Image.Image:
    image = Image.new("PA", (4, 4))
    image.putpalette([0, 0, 0])
    image.putalpha(128)
    return image


RED_HALF_CLEAR = Image.new("RGBA", (4, 4), (255, 0, 0, 128))


@pytest.mark.parametrize(
    ("image", "color", "done"),
    [
        (Image.new("1", (4, 4), 1), (255, 255, 255), set()),
        (Image.new("L", (4, 4), 100), (100, 100, 100), set()),
        (Image.new("I;16", (4, 4), 32768), (128, 128, 128), {"depth"}),
        (Image.new("I", (4, 4), 32768), (128, 128, 128), {"depth"}),
        (Image.new("I", (4, 4), 100), (100, 100, 100), {"depth"}),
        (Image.new("I", (4, 4), 2**31 - 1), (255, 255, 255), {"depth"}),
        (Image.new("F", (4, 4), 0.5), (128, 128, 128), {"depth"}),
        (Image.new("F", (4, 4), 100.0), (100, 100, 100), {"depth"}),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), (255, 0, 0), set()),
        (Image.new("RGB", (4, 4), GREEN).convert("YCbCr"), GREEN, set()),
        (Image.new("RGB", (4, 4), GREEN).convert("HSV"), GREEN, set()),
        (Image.new("RGB", (4, 4), GREEN).convert("P", palette=Image.Palette.ADAPTIVE), GREEN, set()),
        (Image.new("RGBX", (4, 4), GREEN), GREEN, set()),
        (RED_HALF_CLEAR, (255, 127, 127), {"on_white"}),
        (RED_HALF_CLEAR.convert("RGBa"), (255, 127, 127), {"on_white"}),
        (Image.new("RGBA", (4, 4), (*GREEN, 255)), GREEN, set()),
        (Image.new("LA", (4, 4), (0, 128)), (127, 127, 127), {"on_white"}),
        (Image.new("LA", (4, 4), (0, 128)).convert("La"), (127, 127, 127), {"on_white"}),
        (palette_with_alpha(), (127, 127, 127), {"on_white"}),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_every_mode_is_seen_as_it_is_meant(image: Image.Image, color: Any, done: set[str]) -> None:
    seen, did = standard_rgb(image)
    assert seen.mode == "RGB"
    assert near(seen, color)
    assert did == done


def test_one_clear_colour_is_white_in_every_mode_that_can_have_one() -> None:
    grey, deep, rgb, palette = (Image.new(mode, (4, 4), 0) for mode in ("L", "I;16", "RGB", "P"))
    deep.putpixel((1, 1), 40_000)
    grey.info["transparency"] = 0
    deep.info["transparency"] = 0
    rgb.info["transparency"] = (0, 0, 0)
    palette.info["transparency"] = b"\0\xff"
    for image in (grey, deep, rgb, palette):
        seen, done = standard_rgb(image)
        assert seen.getpixel((0, 0)) == (255, 255, 255), image.mode
        assert "on_white" in done
    assert standard_rgb(deep).image.getpixel((1, 1)) == (156, 156, 156)


def test_a_picture_that_needs_nothing_is_handed_through() -> None:
    picture = Image.new("RGB", (4, 4), GREEN)
    assert standard_rgb(picture).image is picture


@pytest.mark.parametrize("size", [(1, 1), (8192, 1), (1, 8192)])
def test_the_thinnest_pictures_go_through(size: tuple[int, int]) -> None:
    assert standard_rgb(Image.new("RGBA", size)).image.size == size


def test_requests_take_pictures_through_the_same_door(profiles: dict[str, bytes]) -> None:
    photo = in_space(profiles["ProPhoto"]).resize((8, 4))
    photo.info["icc_profile"] = profiles["ProPhoto"]
    photo.getexif()[0x0112] = 6
    for request in (
        EditRequest(instruction="rain", images=(photo, Image.new("RGBA", (2, 2))), seed=1),
        AnswerRequest(question="what?", images=(photo, Image.new("RGBA", (2, 2)))),
    ):
        upright, clear = request.images
        assert upright.size == (4, 8)
        assert near(upright, GREEN)
        assert near(clear, (255, 255, 255))
