"""Nobody sees anything of the page who was not shown the address that it printed."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest
import socketio.exceptions

from assistant.sign_in import HOW_TO_SIGN_IN

if TYPE_CHECKING:
    from .conftest import ServedPage

ANYTHING = (
    *("/", "/thread/default", "/assets/index.js", "/public/style.css", "/user", "/auth/config", "/logo"),
    *("/project/settings", "/project/thread/default", f"/images/{'0' * 32}.png", "/docs", "/openapi.json"),
    *("/?token=", "/?token=x", "/thread/default?token=x", "/livez/", "//livez", "/readyz/x"),
)


def test_a_stranger_is_told_in_both_languages_how_to_sign_in_and_nothing_else(served: ServedPage) -> None:
    forged = {"Cookie": served.headers["Cookie"].rpartition(".")[0] + ".AAAA"}
    for headers in ({}, forged, {"Authorization": served.headers["Cookie"].replace("=", " ")}):
        for path in ANYTHING:
            answer = httpx.get(served.address + path, headers=headers)
            assert (answer.status_code, answer.text) == (401, HOW_TO_SIGN_IN), path
            assert "set-cookie" not in answer.headers
        assert httpx.post(f"{served.address}/auth/header", headers=headers).status_code == 401
        assert httpx.post(f"{served.address}/project/threads", headers=headers, json={}).status_code == 401


def test_a_stranger_gets_no_socket(served: ServedPage) -> None:
    async def open_socket() -> None:
        async with served.socket(sessionId=str(uuid.uuid4())) as socket:
            assert socket.connected

    asyncio.run(open_socket())
    served.headers = {}
    with pytest.raises(socketio.exceptions.ConnectionError):
        asyncio.run(open_socket())


def test_health_is_asked_without_signing_in(served: ServedPage) -> None:
    assert httpx.get(f"{served.address}/livez").text == "ok"
    assert httpx.get(f"{served.address}/readyz").status_code in (200, 503)


def test_the_printed_address_signs_in_once_and_the_next_one_is_printed(served: ServedPage) -> None:
    entry = next(served.entries)
    with httpx.Client() as visitor:
        answer = visitor.get(entry)
        assert answer.status_code == 200
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "samesite=strict" in answer.headers["set-cookie"].lower()
        page = visitor.get(served.address)
        assert "FLUX assistant" in page.text
        assert visitor.get(f"{served.address}/user").json()["identifier"] == "local"
        # Who is signed in may open the same address again, which then only leads on.
        assert visitor.get(entry).text == answer.text
    assert httpx.get(entry).status_code == 401
    assert httpx.get(next(served.entries)).status_code == 200


def test_what_the_page_does_not_use_is_closed_to_those_who_are_signed_in_too(served: ServedPage) -> None:
    for path in ("/docs", "/openapi.json", "/redoc", "/mcp", "/assets/index.js.map", "/anything"):
        assert httpx.get(served.address + path, headers=served.headers).status_code == 404, path
