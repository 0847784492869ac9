"""Image bytes on disk, named by their own SHA-256. Who may read them is decided by rows, not here."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from PIL import Image


class ImageFiles:
    """PNG files under `folder`/aa/<sha256>.png, where aa are the first two digits.

    The same pixels give the same bytes and so the same file; a file is either whole or absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the file of that hash lies, whether or not it exists."""
        return self._folder / sha256[:2] / f"{sha256}.png"

    def save(self, image: Image.Image) -> str:
        """Store `image` (RGB) and return its SHA-256, once the bytes are on disk to stay."""
        buffer = io.BytesIO()
        # Only pixels: no metadata of an upload may travel on.
        Image.frombytes("RGB", image.size, image.convert("RGB").tobytes()).save(buffer, "PNG")
        data = buffer.getvalue()
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if path.exists():
            return sha256
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(self._folder)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return sha256

    def exists(self, sha256: str) -> bool:
        """Whether the file of that hash is there."""
        return self.path(sha256).exists()

    def sweep(self, kept: set[str], *, older_than: float) -> int:
        """Remove files, whole or half-written, that are not of `kept` hashes; returns how many.

        Args:
            older_than: seconds; younger files may belong to a row that is about to be written.
        """
        latest, swept = time.time() - older_than, 0
        for path in [*self._folder.glob("??/*.png"), *self._folder.glob("??/*.part")]:
            with suppress(FileNotFoundError):  # another process has named or swept it meanwhile
                if path.stem not in kept and path.stat().st_mtime < latest:
                    path.unlink()
                    swept += 1
        return swept

    def open(self, sha256: str) -> Image.Image:
        """The stored image, RGB and fully loaded.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with Image.open(self.path(sha256), formats=("PNG",)) as image:
            return image.convert("RGB")


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut: the folder's own entry must reach the disk too."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
