"""A process of its own that decodes one image file which anybody may have sent, under a memory limit.

Decoders of hostile files crash, hang and fill memory; here that costs the file, not the assistant. Runs as a
script: the file on stdin, on stdout one line of JSON, then, if it was decoded, its RGB bytes.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
from typing import Any

from PIL import Image, ImageOps

MAX_PIXELS = 2**24
MAX_SIDE = 8192
"""Pixels."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_MEMORY = 2**30  # bytes of address space; the largest picture that is let in needs a third of it
_SECONDS = 20  # of processor time


class Refused(Exception):
    """The file cannot be used; `phrase` is the key of what to say, `values` fill it."""

    def __init__(self, phrase: str, **values: Any) -> None:
        super().__init__(phrase)
        self.phrase, self.values = phrase, values


def decode(data: bytes) -> Image.Image:
    """RGB, upright, opaque (on white). Size and format are read from the header before anything is decoded.

    Raises:
        Refused: not a picture, too large, animated or damaged.
    """
    _check_header(data)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as probe:
            probe.verify()  # spoils the object, so the pixels are read from a second one
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.load()
            return _upright_rgb(image)
    except Exception as error:  # a hostile file makes decoders raise anything
        raise Refused("damaged") from error


def _check_header(data: bytes) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            # A phone's JPEG may carry a second, smaller picture (MPO): the first one is what people see.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise Refused("too_many_pixels") from error
    except Exception as error:
        raise Refused("not_an_image") from error
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refused("many_pixels", width=width, height=height)
    if frames > 1:
        raise Refused("animated", frames=frames)


def _upright_rgb(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255 instead of scaling it.
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return image.convert("RGB")


def _limit_this_process() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the process is still apart
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


def main() -> None:
    """Decode stdin to stdout; a refusal is an answer too, so the exit status is 0 unless the decoder died."""
    _limit_this_process()
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below it
    try:
        image = decode(sys.stdin.buffer.read())
        answer, pixels = {"size": image.size}, image.tobytes()
    except Refused as refused:
        answer, pixels = {"phrase": refused.phrase, "values": refused.values}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)


if __name__ == "__main__":
    main()
