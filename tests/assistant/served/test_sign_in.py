"""Nobody sees anything of the page who was not shown the address that it printed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
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


def test_a_stranger_is_told_in_both_languages_how_to_sign_in_and_nothing_else(
    served_here: ServedPage,
) -> None:
    forged = {"Cookie": served_here.headers["Cookie"].rpartition(".")[0] + ".AAAA"}
    for headers in ({}, forged, {"Authorization": served_here.headers["Cookie"].replace("=", " ")}):
        for path in ANYTHING:
            answer = httpx.get(served_here.address + path, headers=headers)
            assert (answer.status_code, answer.text) == (401, HOW_TO_SIGN_IN), path
            assert "set-cookie" not in answer.headers
        assert httpx.post(f"{served_here.address}/auth/header", headers=headers).status_code == 401
        assert (
            httpx.post(f"{served_here.address}/project/threads", headers=headers, json={}).status_code == 401
        )


def test_a_stranger_gets_no_socket(served: ServedPage) -> None:
    async def open_socket() -> None:
        async with served.socket(sessionId=str(uuid.uuid4())) as socket:
            assert socket.connected

    asyncio.run(open_socket())
    served.headers = {}
    with pytest.raises(socketio.exceptions.ConnectionError):
        asyncio.run(open_socket())


def test_health_is_asked_without_signing_in(served_here: ServedPage) -> None:
    assert httpx.get(f"{served_here.address}/livez").text == "ok"
    assert httpx.get(f"{served_here.address}/readyz").status_code in (200, 503)


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


def test_a_cookie_outlives_the_server_but_not_its_key(
    serve: Callable[[], AbstractContextManager[ServedPage]], tmp_path: Path
) -> None:
    with serve() as page:
        _, _, cookie = page.headers["Cookie"].partition("=")
        # The next page has another port, and so another name for its cookie.
    for key_is_kept in (True, False):
        if not key_is_kept:
            (tmp_path / "data" / "sign-in.key").unlink()
        with serve() as page:
            name = page.headers["Cookie"].partition("=")[0]
            answer = httpx.get(f"{page.address}/user", headers={"Cookie": f"{name}={cookie}"})
            assert answer.status_code == (200 if key_is_kept else 401)


def test_what_the_page_does_not_use_is_closed_to_those_who_are_signed_in_too(served_here: ServedPage) -> None:
    for path in ("/docs", "/openapi.json", "/redoc", "/mcp", "/assets/index.js.map", "/anything"):
        assert httpx.get(served_here.address + path, headers=served_here.headers).status_code == 404, path
