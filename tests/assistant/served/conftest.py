"""The chat page in a process of its own, over a runtime without a model, and a visitor without a browser."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
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
        log: what it complains of.
        headers: what a visitor sends who has signed in.
    """

    def __init__(self, process: subprocess.Popen[str], temporary: Path, log: Path) -> None:
        self.log = log
        assert process.stdout
        self.entries = (line.split()[2] for line in process.stdout)
        entry = next(self.entries, None)
        assert entry, log.read_text()
        self.address = entry.partition("/?")[0]
        self.process = process
        (root,) = temporary.glob("flux-assistant-page-*")
        self.files = root / ".files"
        ((name, value),) = httpx.get(entry).cookies.items()
        self.headers = {"Cookie": f"{name}={value}"}

    async def reply_to(self, text: str) -> str:
        """What the page answers to this message in a conversation of its own."""
        replied: asyncio.Queue[str] = asyncio.Queue()
        message = {
            "id": str(uuid.uuid4()),
            "name": "local",
            "type": "user_message",
            "output": text,
            "createdAt": "2026-01-01T00:00:00Z",
        }
        async with self.socket(sessionId=str(uuid.uuid4())) as socket:

            async def hear(shown: dict[str, Any]) -> None:
                if shown["type"] == "assistant_message":
                    replied.put_nowait(shown["output"])

            socket.on("new_message", hear)
            socket.on("update_message", hear)
            await socket.emit("connection_successful")
            await socket.emit("client_message", {"message": message, "fileReferences": []})
            while (reply := await asyncio.wait_for(replied.get(), 60)).endswith("…"):
                pass
            return reply

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
    with _serving(tmp_path) as served:
        yield served


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[], AbstractContextManager[ServedPage]]:
    """Serves a page while inside, and the same history again the next time."""
    return lambda: _serving(tmp_path)


@pytest.fixture(scope="module")
def served_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    """One page for a whole file of tests that leave it as it was."""
    with _serving(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def served_with_few_descriptors(tmp_path: Path) -> Iterator[ServedPage]:
    """A page whose process may have 256 descriptors and no more."""
    with _serving(tmp_path, descriptors=256) as served:
        yield served


@contextmanager
def _serving(tmp_path: Path, descriptors: int | None = None) -> Iterator[ServedPage]:
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    elsewhere = {"FLUX_ASSISTANT_DATA_DIR": str(tmp_path / "not this one")}
    environment = {**os.environ, **elsewhere, "TMPDIR": str(temporary)}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "data")]
    if descriptors:
        command = ["/bin/sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]
    log = tmp_path / "log"
    with (
        log.open("w") as complaints,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        try:
            yield ServedPage(process, temporary, log)
        finally:
            process.terminate()
            process.wait(60)
