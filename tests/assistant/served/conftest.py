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
        process: the program that serves it.
        files: where its uploads are.
        headers: what a visitor sends who has signed in.
    """

    def __init__(self, address: str, process: subprocess.Popen[str], temporary: Path) -> None:
        self.address = address
        self.process = process
        (root,) = temporary.glob("flux-assistant-page-*")
        self.files = root / ".files"
        answer = httpx.post(f"{self.address}/auth/header")
        self.headers = {"Cookie": f"access_token={answer.cookies['access_token']}"}

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
            assert process.stdout
            words = process.stdout.readline().split()
            assert len(words) > 2, "the page did not start"
            yield ServedPage(words[2], process, temporary)
        finally:
            process.terminate()
            process.wait(60)
