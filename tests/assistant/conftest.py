"""A conversation over a real store and a scripted runtime, in a folder of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from assistant.conversation import Conversation
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


@pytest.fixture
def conversation(tmp_path: Path, scripted: ScriptedRuntime) -> Iterator[Conversation]:
    folder = tmp_path / "data"
    opened = Conversation(SessionStore(folder), scripted, folder)
    yield opened
    opened.close()


@pytest.fixture
def png() -> bytes:
    """The bytes of a small red picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()
