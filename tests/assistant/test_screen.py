from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assistant import decoding, screen
from assistant.screen import (
    MAX_CHARACTERS,
    MAX_FILES,
    BadMessage,
    BadUpload,
    check_message,
    ingest,
    ingest_all,
    plain,
)
from assistant.turn import Turn


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


PICTURE = Image.linear_gradient("L").convert("RGB").resize((40, 30))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("  draw\u200b a\u00ad cat\u202e ", "draw a cat"),
        ("＃２ ｍａｋｅ it ｂｌｕｅ", "#2 make it blue"),
        ("a\x00b\x07c", "abc"),
        ("one\ntwo", "one\ntwo"),
        ("\ud800cat", "cat"),
        ("\u200b\u2060\ufeff", ""),
        ("画一只猫", "画一只猫"),
    ],
)
def test_words_are_made_plain(typed: str, read: str) -> None:
    assert plain(typed) == read


def test_endless_words_are_cut_where_they_are_still_too_long() -> None:
    cut = plain("a" * 10**6)
    assert len(cut) == MAX_CHARACTERS + 1
    with pytest.raises(BadMessage, match=str(MAX_CHARACTERS)):
        check_message(Turn(), cut, set(), "en")


@pytest.mark.parametrize(("language", "part"), [("en", "empty"), ("zh", "空")])
def test_a_message_without_anything_is_refused(language: Any, part: str) -> None:
    with pytest.raises(BadMessage, match=part):
        check_message(Turn(), "", set(), language)


def test_a_picture_or_a_button_needs_no_words() -> None:
    check_message(Turn(attachments=(b"x",)), "", set(), "en")
    check_message(Turn(command="undo"), "", set(), "en")


def test_a_reply_to_an_unknown_image_names_those_that_exist() -> None:
    with pytest.raises(BadMessage, match=r"no #9.*#1 and #2"):
        check_message(Turn(reply_to=9), "what is it", {1, 2}, "en")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_read(kind: str) -> None:
    image = ingest(encoded(PICTURE, kind))
    assert (image.mode, image.size) == ("RGB", (40, 30))


def test_a_lossless_picture_keeps_every_pixel() -> None:
    assert ingest(encoded(PICTURE)).tobytes() == PICTURE.tobytes()


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "empty"),
        (b"just text, called cat.png", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%PDF-1.7", "not a picture"),
        (encoded(PICTURE, "GIF"), "not a picture"),
        (encoded(PICTURE, "BMP"), "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (png_header(30_000, 30_000), "too many pixels"),
        (png_header(12_000, 9_000), "12000 x 9000 pixels"),
        (png_header(9_000, 2), "9000 x 2 pixels"),
        (png_header(100, 100), "damaged"),
        (encoded(PICTURE)[:-60], "damaged"),
        (encoded(PICTURE, "JPEG")[:-100], "damaged"),
        (b"x" * (20 * 2**20 + 1), "20 MB"),
        (encoded(PICTURE, save_all=True, append_images=[PICTURE.rotate(90)]), "2 frames"),
        (encoded(PICTURE, "WEBP", save_all=True, append_images=[PICTURE.rotate(90)]), "2 frames"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong_and_what_would_work(data: bytes, part: str) -> None:
    with pytest.raises(BadUpload, match=part) as refused:
        ingest(data)
    assert "Send" in str(refused.value)
    assert refused.value.stage == "screen"


def test_a_huge_header_is_refused_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "load", decode)
    with pytest.raises(decoding.Refused, match="pixels"):
        decoding.decode(png_header(30_000, 30_000))


@pytest.mark.parametrize(
    "decoder",
    [
        "import os; os.abort()",
        "import time; time.sleep(60)",
        "import sys; sys.exit(1)",
        "print('no JSON')",
        f"import sys; sys.path.insert(0, {str(Path(decoding.__file__).parent)!r}); import decoding;"
        "decoding._limit_this_process(); bytearray(2**31); print('{\"size\": [1, 1]}\\n', end='abc')",
    ],
    ids=["crashes", "hangs", "fails", "babbles", "takes too much memory"],
)
def test_a_file_that_kills_its_decoder_is_refused_and_the_assistant_lives(
    monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    monkeypatch.setattr(screen, "_DECODER", (sys.executable, "-c", decoder))
    monkeypatch.setattr(screen, "_DECODE_SECONDS", 2)
    with pytest.raises(BadUpload, match="damaged"):
        ingest(encoded(PICTURE))


def test_the_largest_picture_that_is_let_in_fits_into_the_memory_of_its_decoder() -> None:
    large = Image.new("RGBA", (4096, 4096), (1, 2, 3, 255))
    assert ingest(encoded(large, compress_level=1)).size == (4096, 4096)


def test_a_sideways_photo_is_turned_upright_and_loses_its_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    exif[0x010F] = "a camera"
    image = ingest(encoded(PICTURE, "JPEG", exif=exif))
    assert image.size == (30, 40)
    assert dict(image.getexif()) == {}
    assert image.info == {}


def test_transparent_parts_become_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert ingest(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 0)
    assert ingest(encoded(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    deep = Image.new("I;16", (4, 4), 32768)
    pixel = ingest(encoded(deep)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert pixel[0] == pytest.approx(127, abs=1)


def test_a_phones_jpeg_with_a_second_picture_is_read_as_its_first() -> None:
    data = encoded(PICTURE, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert ingest(data).size == (40, 30)


def test_one_bad_file_refuses_them_all_and_so_do_too_many() -> None:
    good = encoded(PICTURE)
    with pytest.raises(BadUpload, match="empty"):
        ingest_all((good, b""), "en")
    with pytest.raises(BadUpload, match=f"at most {MAX_FILES}"):
        ingest_all((good,) * (MAX_FILES + 1), "en")


def test_refusals_are_said_in_chinese_too() -> None:
    with pytest.raises(BadUpload, match="空的"):
        ingest(b"", "zh")
