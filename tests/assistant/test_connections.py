"""How many connections a server holds, and how long it waits for a client's words."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from assistant import connections
from assistant.connections import RESERVED, SameComplaint, http_protocol

ANSWER = b"HTTP/1.1 200 OK\r\n"


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body, but to /early without having read it."""
    body, more = b"", scope["path"] != "/early"
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def _server(most: int) -> AsyncIterator[int]:
    """The port of a server that holds so many connections."""
    config = uvicorn.Config(_echo, lifespan="off", log_level="warning")
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    protocol = http_protocol(RESERVED + most)
    serving = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection before anything else; waits for one of the two."""
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("said", "then"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    ],
    ids=["nothing", "a head by bytes", "a body by bytes"],
)
def test_a_client_that_does_not_finish_its_request_is_left(
    monkeypatch: pytest.MonkeyPatch, said: bytes, then: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.2)

    async def trickle(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(then)
            await asyncio.sleep(0.01)

    async def visit() -> bool:
        async with _server(most=5) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            trickling = asyncio.create_task(trickle(writer))
            closed = await _is_closed(reader)
            trickling.cancel()
            writer.close()
            return closed

    assert asyncio.run(visit())


def test_the_longest_idle_is_closed_for_a_newcomer_and_no_request_under_way_is() -> None:
    async def visit() -> None:
        async with _server(most=3) as port:
            visitors = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            (_, uploads), (idle, _), (other, asks) = visitors
            uploads.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
            asks.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await other.readline() == ANSWER
            newcomer, greets = await asyncio.open_connection("127.0.0.1", port)
            assert await _is_closed(idle)
            greets.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await newcomer.readline() == ANSWER
            uploads.write(b"x")
            assert await visitors[0][0].readline() == ANSWER
            for _, writer in visitors:
                writer.close()
            greets.close()

    asyncio.run(visit())


def test_a_body_that_nobody_waits_for_any_more_does_not_keep_a_newcomer_out() -> None:
    async def visit() -> None:
        async with _server(most=1) as port:
            refused, uploads = await asyncio.open_connection("127.0.0.1", port)
            uploads.write(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
            assert await refused.readline() == ANSWER
            newcomer, greets = await asyncio.open_connection("127.0.0.1", port)
            greets.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await newcomer.readline() == ANSWER
            greets.close()
            uploads.close()

    asyncio.run(visit())


def test_where_all_are_busy_a_newcomer_is_turned_away() -> None:
    async def visit() -> None:
        async with _server(most=1) as port:
            busy, uploads = await asyncio.open_connection("127.0.0.1", port)
            uploads.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert await busy.readline() == b"HTTP/1.1 100 Continue\r\n"
            newcomer, greets = await asyncio.open_connection("127.0.0.1", port)
            assert await _is_closed(newcomer)
            uploads.write(b"xx")
            assert b"200" in await busy.readuntil(b"OK\r\n")
            greets.close()
            uploads.close()

    asyncio.run(visit())


def test_a_process_asks_for_as_many_descriptors_as_it_may_have() -> None:
    look = (
        "import resource; from assistant.connections import descriptor_limit;"
        "print(descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    limited = 'ulimit -S -n 200 && ulimit -H -n 300 && exec "$@"'
    command = ["/bin/sh", "-c", limited, "sh", sys.executable, "-c", look]
    assert subprocess.check_output(command, text=True).split() == ["300", "(300,", "300)"]


def test_the_same_complaint_is_logged_once_and_another_at_once(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test_connections")
    complaint = SameComplaint()
    log.addFilter(complaint)
    try:
        for number in range(100):
            log.warning("too many, number %d", number)
        log.warning("something else")
        for reason in ("full", "full", "gone"):
            try:
                raise OSError(reason)
            except OSError:
                log.exception("it failed")
    finally:
        log.removeFilter(complaint)
    assert [record.message for record in caplog.records] == [
        *("too many, number 0", "something else", "it failed", "it failed")
    ]
