"""The first look at a message: text made plain, every image file checked and decoded, limits kept.

Nothing here understands what is said, and no model runs. It is where policy on words and images plugs in.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import unicodedata
from contextlib import suppress
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from time import monotonic
from typing import Any

from PIL import Image

from assistant import decoding
from assistant.decoding import MAX_SIDE
from assistant.phrases import Language, no_such_image, say
from assistant.turn import Turn
from flux_runtime.errors import BadSetting, Cancelled, TryOther
from flux_runtime.interface import MAX_SEED, MAX_STEPS
from flux_runtime.standard_rgb import StandardRgb

MAX_CHARACTERS = 2000
MAX_FILES = 4
MAX_FILE_MEGABYTES = 20
MAX_MEGAPIXELS = decoding.MAX_PIXELS // 10**5 / 10

# Isolated (-I): neither the working directory nor the environment can put other code in its place.
_DECODER = (sys.executable, "-I", decoding.__file__)
_DECODE_SECONDS = 30  # by the clock, for a machine that is busy drawing; the process itself counts its work
_CANCEL_SECONDS = 0.05  # how soon a decoder ends once its turn is stopped
_OUT_OF_TIME = (None, -signal.SIGXCPU) if sys.platform != "win32" else (None,)
"""How a decoder ends that took too long: by the clock, or by its own count."""
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
    """Let a message pass only if there is something to do, of a length that can be read.

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


def check_settings(turn: Turn, language: Language) -> None:
    """Let a turn pass only with numbers that every model takes.

    Raises:
        BadSetting: a number that the turn sets is out of its range, or its region is empty.
    """
    for name, low, high in (("seed", 0, MAX_SEED), ("num_inference_steps", 1, MAX_STEPS)):
        value = getattr(turn, name)
        if value is not None and not low <= value <= high:
            message = say(language, "out_of_range", name=say(language, name), low=low, high=high)
            raise BadSetting(message, stage="screen")
    for name in ("width", "height"):
        value = getattr(turn, name)
        if value is not None and value < 1:
            raise BadSetting(say(language, "not_positive", name=say(language, name)), stage="screen")
    if turn.region:
        x0, y0, x1, y1 = turn.region
        if not (0 <= x0 < x1 and 0 <= y0 < y1):
            raise BadSetting(say(language, "empty_region"), stage="screen")


def ingest_all(
    files: tuple[bytes, ...], language: Language, cancel: threading.Event | None = None
) -> list[StandardRgb]:
    """The pictures in all files of a message, or none of them.

    Raises:
        BadUpload: there are too many files, or `ingest` refuses one.
        Cancelled: `cancel` was set.
    """
    if len(files) > MAX_FILES:
        raise _bad(language, "many_files", limit=MAX_FILES)
    return [ingest(data, language, cancel) for data in files]


def ingest(data: bytes, language: Language = "en", cancel: threading.Event | None = None) -> StandardRgb:
    """The picture in a file that anybody may have sent, as `standard_rgb` makes it, and what was done to it.

    It is decoded by a process of its own (`decoding.py`): a file that makes the decoder crash or take too
    much memory is refused as damaged, and one that takes it too long as that.

    Raises:
        BadUpload: says what is wrong with the file and what would work.
        Cancelled: `cancel` was set; the process is ended at once.
    """
    if not data:
        raise _bad(language, "empty_file")
    if len(data) > MAX_FILE_MEGABYTES * 2**20:
        raise _bad(language, "big_file", limit=MAX_FILE_MEGABYTES)
    status, output = _decoded(data, cancel)
    if status in _OUT_OF_TIME:
        raise _bad(language, "slow_file")
    try:
        if status != 0:
            raise ValueError(f"the decoder ended with {status}")
        line, pixels = output.split(b"\n", maxsplit=1)
        answer = json.loads(line)
    except ValueError as error:
        raise _bad(language, "damaged") from error
    if "phrase" in answer:
        raise _bad(language, answer["phrase"], **answer["values"], limit=MAX_MEGAPIXELS, side=MAX_SIDE)
    return StandardRgb(Image.frombytes("RGB", tuple(answer["size"]), pixels), frozenset(answer["done"]))


def _decoded(data: bytes, cancel: threading.Event | None) -> tuple[int | None, bytes]:
    """The exit status of the decoder, None if its time was up by the clock, and what it wrote."""
    until = monotonic() + _DECODE_SECONDS
    # A file, because a pipe that was not taken in whole cannot be waited on and then filled further.
    with TemporaryFile() as given:
        given.write(data)
        given.seek(0)
        with Popen(_DECODER, stdin=given, stdout=PIPE, stderr=DEVNULL) as process:
            try:
                while monotonic() < until:
                    if cancel is not None and cancel.is_set():
                        raise Cancelled("Stopped.", stage="screen")
                    with suppress(TimeoutExpired):
                        output, _ = process.communicate(timeout=_CANCEL_SECONDS)
                        return process.returncode, output
                return None, b""
            finally:
                process.kill()


def _bad(language: Language, phrase: str, **values: Any) -> BadUpload:
    return BadUpload(say(language, phrase, **values), stage="screen")
