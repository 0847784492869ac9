"""Where the page listens."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from assistant.page.mount import unusable_request
from assistant.server import CannotServe, listen


def test_it_listens_on_any_free_port_of_this_machine() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.getsockname()[1] > 0


def test_answers_are_sent_without_waiting_for_more_to_send() -> None:
    async def accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(look, sock=listener):
                with socket.create_connection(listener.getsockname()):
                    return await found

    assert asyncio.run(accepted()) != 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.5", "example.org"])
def test_it_does_not_listen_where_others_could_reach_it(host: str) -> None:
    with pytest.raises(CannotServe, match=r"127\.0\.0\.1"):
        listen(host, 0)


def test_a_port_that_is_taken_is_named_with_another_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotServe, match=f"{port} is taken.*--port {port + 1}"):
            listen("127.0.0.1", port)


def test_after_the_last_port_none_above_it_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(socket.socket, "listen", taken)
    with pytest.raises(CannotServe, match=r"65535 is taken.*--port 0$"):
        listen("127.0.0.1", 65535)


def test_a_port_that_is_not_allowed_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    with pytest.raises(CannotServe, match="port 80: Permission denied"):
        listen("127.0.0.1", 80)


def test_only_a_failed_upload_or_button_is_told_as_one() -> None:
    app = FastAPI()
    app.add_exception_handler(ValueError, unusable_request)

    @app.post("/project/file")
    @app.post("/project/action")
    @app.get("/project/threads")
    async def fail() -> None:
        raise ValueError("anything")

    page = TestClient(app, raise_server_exceptions=False)
    assert page.post("/project/file").json() == {"detail": "This file is empty."}
    assert "could not be read" in page.post("/project/action").json()["detail"]
    assert (
        "无法读取" in page.post("/project/action", headers={"Accept-Language": "zh-CN,en"}).json()["detail"]
    )
    assert page.get("/project/threads").status_code == 500
