from __future__ import annotations

import asyncio
import io
import os
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from assistant import decoding, screen
from assistant.conversation import Conversation
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
from flux_runtime.errors import Cancelled

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


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


def turned_by(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@cache
def photo() -> Image.Image:
    """Sixteen megapixels as a camera sees them: soft shapes under a grain."""
    rng = np.random.default_rng(0)
    soft = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).resize((4096, 4096))
    grain = (
        np.tile(rng.integers(-1, 2, (64, 64, 3), np.int8), (64, 64, 1)) * (np.arange(4096) % 64 < 8)[:, None]
    )
    return Image.fromarray((np.asarray(soft, np.int16) + grain).clip(0, 255).astype(np.uint8))


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
    image = ingest(encoded(PICTURE, kind)).image
    assert (image.mode, image.size) == ("RGB", (40, 30))


def test_a_lossless_picture_keeps_every_pixel() -> None:
    assert ingest(encoded(PICTURE)).image.tobytes() == PICTURE.tobytes()


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
        "import sys; sys.exit(1)",
        "print('no JSON')",
        f"import sys; sys.path.insert(0, {str(Path(decoding.__file__).parent)!r}); import decoding;"
        "decoding._limit_this_process(); bytearray(2**31); print('{\"size\": [1, 1]}\\n', end='abc')",
    ],
    ids=["crashes", "fails", "babbles", "takes too much memory"],
)
def test_a_file_that_kills_its_decoder_is_refused_and_the_assistant_lives(
    monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    monkeypatch.setattr(screen, "_DECODER", (sys.executable, "-c", decoder))
    with pytest.raises(BadUpload, match="damaged"):
        ingest(encoded(PICTURE))


def test_the_largest_picture_that_is_let_in_fits_into_the_memory_of_its_decoder() -> None:
    large = Image.new("RGBA", (4096, 4096), (1, 2, 3, 255))
    assert ingest(encoded(large, compress_level=1)).image.size == (4096, 4096)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {"compress_level": 3}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("JPEG", {"quality": 95, "exif": turned_by(6)}),
        ("WEBP", {"quality": 90, "method": 0}),
    ],
    ids=["PNG", "progressive JPEG", "sideways JPEG", "WebP"],
)
def test_a_photo_as_large_as_is_let_in_is_decoded_in_time(kind: str, options: dict[str, Any]) -> None:
    assert ingest(encoded(photo(), kind, **options)).image.size == (4096, 4096)


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG that goes over all of its coefficients so many times."""
    data = encoded(Image.new("L", (side, side), 90), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    start = data.index(b"\xff\xda", first + 2)  # the second scan, its own tables before it
    tables = data.index(b"\xff\xc4", first)
    after = [
        at for marker in (b"\xff\xc4", b"\xff\xda", b"\xff\xd9") if (at := data.find(marker, start + 2)) > 0
    ]
    return data[:tables] + data[tables : min(after)] * count + data[min(after) :]


def png_chunks(count: int) -> bytes:
    """A PNG whose pixels come in so many pieces, nearly all of them empty."""
    data = encoded(PICTURE)
    at = data.index(b"IDAT") - 4
    return data[:at] + (b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))) * count + data[at:]


@pytest.mark.parametrize(
    "make",
    [lambda: scans(4096, 20_000), lambda: scans(1024, 80_000), lambda: png_chunks(1_000_000)],
    ids=["scans of many pixels", "many scans", "many chunks"],
)
def test_a_file_that_takes_too_long_to_decode_is_refused_as_that(make: Callable[[], bytes]) -> None:
    with pytest.raises(BadUpload, match="too long to decode"):
        ingest(make())


def test_a_decoder_that_hangs_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_DECODER", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(screen, "_DECODE_SECONDS", 1)
    with pytest.raises(BadUpload, match="too long to decode"):
        ingest(encoded(PICTURE))


def test_stop_ends_the_decoder_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    hangs = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    monkeypatch.setattr(screen, "_DECODER", (sys.executable, "-c", hangs))
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ingesting = pool.submit(ingest, encoded(PICTURE), cancel=cancel)
        decoder = int(begun.read_text())  # waits until the decoder is there
        cancel.set()
        with pytest.raises(Cancelled):
            ingesting.result(timeout=20)
    with pytest.raises(ProcessLookupError):
        os.kill(decoder, 0)


def test_a_sideways_photo_is_turned_upright_and_loses_its_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    exif[0x010F] = "a camera"
    image, done = ingest(encoded(PICTURE, "JPEG", exif=exif))
    assert image.size == (30, 40)
    assert dict(image.getexif()) == {}
    assert image.info == {}
    assert done == {"turned"}


def test_transparent_parts_become_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    palette = Image.new("P", (4, 4), 0)
    for data in (encoded(clear), encoded(palette, transparency=0)):
        image, done = ingest(data)
        assert image.getpixel((0, 0)) == (255, 255, 255)
        assert done == {"on_white"}


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    deep = Image.new("I;16", (4, 4), 32768)
    assert ingest(encoded(deep)).image.getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_colours_of_another_space_are_converted(profiles: dict[str, bytes], kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    green = Image.new("RGB", (16, 16), (88, 143, 66))  # as ProPhoto writes (30, 170, 60)
    image, done = ingest(encoded(green, kind, icc_profile=profiles["ProPhoto"], **options))
    assert image.getpixel((5, 5)) == pytest.approx((30, 170, 60), abs=12)
    assert done == {"colors"}


def test_a_cmyk_jpeg_with_a_profile_of_other_pixels_is_read_as_cmyk(profiles: dict[str, bytes]) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image = ingest(encoded(red, "JPEG", icc_profile=profiles["ProPhoto"])).image
    assert image.getpixel((5, 5)) == pytest.approx((255, 0, 0), abs=6)


TEXT = b"words " * 2**20


def with_chunk(kind: bytes, data: bytes, *, check: int | None = None) -> bytes:
    """The picture as a PNG with one more chunk before its pixels."""
    png = encoded(PICTURE)
    at = png.index(b"IDAT") - 4
    check = zlib.crc32(kind + data) if check is None else check
    return png[:at] + struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check) + png[at:]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(TEXT)),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(TEXT)),
        (b"tEXt", b"Comment\0" + TEXT),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**28))),
        (b"zTXt", b"Comment\0\0no zlib"),
        (b"iCCP", b"wide\0\0" + zlib.compress(bytes(2 * 2**20))),
        (b"iCCP", b"wide\0\0" + zlib.compress(bytes(2**28))),
        (b"iCCP", b"wide\0\0no zlib"),
        (b"iCCP", b""),
        (b"pHYs", b"\0"),
        (b"gAMA", b""),
        (b"caBX", bytes(5 * 2**20)),
    ],
    ids=lambda value: value.decode() if len(value) == 4 else f"{len(value)} bytes",
)
def test_what_a_png_says_besides_its_pixels_never_spoils_them(kind: bytes, data: bytes) -> None:
    assert ingest(with_chunk(kind, data)).image.tobytes() == PICTURE.tobytes()


def test_a_png_in_a_wide_space_may_have_a_long_profile(profiles: dict[str, bytes]) -> None:
    profile = profiles["ProPhoto"] + bytes(2 * 2**20)  # some profiles hold large tables
    data = with_chunk(b"iCCP", b"wide\0\0" + zlib.compress(profile))
    assert ingest(data).done == {"colors"}


def test_a_million_remarks_do_not_matter() -> None:
    remark = struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))
    png = encoded(PICTURE)
    at = png.index(b"IDAT") - 4
    assert ingest(png[:at] + remark * 10**6 + png[at:]).image.tobytes() == PICTURE.tobytes()


def test_a_phones_jpeg_with_a_second_picture_is_read_as_its_first() -> None:
    data = encoded(PICTURE, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert ingest(data).image.size == (40, 30)


def test_one_bad_file_refuses_them_all_and_so_do_too_many() -> None:
    good = encoded(PICTURE)
    with pytest.raises(BadUpload, match="empty"):
        ingest_all((good, b""), "en")
    with pytest.raises(BadUpload, match=f"at most {MAX_FILES}"):
        ingest_all((good,) * (MAX_FILES + 1), "en")


def test_refusals_are_said_in_chinese_too() -> None:
    with pytest.raises(BadUpload, match="空的"):
        ingest(b"", "zh")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("what is it?", "What could be seen through in #1 was laid on white."),
        ("这是什么？", "#1 的透明部分已铺成白色。"),
    ],
)
def test_the_reply_says_that_see_through_parts_were_laid_on_white(
    conversation: Conversation, scripted: ScriptedRuntime, words: str, said: str
) -> None:
    clear = encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))
    scripted.will_answer("attached", "what is it?")
    first = asyncio.run(conversation.take_turn(Turn(text=words, attachments=(clear, encoded(PICTURE)))))
    assert said in first.text
    scripted.will_answer("last", "what is it?")
    assert said not in asyncio.run(conversation.take_turn(Turn(text=words))).text
