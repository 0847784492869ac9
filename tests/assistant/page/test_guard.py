"""Who may talk to the chat page, and what every answer carries."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from assistant.page.guard import MAX_BODY_BYTES, PageGuard

HERE = "http://127.0.0.1:8000"


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/{path:path}", _page, methods=["GET", "POST"]), WebSocketRoute("/ws", _socket)]
    app = Starlette(routes=[routes[1], routes[0]])
    return TestClient(PageGuard(app, address=HERE), base_url=HERE)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000"])
def test_this_machine_is_let_in_under_each_of_its_names(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"Host": host, "Origin": f"http://{host.lower()}"}).status_code == 200


@pytest.mark.parametrize(
    ("address", "host"),
    [("http://[::1]:8000", "[::1]:8000"), ("http://127.0.0.1:80", "127.0.0.1"), ("http://[::1]:80", "[::1]")],
)
def test_a_host_is_written_as_browsers_write_that_of_the_address(address: str, host: str) -> None:
    app = Starlette(routes=[Route("/", _page)])
    client = TestClient(PageGuard(app, address=address), base_url=address)
    assert client.get("/", headers={"Host": host}).status_code == 200
    assert client.get("/", headers={"Host": f"{host}0"}).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example:8000", "192.168.0.5:8000", "", "[::1", "[::1]:8000"),
        *("127.0.0.1", "localhost", "127.0.0.1:9000", "127.0.0.1:", "me@127.0.0.1:8000", "localhost.:8000"),
    ],
)
def test_another_host_name_that_resolves_here_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://127.0.0.1:9000", "null", "http://localhost:8000", ""),
        *("https://127.0.0.1:8000", "ws://127.0.0.1:8000", "//127.0.0.1:8000", "http://127.0.0.1:8000/"),
    ],
)
def test_another_origin_is_refused(client: TestClient, origin: str) -> None:
    assert client.post("/auth/header", headers={"Origin": origin}).status_code == 403


def test_a_socket_opened_by_another_site_is_refused(client: TestClient) -> None:
    with client.websocket_connect("/ws", headers={"Origin": HERE, "Host": "127.0.0.1:8000"}) as socket:
        assert socket.receive_text() == "hello"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/ws", headers={"Origin": "https://evil.example"}),
    ):
        pass


@pytest.mark.parametrize(
    "query",
    [
        *("session_id=", "session_id=/tmp", "session_id=%2Ftmp", "session_id=..%2F..", "session_id=%00"),
        "session_id=" + "x" * 5000,
        "ask_parent_id=1&session_id=6f9619ff-8b86-d011-b42d-00c04fc964ff&session_id=..",
        "session_id=6f9619ff%E2%80%908b86%E2%80%90d011%E2%80%90b42d%E2%80%9000c04fc964ff",
    ],
)
def test_a_session_id_in_an_address_is_a_uuid_or_the_request_is_refused(
    client: TestClient, query: str
) -> None:
    known = "/project/file?session_id=6f9619ff-8b86-d011-b42d-00c04fc964ff"
    for send in (client.get, client.post):
        assert send(known).status_code == 200
        assert send(f"/project/file?{query}").status_code == 404


def test_a_body_larger_than_an_upload_may_be_is_refused_by_its_announced_length(client: TestClient) -> None:
    assert client.post("/project/file", content=b"x" * 1000).text == "1000"
    answer = client.post("/project/file", content=b"x", headers={"Content-Length": str(MAX_BODY_BYTES + 1)})
    assert answer.status_code == 413


def test_a_body_of_unknown_length_is_refused(client: TestClient) -> None:
    assert client.post("/project/file", content=iter([b"x"])).status_code == 411


def test_every_answer_forbids_sniffing_framing_and_other_machines(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/", headers={"Host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
