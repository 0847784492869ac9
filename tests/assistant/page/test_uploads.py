"""How much may be uploaded."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from chainlit import session as chainlit_session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from assistant.page import uploads
from assistant.page.uploads import BoundedUploads

TABS = ("one", "two", "three")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Chainlit's upload, as far as it matters here: 3 files or 1000 bytes a tab, 5 or 2000 in all."""
    monkeypatch.setattr(uploads, "MOST_FILES", 3)
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    monkeypatch.setattr(uploads, "MOST_FILES_OF_ALL", 5)
    monkeypatch.setattr(uploads, "MOST_BYTES_OF_ALL", 2000)
    sessions = {tab: SimpleNamespace(files={}) for tab in TABS}
    monkeypatch.setattr(chainlit_session, "ws_sessions_id", sessions)

    async def upload(request: Request) -> PlainTextResponse:
        files = sessions[request.query_params["session_id"]].files
        files[len(files)] = {"size": len(await request.body())}
        return PlainTextResponse("kept")

    return TestClient(BoundedUploads(Starlette(routes=[Route("/project/file", upload, methods=["POST"])])))


def _upload(client: TestClient, tab: str, size: int = 1, **headers: str) -> int:
    answer = client.post("/project/file", params={"session_id": tab}, content=b"x" * size, headers=headers)
    return answer.status_code


def test_a_tab_may_upload_so_many_files_and_another_one_too(client: TestClient) -> None:
    assert [_upload(client, "one") for _ in range(4)] == [200, 200, 200, 413]
    assert [_upload(client, "two") for _ in range(3)] == [200, 200, 413]
    assert _upload(client, "three") == 413


def test_a_tab_may_upload_so_many_bytes_and_all_tabs_so_many(client: TestClient) -> None:
    assert [_upload(client, "one", size) for size in (600, 401, 400)] == [200, 413, 200]
    assert [_upload(client, "two", size) for size in (900, 100, 1)] == [200, 200, 413]
    assert _upload(client, "three") == 413


def test_the_refusal_says_what_to_do_in_the_visitors_language(client: TestClient) -> None:
    for language, words in {"en-US": "Start a new chat", "zh-CN,zh;q=0.9": "请开始新的对话"}.items():
        answer = client.post(
            "/project/file?session_id=one", content=b"x" * 1001, headers={"Accept-Language": language}
        )
        assert words in answer.json()["detail"]


def test_uploads_under_way_count_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, leave = threading.Barrier(4), threading.Event()

    async def upload(request: Request) -> PlainTextResponse:
        await asyncio.to_thread(arrived.wait, 30)
        await asyncio.to_thread(leave.wait, 30)
        return PlainTextResponse("kept")

    app = Starlette(routes=[Route("/project/file", upload, methods=["POST"])])
    with TestClient(BoundedUploads(app)) as busy, ThreadPoolExecutor() as visitors:
        three = [visitors.submit(_upload, busy, "one") for _ in range(3)]
        arrived.wait(30)
        assert _upload(busy, "one") == 413
        leave.set()
        assert [each.result() for each in three] == [200, 200, 200]
