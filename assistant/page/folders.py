"""The folder that a page works in, and the removal of those that killed pages left behind.

Chainlit writes beside its configuration, keeps uploads there, and empties that when it stops; two pages at
once, or a read-only installation, must not meet in one place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "flux-assistant-page-"
_LOCK = ".in-use"

UNLOCKED_SECONDS = 24 * 3600
"""A folder without a lock is one that another page is just making, or one of a version that made no locks."""


class PageFolder:
    """A folder of one page's own, filled from another folder; held until it is closed or the process ends."""

    def __init__(self, assets: Path) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire(blocking=False)
        shutil.copytree(assets, self.path, dirs_exist_ok=True)

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _sweep() -> None:
    """Remove the folders of pages of this user that run no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Others may write here too: a link, or a folder that is not ours, is left alone.
        with suppress(OSError):
            if folder.is_dir() and not folder.is_symlink() and _is_ours(folder) and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


def _is_left(folder: Path) -> bool:
    if not (folder / _LOCK).exists():
        return time.time() - folder.stat().st_mtime > UNLOCKED_SECONDS
    try:
        with FileLock(folder / _LOCK, blocking=False):
            return True
    except Timeout:
        return False
