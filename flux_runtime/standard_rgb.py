"""The one door for pictures that come from outside: any PIL image in, upright opaque 8-bit sRGB out.

Uploads, requests and the Python facade all go through it, so that a picture means the same to each of them.
It goes by pixels and by what the file said of them, reads no file, and needs nothing but Pillow.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from PIL import Image, ImageChops, ImageCms, ImageMath, ImageOps

Treatment = Literal["turned", "depth", "colors", "on_white"]
"""What was done to a picture: turned upright as its EXIF says, channels of other than 8 bits brought to 8,
colours of another space converted to sRGB, see-through parts laid on white."""

_ORIENTATION = 0x0112
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""PIL modes and what ICC calls the same."""
_SAME = 2
"""A profile that moves no colour by more levels than this is sRGB in another hand: nothing is converted."""
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


class StandardRgb(NamedTuple):
    """An RGB image without metadata, and what was done to it. The door leaves such an image as it is."""

    image: Image.Image
    done: frozenset[Treatment]


def standard_rgb(image: Image.Image) -> StandardRgb:
    """Make an image what people see when they look at its file.

    Args:
        image: of any mode that Pillow converts. A colour profile that is broken, or of another kind than the
            pixels, is left aside, as browsers do.

    Raises:
        ValueError: Pillow knows no way from the image's mode to RGB.
    """
    image, turned = _upright(image)
    profile, alpha = image.info.get("icc_profile"), _alpha(image)
    picture, deep = _eight_bits(_opaque(image))
    picture, moved = _srgb(picture, profile)
    if alpha is not None and alpha.getextrema() == (255, 255):
        alpha = None
    if alpha is not None:
        picture = Image.composite(picture, Image.new("RGB", picture.size, "white"), alpha)
    steps: tuple[tuple[Treatment, bool], ...] = (
        ("turned", turned),
        ("depth", deep),
        ("colors", moved),
        ("on_white", alpha is not None),
    )
    return StandardRgb(_bare(picture), frozenset(name for name, happened in steps if happened))


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    try:
        turned = image.getexif().get(_ORIENTATION) in range(2, 9)
        return (ImageOps.exif_transpose(image) if turned else image), turned
    except Exception:  # Pillow raises anything for a broken EXIF block, which says nothing of the pixels
        return image, False


def _alpha(image: Image.Image) -> Image.Image | None:
    """How opaque each pixel is (L), or None if the image has no such thing."""
    if not image.has_transparency_data:
        return None
    clear = image.info.get("transparency")
    if image.mode.startswith("I") and isinstance(clear, int):  # one grey of 16 bits is the clear one
        return ImageMath.lambda_eval(
            lambda args: args["convert"]((args["grey"] != clear) * 255, "L"), grey=image.convert("I")
        )
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA").getchannel("A")


def _opaque(image: Image.Image) -> Image.Image:
    """The colours alone, in a mode that a profile can speak of, or one of more than 8 bits."""
    if image.mode in ("1", "La"):
        image = image.convert("L" if image.mode == "1" else "LA")
    if image.mode == "LA":
        return image.getchannel("L")
    if image.mode in ("L", "CMYK", "F") or image.mode.startswith("I"):
        return image
    if image.mode in ("P", "PA", "RGBa"):
        image = image.convert("RGBA")
    return _rgb(image)


def _eight_bits(image: Image.Image) -> tuple[Image.Image, bool]:
    """Greys of 16 bits and more as 8: Pillow itself would clip them at 255.

    It does not say what the white of mode I and F is. We take the least of 1 (F only), 255 and 65535 that no
    pixel exceeds; what exceeds them all is white.
    """
    if image.mode != "F" and not image.mode.startswith("I"):
        return image, False
    if image.mode.startswith("I;16"):
        white, image = 65535, image.convert("I")
    else:
        highest: Any = image.getextrema()[1]
        white = next(
            (each for each in (1, 255) if highest <= each and (each > 1 or image.mode == "F")), 65535
        )
    return image.point(lambda value: value * (255 / white) + 0.5).convert("L"), True


def _srgb(image: Image.Image, profile: Any) -> tuple[Image.Image, bool]:
    """An L, RGB or CMYK image as RGB, its colours converted if its profile says that they are others."""
    if not profile:
        return _rgb(image), False
    try:
        theirs = ImageCms.core.profile_frombytes(profile)
        if theirs.xcolor_space.strip() != _SPACES[image.mode]:
            return _rgb(image), False
        convert = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(theirs),
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _FLAGS,
        )
        if image.mode != "CMYK" and _moves_little(convert, image.mode):
            return _rgb(image), False
        converted = ImageCms.applyTransform(image, convert)
        assert converted is not None, "not in place"
        return converted, True
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # whatever a broken profile makes of it
        return _rgb(image), False


def _moves_little(convert: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform to sRGB leaves a sample of all colours as they are."""
    levels = range(0, 256, 15)
    colors = [bytes((r, g, b)) for r in levels for g in levels for b in levels]
    data = b"".join(colors) if mode == "RGB" else bytes(range(256))
    sample = Image.frombytes(mode, (len(data) // len(mode), 1), data)
    moved = ImageCms.applyTransform(sample, convert)
    assert moved is not None, "not in place"
    difference = ImageChops.difference(sample.convert("RGB"), moved)
    return max(high for _, high in difference.getextrema()) <= _SAME  # pyright: ignore


def _rgb(image: Image.Image) -> Image.Image:
    """Without a copy where there is nothing to convert."""
    return image if image.mode == "RGB" else image.convert("RGB")


def _bare(image: Image.Image) -> Image.Image:
    """The same pixels without metadata: what was read from it must not be read once more."""
    if type(image) is Image.Image and not image.info and not image.getexif():
        return image
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    return bare
