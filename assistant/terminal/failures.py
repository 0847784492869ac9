"""Errors on the command line: what can be done about one becomes a sentence, or JSON, and exit status 1.

Anything else is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import ValidationError

from assistant.settings import Settings
from assistant.terminal import printing
from flux_runtime.errors import BadSetting, Broken, FluxRuntimeError
from sessions.records import NotFound


class CannotStore(Broken):
    """A file, a folder or the database cannot be read or written."""

    code = "cannot_store"


@contextmanager
def failures(as_json: bool) -> Iterator[None]:
    """Turn an error that a person can do something about into a message and exit status 1."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read the output has gone, and typer ends quietly
    except (FluxRuntimeError, NotFound, OSError, sqlite3.Error) as error:
        printing.print_error(_told(error), as_json=as_json)
        raise typer.Exit(1) from error


def read_settings(**given: Any) -> Settings:
    """The settings, those given here before the environment's.

    Raises:
        BadSetting: a value cannot be used; the sentence names the first such variable.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = f"FLUX_ASSISTANT_{wrong['loc'][0]}".upper()
        raise BadSetting(
            f"{name} is {wrong['input']!r}: {wrong['msg']}.",
            stage="settings",
            remedy="Set it to another value, or unset it.",
        ) from error


def _told(error: Exception) -> Exception:
    """The error in words that say what to do."""
    if isinstance(error, OSError):
        return CannotStore(
            f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.",
            stage="files",
            remedy="It takes a folder that you can write to, with free space; FLUX_ASSISTANT_DATA_DIR names "
            "the one for conversations.",
        )
    if isinstance(error, sqlite3.Error):
        return CannotStore(
            f"The database of conversations cannot be used: {error}.",
            stage="database",
            remedy="End other programs that use it and see that there is free space, or name another folder: "
            "FLUX_ASSISTANT_DATA_DIR=...",
        )
    return error
