"""`Picture`: a PIL image as a field of a pydantic model, which JSON holds as the base64 of a PNG.

Nothing is lost on the way, neither pixels nor mode; and what pixels a picture has, one hash says. A
`StandardPicture` is one that a model is going to look at: any PIL image is made upright opaque sRGB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from io import BytesIO
from typing import Annotated, Any

from PIL import Image
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from flux_runtime.errors import BadImage
from flux_runtime.standard_rgb import standard_rgb

MODES = ("1", "L", "LA", "RGB", "RGBA", "P", "I;16")
"""What a PNG holds as it is."""


def to_base64(image: Image.Image) -> str:
    """The image as a PNG in base64.

    Raises:
        BadImage: a PNG cannot hold images of its mode.
    """
    if image.mode not in MODES:
        raise BadImage(f"An image of mode {image.mode} cannot be sent.", remedy="Convert it to RGB.")
    png = BytesIO()
    image.save(png, "PNG")
    return base64.b64encode(png.getvalue()).decode("ascii")


def from_base64(text: str) -> Image.Image:
    """The image that `to_base64` made the text of.

    Raises:
        BadImage: the text is no base64, or what it holds is no whole PNG or too large a one.
    """
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as png:
            return png.copy()
    except (binascii.Error, ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage("A picture arrived that is no whole PNG.", remedy="Send it again.") from error


def pixels_sha256(image: Image.Image) -> str:
    """64 hex digits that differ when any pixel or the size does, whatever file the picture came from."""
    digest = hashlib.sha256("{} {}x{}:".format(image.mode, *image.size).encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def _picture(given: Any) -> Any:
    return from_base64(given) if isinstance(given, str) else given


def _standard(given: Any) -> Any:
    picture = _picture(given)
    if not isinstance(picture, Image.Image):
        return picture
    try:
        return standard_rgb(picture).image
    except (ValueError, OSError) as error:  # its mode, or a file that ends too soon
        raise BadImage(
            f"An image of mode {picture.mode} cannot be read.", remedy="Convert it to RGB first."
        ) from error


_WRITTEN = PlainSerializer(to_base64, return_type=str, when_used="json")
_SCHEMA = WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"})

Picture = Annotated[Image.Image, BeforeValidator(_picture), _WRITTEN, _SCHEMA]
StandardPicture = Annotated[Image.Image, BeforeValidator(_standard), _WRITTEN, _SCHEMA]
