"""The chat page in a process of its own, over a runtime without a model, and a visitor without a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio

PROGRAM = Path(__file__).with_name("scripted_page.py")


class ServedPage:
    """A page that runs.

    Attributes:
        address: `http://host:port`.
        entries: the addresses that it prints, each of which signs in one visitor; the first is used up.
        process: the program that serves it.
        files: where its uploads are.
        headers: what a visitor sends who has signed in.
    """

    def __init__(self, process: subprocess.Popen[str], temporary: Path) -> None:
        assert process.stdout
        self.entries = (line.split()[2] for line in process.stdout)
        entry = next(self.entries, None)
        assert entry, "the page did not start"
        self.address = entry.partition("/?")[0]
        self.process = process
        (root,) = temporary.glob("flux-assistant-page-*")
        self.files = root / ".files"
        ((name, value),) = httpx.get(entry).cookies.items()
        self.headers = {"Cookie": f"{name}={value}"}

    @asynccontextmanager
    async def socket(self, **auth: Any) -> AsyncIterator[socketio.AsyncClient]:
        """The page's socket, opened as a browser does, with these words instead of a browser's."""
        client = socketio.AsyncClient(reconnection=False)
        words = {"clientType": "webapp", "threadId": "", "userEnv": "{}", "chatProfile": "", **auth}
        await client.connect(
            self.address,
            headers=dict(self.headers),  # the client takes the cookies out of what it is given
            auth=words,
            socketio_path="/ws/socket.io",
            transports=["websocket"],
        )
        try:
            yield client
        finally:
            await client.disconnect()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPage]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    elsewhere = {"FLUX_ASSISTANT_DATA_DIR": str(tmp_path / "not this one")}
    environment = {**os.environ, **elsewhere, "TMPDIR": str(temporary)}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "data")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield ServedPage(process, temporary)
        finally:
            process.terminate()
            process.wait(60)
