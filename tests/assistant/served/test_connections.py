"""A crowd of connections that say nothing does not keep a visitor out."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from .conftest import ServedPage

CROWD = 300


def test_a_turn_succeeds_beside_more_idle_connections_than_there_are_descriptors(
    served_with_few_descriptors: ServedPage,
) -> None:
    page = served_with_few_descriptors
    where = urlsplit(page.address)
    with ExitStack() as crowd:
        for number in range(CROWD):
            idle = crowd.enter_context(socket.create_connection((where.hostname, where.port)))
            if number % 3 == 1:
                idle.sendall(b"GET / HTTP/1.1\r\nHost: ")
            elif number % 3 == 2:
                idle.sendall(f"POST / HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 9\r\n\r\n".encode())
        assert httpx.get(f"{page.address}/livez", timeout=60).text == "ok"
        assert asyncio.run(page.reply_to("/generate a cat")) == "Drew #1."
        assert httpx.get(f"{page.address}/livez", timeout=60).text == "ok"
    assert page.log.stat().st_size < 10_000, page.log.read_text()[:2000]
