"""Which weights exactly: a hash of the files that make a model's bytes, each read once as long as it stays.

What was read is remembered in the person's cache folder, never beside the weights, by the file's path, size
and time of change. So a start does not read all weights a second time only to name them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SUFFIXES = {".json", ".jinja", ".txt", ".model", ".safetensors"}


def _usual_place() -> Path:
    return user_cache_path("flux-assistant", appauthor=False)


class CacheSettings(BaseSettings):
    """FLUX_ASSISTANT_CACHE_DIR: what may be deleted at any time; by default in the platform's place."""

    model_config = SettingsConfigDict(env_prefix="FLUX_ASSISTANT_")

    cache_dir: Path = Field(default_factory=_usual_place)

    @field_validator("cache_dir", mode="before")
    @classmethod
    def _as_a_shell_would_read_it(cls, given: str | Path) -> Path:
        written = str(given).strip()
        return Path(written).expanduser() if written else _usual_place()


def revision_of(folder: Path, parts: Iterable[str], recipe: str = "") -> str:
    """Twelve hex digits that change with any config, tokenizer or weights in these subfolders.

    `recipe` is what else decides the bytes, such as fields of the entry.
    """
    digest = hashlib.sha256(recipe.encode())
    for part in sorted(parts):
        for path in sorted((folder / part).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + _digest(path))
    return digest.hexdigest()[:12]


def _digest(path: Path) -> bytes:
    """SHA-256 of a file, from the cache if the file is as it was."""
    state = path.stat()
    key = f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    known = CacheSettings().cache_dir / "sha256" / hashlib.sha256(os.fsencode(key)).hexdigest()
    with suppress(OSError):
        if len(digest := known.read_bytes()) == hashlib.sha256().digest_size:
            return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        _write(known, digest)
    return digest


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, whoever writes at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.replace(file.name, path)
