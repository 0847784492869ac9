"""Is everything here that the assistant needs? One finding for each thing, and what to do about a problem.

It changes nothing but a test file in the data folder, which it removes again.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from pydantic import BaseModel, ConfigDict

from assistant.settings import Settings
from assistant.wiring import open_store
from flux_runtime.catalogue import find_model, read_entry
from flux_runtime.errors import FluxRuntimeError

NEEDED_BYTES = 500_000_000
"""Free space below which a conversation soon fails: room for some thousand pictures."""

PACKAGES = ("torch", "diffusers", "transformers", "langgraph", "chainlit", "sqlite-utils")


class Finding(BaseModel):
    """One thing that was looked at. `remedy` says what to do unless the state is "ok"."""

    model_config = ConfigDict(frozen=True)

    what: str
    state: Literal["ok", "note", "problem"]
    found: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, the quick things first."""
    yield _python()
    missing = [name for name in PACKAGES if _version(name) is None]
    for name in PACKAGES:
        if found := _version(name):
            yield Finding(what=name, state="ok", found=found)
        else:
            yield Finding(what=name, state="problem", found="not installed", remedy="Run `make setup`.")
    yield _sqlite()
    yield _data_dir(settings)
    yield _model(settings)
    yield _chromium()
    if not missing:
        yield _machine()


def _python() -> Finding:
    return Finding(what="python", state="ok", found=f"{platform.python_version()} in {sys.prefix}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info >= (3, 35):
        return Finding(what="sqlite", state="ok", found=sqlite3.sqlite_version)
    return Finding(
        what="sqlite",
        state="problem",
        found=sqlite3.sqlite_version,
        remedy="SQLite 3.35 or later is needed; a newer Python brings one.",
    )


def _data_dir(settings: Settings) -> Finding:
    folder = settings.data_dir
    remedy = "Name a folder that you can write to: FLUX_ASSISTANT_DATA_DIR=..."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        found = f"{folder}: {os.strerror(error.errno) if error.errno else error}"
        return Finding(what="data folder", state="problem", found=found, remedy=remedy)
    try:
        open_store(settings).close()
    except FluxRuntimeError as error:
        return Finding(what="data folder", state="problem", found=error.message, remedy=error.remedy)
    except (OSError, sqlite3.Error) as error:
        return Finding(what="data folder", state="problem", found=f"{folder}: {error}", remedy=remedy)
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if free < NEEDED_BYTES:
        return Finding(what="data folder", state="problem", found=found, remedy="Free some space there.")
    return Finding(what="data folder", state="ok", found=found)


def _model(settings: Settings) -> Finding:
    try:
        folder = find_model(settings.model)
        entry = read_entry(folder)
    except FluxRuntimeError as error:
        return Finding(what="model", state="problem", found=error.message, remedy=error.remedy)
    missing = [
        part for part in ("transformer", "vae", "text_encoder", "processor") if not (folder / part).is_dir()
    ]
    if missing:
        return Finding(
            what="model",
            state="problem",
            found=f"{folder} lacks {', '.join(missing)}",
            remedy="Copy the whole model folder, or train pocket again with `make pocket`.",
        )
    return Finding(what="model", state="ok", found=f"{entry.name} in {folder}")


def _machine() -> Finding:
    from flux_runtime.machine import describe_machine  # loads torch, whose presence was only just established

    facts = describe_machine()
    found = ", ".join(f"{facts[name]}" for name in ("system", "processor")) + (
        f", {facts['cores']} cores, {facts['memory_gb']} GB, computing on {facts['device']}"
    )
    return Finding(what="machine", state="ok", found=found)


def _chromium() -> Finding:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser:
        return Finding(what="chromium", state="ok", found=browser)
    return Finding(
        what="chromium",
        state="note",
        found="not installed",
        remedy="Only the browser test needs it; any browser opens the chat page.",
    )
