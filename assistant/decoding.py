"""A process of its own that decodes one image file which anybody may have sent, within limits.

Decoders of hostile files crash, hang and fill memory; here that costs the file, not the assistant. Runs as a
script: the file on stdin, on stdout one line of JSON, then, if it was decoded, its RGB bytes. It imports
neither numpy nor torch, so that memory and processor time are the picture's.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import warnings
import zlib
from typing import Any

from PIL import Image, PngImagePlugin

from flux_runtime.standard_rgb import StandardRgb, standard_rgb

MAX_PIXELS = 2**24
MAX_SIDE = 8192
"""Pixels."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_MEMORY = 2**30  # bytes of address space; the largest picture that is let in needs a third of it
_SECONDS = 2  # of processor time; the largest photo that is let in needs about half of one
_MAX_PROFILE = 16 * 2**20  # bytes of a colour profile once it is decompressed

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = 2**16  # the largest picture that is let in, in the usual pieces of 8 KB, has 2,500
_PNG_KEPT = (b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT")
"""Besides the critical chunks, those that say what the picture looks like, which way up, and if it moves."""


class Refused(Exception):
    """The file cannot be used; `phrase` is the key of what to say, `values` fill it."""

    def __init__(self, phrase: str, **values: Any) -> None:
        super().__init__(phrase)
        self.phrase, self.values = phrase, values


def decode(data: bytes) -> StandardRgb:
    """The picture in a file. Size and format are read from the header before anything is decoded.

    Raises:
        Refused: not a picture, too large, animated or damaged.
    """
    data = without_remarks(data)
    _check_header(data)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as probe:
            probe.verify()  # spoils the object, so the pixels are read from a second one
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.load()
            return standard_rgb(image)
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


def without_remarks(data: bytes) -> bytes:
    """A PNG without the chunks that no pixel depends on, such as texts; other files as they are.

    Pillow refuses the whole file for a text that is long, broken, or grows when it is decompressed.

    Raises:
        Refused: the pixels come in so many pieces that reading these would take longer than decoding them.
    """
    if not data.startswith(_PNG_START):
        return data
    kept, at = [_PNG_START], len(_PNG_START)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        ancillary = kind[0] & 0x20  # by the case of its first letter
        if not ancillary or (kind in _PNG_KEPT and not _unusable_profile(kind, data[at + 8 : end - 4])):
            kept.append(data[at:end])
        at = end
    if len(kept) > _PNG_CHUNKS:
        raise Refused("slow_file")
    return b"".join(kept)


def _unusable_profile(kind: bytes, body: bytes) -> bool:
    """Whether this is an iCCP chunk that is broken, or holds more than any profile of colours needs."""
    if kind != b"iCCP":
        return False
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(body.partition(b"\0")[2][1:], _MAX_PROFILE)  # after its name and the method
    except zlib.error:
        return True
    return not unpacker.eof


def _limit_this_process() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the process is still apart
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS + 1))  # at the second it could say nothing


def main() -> None:
    """Decode stdin to stdout; a refusal is an answer too, so the exit status is 0 unless the decoder died."""
    _limit_this_process()
    warnings.simplefilter("ignore")  # such as of a large picture: our own limits are below
    PngImagePlugin.MAX_TEXT_CHUNK = _MAX_PROFILE  # it bounds profiles too, and texts are gone
    try:
        image, done = decode(sys.stdin.buffer.read())
        answer, pixels = {"size": image.size, "done": sorted(done)}, image.tobytes()
    except Refused as refused:
        answer, pixels = {"phrase": refused.phrase, "values": refused.values}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + pixels)


if __name__ == "__main__":
    main()
