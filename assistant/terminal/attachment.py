"""A picture file named on the command line, read within a limit: what is in it is judged elsewhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from assistant.screen import MAX_FILE_MEGABYTES
from flux_runtime.errors import BadImage

_LIMIT = MAX_FILE_MEGABYTES * 2**20


def read_attachment(file: Path) -> bytes:
    """The bytes of a regular file of at most 20 MB; a pipe, a device or a folder is never read.

    Raises:
        BadImage: it is missing, no regular file, or too large.
    """
    try:
        # A pipe that nobody writes to would hold up a plain open for ever.
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as opened:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise BadImage(f"{file} is no regular file.", remedy="Name a PNG, JPEG or WebP file.")
            data = opened.read(_LIMIT + 1)  # it may grow while it is read, so its size alone says nothing
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise BadImage(f"{file} cannot be read: {reason}.") from error
    if len(data) > _LIMIT:
        raise BadImage(
            f"{file} has more than {MAX_FILE_MEGABYTES} MB.", remedy="Save it smaller, then attach it again."
        )
    return data
