"""The page and its history, over the page's own protocols: which store it is, and a store that is busy."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from PIL import Image

from sessions.store import SessionStore

if TYPE_CHECKING:
    import socketio

    from .conftest import ServedPage

PATIENCE = 30.0
"""Seconds that a loaded machine may take for what takes a moment."""


class Browser:
    """One tab: a socket, and all events that it was sent."""

    def __init__(self, socket: socketio.AsyncClient) -> None:
        self._socket = socket
        self._came = asyncio.Condition()
        self.events: list[tuple[str, Any]] = []
        socket.on("*", self._take)

    async def say(self, text: str, *, files: tuple[str, ...] = ()) -> None:
        message = {"id": str(uuid.uuid4()), "name": "local", "type": "user_message", "output": text}
        message |= {"createdAt": "2026-01-01T00:00:00Z"}
        references = [{"id": file} for file in files]
        await self._socket.emit("client_message", {"message": message, "fileReferences": references})

    async def sees(self, text: str) -> None:
        """Wait until a message begins so."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: any(each.startswith(text) for each in self.texts))

    @property
    def texts(self) -> list[str]:
        return [data["output"] for event, data in self.events if event == "new_message"]

    @property
    def buttons(self) -> list[str]:
        """As the page shows them: it adds whatever comes, and removes by id."""
        shown: list[tuple[str, str]] = []
        for event, data in self.events:
            if event == "action":
                shown.append((data["id"], data["label"]))
            elif event == "remove_action":
                shown = [each for each in shown if each[0] != data["id"]]
        return [label for _, label in shown]

    async def _take(self, event: str, data: Any) -> None:
        async with self._came:
            self.events.append((event, data))
            self._came.notify_all()


@asynccontextmanager
async def _browser(
    served: ServedPage, session: str | None = None, thread: str = ""
) -> AsyncIterator[Browser]:
    async with served.socket(sessionId=session or str(uuid.uuid4()), threadId=thread) as socket:
        browser = Browser(socket)
        await socket.emit("connection_successful")
        yield browser


async def _until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.02)


def test_settings_given_in_code_reach_key_and_history_alike(served: ServedPage, tmp_path: Path) -> None:
    """The program that serves this page was told another folder by its environment."""

    async def scene() -> None:
        async with _browser(served) as browser:
            await browser.say("/generate a cat")
            await browser.sees("Drew #1.")

    asyncio.run(scene())
    assert (tmp_path / "data" / "sign-in.key").exists()
    store = SessionStore(tmp_path / "data")
    (session,) = store.list_sessions("local")
    store.close()
    asked = {"pagination": {"first": 20}, "filter": {}}
    listed = httpx.post(f"{served.address}/project/threads", json=asked, headers=served.headers).json()
    assert [thread["id"] for thread in listed["data"]] == [session.name]
    assert not (tmp_path / "not this one").exists()


def test_a_database_that_is_locked_holds_up_neither_the_health_check_nor_another_tab(
    served: ServedPage, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with _browser(served) as first, _browser(served) as second:
            await first.say("/generate a cat")
            await first.sees("Drew #1.")
            (thread,) = {data["thread_id"] for event, data in first.events if event == "first_interaction"}
            (picture,) = [data["url"] for event, data in first.events if event == "element"]
            other = sqlite3.connect(tmp_path / "data" / "store.db", isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            async with httpx.AsyncClient(
                base_url=served.address, headers=served.headers, timeout=PATIENCE
            ) as visitor:
                asked = {"pagination": {"first": 20}, "filter": {}}
                waiting = [
                    asyncio.create_task(visitor.post("/project/threads", json=asked)),
                    asyncio.create_task(visitor.get(picture)),
                    asyncio.create_task(visitor.get(f"/project/thread/{thread}")),
                ]
                await second.say("/generate a dog")
                await second.sees("Thinking")
                assert (await visitor.get("/livez")).text == "ok"
                assert not any(each.done() for each in waiting)
                other.rollback()
                assert [(await each).status_code for each in waiting] == [200, 200, 200]
                await second.sees("Drew #1.")
            other.close()

    asyncio.run(scene())


def test_a_tab_whose_connection_comes_back_gets_the_reply_that_it_missed(
    served: ServedPage, tmp_path: Path
) -> None:
    session = str(uuid.uuid4())
    store = SessionStore(tmp_path / "data")

    def replied() -> bool:
        threads = store.list_sessions("local")
        turns = store.history("local", threads[0].name).turns if threads else ()
        return bool(turns) and turns[-1].status == "replied"  # a conversation is there before its first turn

    async def scene() -> None:
        async with _browser(served, session) as before:
            await before.say("/generate a cat")
            await before.sees("Thinking")
        await _until(replied)
        async with _browser(served, session) as after:
            await after.sees("Drew #1.")
            await _until(lambda: sorted(after.buttons) == ["Ask about #1", "Edit #1", "Undo", "Vary #1"])
            pictures = {data["url"] for event, data in after.events if event == "element"}
            assert [each.split("/")[1] for each in pictures] == ["images"]

    asyncio.run(scene())
    store.close()


def test_no_path_of_this_machine_reaches_a_browser(served: ServedPage, tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(png, "PNG")
    session = str(uuid.uuid4())

    async def scene() -> list[str]:
        async with (
            httpx.AsyncClient(base_url=served.address, headers=served.headers) as visitor,
            _browser(served, session) as browser,
        ):
            upload = {"file": ("mine.png", png.getvalue(), "image/png")}
            asked = {"session_id": session}
            file = (await visitor.post("/project/file", params=asked, files=upload)).json()
            await browser.say("/generate a cat")
            await browser.sees("Drew #1.")
            await browser.say("/ask what is it?", files=(file["id"],))
            await browser.sees("#2:")
            (thread,) = {data["thread_id"] for event, data in browser.events if event == "first_interaction"}
            seen = [json.dumps(browser.events)]
            for path in (f"/project/thread/{thread}", "/project/settings?language=en-US"):
                seen.append((await visitor.get(path)).text)
            return seen

    for text in (*asyncio.run(scene()), httpx.get(served.address).text):
        for folder in (tmp_path, Path(__file__).parents[3], Path.home()):
            assert str(folder) not in text
        assert '"path": "/' not in text
