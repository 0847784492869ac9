"""The first look at a message: text made plain, every image file checked and decoded, limits kept.

Nothing here understands what is said, and no model runs. It is where policy on words and images plugs in.
"""

from __future__ import annotations

import io
import unicodedata
from typing import Any

from PIL import Image, ImageOps

from assistant.phrases import Language, no_such_image, say
from assistant.turn import Turn
from flux_runtime.errors import TryOther

MAX_CHARACTERS = 2000
MAX_FILES = 4
MAX_FILE_MEGABYTES = 20
MAX_MEGAPIXELS = 16.7
MAX_SIDE = 8192
"""Pixels."""

_MAX_PIXELS = 2**24
_FORMATS = ("PNG", "JPEG", "WEBP")
#: control, invisible (zero-width, direction), private, unassigned and half characters
_DROPPED = {"Cc", "Cf", "Co", "Cn", "Cs"}


class BadMessage(TryOther):
    """The words of a message cannot be used."""

    code = "bad_message"


class BadUpload(TryOther):
    """A file that came with a message cannot be used."""

    code = "bad_upload"


def plain(text: str) -> str:
    """`text` in NFKC, without invisible characters, and cut just past the limit, so that it is safe to keep.

    NFKC makes "＃２" and "#2" the same, and "，" a plain comma.
    """
    normal = unicodedata.normalize("NFKC", text[: MAX_CHARACTERS + 1])
    kept = "".join(
        character if character in "\n\t" or unicodedata.category(character) not in _DROPPED else ""
        for character in normal
    )
    return kept.strip()[: MAX_CHARACTERS + 1]


def check_message(turn: Turn, text: str, known: set[int], language: Language) -> None:
    """
    Args:
        text: the turn's words, made plain.
        known: the numbers of the session's images.

    Raises:
        BadMessage: there are no words where some are needed, or too many, or it replies to an unknown image.
    """
    if not text and not turn.attachments and turn.command is None:
        raise BadMessage(say(language, "empty_message"), stage="screen")
    if len(text) > MAX_CHARACTERS:
        raise BadMessage(say(language, "long_message", limit=MAX_CHARACTERS), stage="screen")
    if turn.reply_to is not None and turn.reply_to not in known:
        raise BadMessage(no_such_image(turn.reply_to, sorted(known), language), stage="screen")


def ingest_all(files: tuple[bytes, ...], language: Language) -> list[Image.Image]:
    """The images of all files of a message, or none of them.

    Raises:
        BadUpload: there are too many files, or `ingest` refuses one.
    """
    if len(files) > MAX_FILES:
        raise _bad(language, "many_files", limit=MAX_FILES)
    return [ingest(data, language) for data in files]


def ingest(data: bytes, language: Language = "en") -> Image.Image:
    """The picture in a file that anybody may have sent: RGB, upright, opaque (on white), without metadata.

    Size and format are read from the header before anything is decoded.

    Raises:
        BadUpload: says what is wrong with the file and what would work.
    """
    if not data:
        raise _bad(language, "empty_file")
    if len(data) > MAX_FILE_MEGABYTES * 2**20:
        raise _bad(language, "big_file", limit=MAX_FILE_MEGABYTES)
    _check_header(data, language)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as probe:
            probe.verify()  # spoils the object, so the pixels are read from a second one
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.load()
            picture = _upright_rgb(image)
        return Image.frombytes("RGB", picture.size, picture.tobytes())  # pixels, without what came along
    except Exception as error:  # a hostile file makes decoders raise anything
        raise _bad(language, "damaged") from error


def _check_header(data: bytes, language: Language) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            # A phone's JPEG may carry a second, smaller picture (MPO): the first one is what people see.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise _bad(language, "too_many_pixels", limit=MAX_MEGAPIXELS) from error
    except Exception as error:
        raise _bad(language, "not_an_image") from error
    if width * height > _MAX_PIXELS or max(width, height) > MAX_SIDE:
        size = {"width": width, "height": height}
        raise _bad(language, "many_pixels", **size, limit=MAX_MEGAPIXELS, side=MAX_SIDE)
    if frames > 1:
        raise _bad(language, "animated", frames=frames)


def _upright_rgb(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255 instead of scaling it.
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return image.convert("RGB")


def _bad(language: Language, phrase: str, **values: Any) -> BadUpload:
    return BadUpload(say(language, phrase, **values), stage="screen")
