"""Whatever is said to the page, nobody is shown Python's own words, and the log has no traceback."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from .conftest import ServedPage


def _message(**changed: Any) -> dict[str, Any]:
    message = {"id": str(uuid.uuid4()), "output": "/generate a cat", **changed}
    return {"message": message, "fileReferences": []}


BAD_MESSAGES = [
    *(None, [], {}, "text", 7, {"message": None}, {"message": {}}),
    *(_message(output=None), _message(output=[]), _message(id="1"), _message(id=None), _message(command=[])),
    _message(id=str(uuid.uuid1())),
    *({**_message(), "fileReferences": references} for references in ("a", [None], [{}], [{"id": []}])),
]
BAD_SETTINGS = [None, [], "text", 7, {"size": []}, {"steps": {}}, {"seed": ["1"]}]


async def _answers(served: ServedPage, event: str, payloads: list[Any]) -> tuple[list[str], list[str]]:
    """The toasts that come of these payloads, and the messages; a message that is right is said last."""
    toasts: list[str] = []
    messages: list[str] = []
    done = asyncio.Event()
    async with served.socket(sessionId=str(uuid.uuid4())) as socket:

        async def hear_toast(toast: dict[str, Any]) -> None:
            toasts.append(toast["message"])

        async def hear_message(message: dict[str, Any]) -> None:
            if message["type"].endswith("_message"):
                messages.append(message["output"])
            if message["output"].startswith("Drew"):
                done.set()

        socket.on("toast", hear_toast)
        socket.on("new_message", hear_message)
        socket.on("update_message", hear_message)
        await socket.emit("connection_successful")
        for payload in payloads:
            await socket.call(event, payload)
        await socket.emit("client_message", _message())
        await asyncio.wait_for(done.wait(), 30)
    return toasts, messages


@pytest.mark.parametrize(
    ("event", "payloads"), [("client_message", BAD_MESSAGES), ("chat_settings_change", BAD_SETTINGS)]
)
def test_what_cannot_be_read_is_answered_with_a_sentence(
    served: ServedPage, event: str, payloads: list[Any]
) -> None:
    toasts, messages = asyncio.run(_answers(served, event, payloads))
    assert toasts == [
        "The page sent something that could not be read. Please reload it and try again."
    ] * len(payloads)
    assert all(each.endswith("…") or each in ("/generate a cat", "Drew #1.") for each in messages), messages
    assert "Traceback" not in served.log.read_text()


def test_settings_that_cannot_be_used_are_named_and_the_turn_goes_on(served: ServedPage) -> None:
    chosen = [{"size": "big", "steps": "many", "seed": "-1"}]
    toasts, messages = asyncio.run(_answers(served, "chat_settings_change", chosen))
    assert toasts == []
    assert any(each.startswith("The seed must be a whole number") for each in messages)
    assert any(each.startswith("This size or number of steps") for each in messages)
    assert messages[-1] == "Drew #1."


LONG = "x" * 5000


@pytest.mark.parametrize(
    "path",
    [
        *("/%00", "/public/%00", "/assets/%00", "/avatars/%00", "/images/%00.png", "/thread/%00"),
        *(f"/{LONG}", f"/public/{LONG}", f"/assets/{LONG}", f"/avatars/{LONG}", f"/images/{LONG}.png"),
        *("/project/file/%00", f"/project/file/{LONG}", "/project/thread/%00", f"/project/thread/{LONG}"),
        *(
            "/public/..%2f..%2fetc/passwd",
            "/public/%2e%2e/%2e%2e/etc/passwd",
            "/assets/%ff%fe",
            "/images/%ff.png",
        ),
        *("/project/translations?language=%00", f"/project/translations?language={LONG}"),
        *(
            "/project/translations?language=../../x",
            "/project/settings?language=zh-CN%00",
            "/logo?theme=..%2f",
        ),
    ],
)
def test_a_path_that_is_none_is_refused_without_a_traceback(served_here: ServedPage, path: str) -> None:
    answer = httpx.get(served_here.address + path, headers=served_here.headers)
    assert 400 <= answer.status_code < 500
    assert "Traceback" not in served_here.log.read_text()


BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b"{}",
    b'{"session_id": "\\ud800"}',
    b'{"threadId": "\\ud800", "name": ""}',
]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", path) for path in ("/set-session-cookie", "/project/threads", "/project/action")),
        *(("POST", path) for path in ("/auth/header", "/logout", f"/project/file?session_id={uuid.uuid4()}")),
        *(("PUT", "/project/thread"), ("DELETE", "/project/thread")),
    ],
)
def test_a_body_that_cannot_be_read_is_answered_without_a_traceback(
    served_here: ServedPage, method: str, path: str
) -> None:
    for body in BODIES:
        headers = {**served_here.headers, "Content-Type": "application/json"}
        answer = httpx.request(method, served_here.address + path, headers=headers, content=body)
        assert answer.status_code < 500, body
    assert "Traceback" not in served_here.log.read_text()


def test_an_upload_without_a_name_a_kind_or_bytes_is_answered_with_a_sentence(
    served_here: ServedPage,
) -> None:
    async def answers() -> list[httpx.Response]:
        session = str(uuid.uuid4())
        async with served_here.socket(sessionId=session), httpx.AsyncClient() as visitor:
            found = []
            for described in ('filename="a.png"', 'filename=""\r\nContent-Type: image/png'):
                form = (
                    f'--a\r\nContent-Disposition: form-data; name="file"; {described}\r\n\r\nxx\r\n--a--\r\n'
                )
                kind = {"Content-Type": "multipart/form-data; boundary=a"}
                where = f"{served_here.address}/project/file?session_id={session}"
                headers = {**served_here.headers, **kind}
                found.append(await visitor.post(where, headers=headers, content=form.encode()))
            files = {"file": ("a.png", b"", "image/png")}
            found.append(await visitor.post(where, headers=served_here.headers, files=files))
            return found

    for answer in asyncio.run(answers()):
        assert answer.status_code == 400
        assert answer.json()["detail"][-1] == "."
    assert "Traceback" not in served_here.log.read_text()


def test_a_button_with_nothing_on_it_is_answered_in_the_chat(served: ServedPage) -> None:
    async def press() -> list[str]:
        session, shown = str(uuid.uuid4()), asyncio.Queue[str]()
        async with served.socket(sessionId=session) as socket:

            async def hear(message: dict[str, Any]) -> None:
                shown.put_nowait(message["output"])

            socket.on("new_message", hear)
            for payload in ({}, {"label": []}):
                body = {"sessionId": session, "action": {"name": "reply-action", "payload": payload}}
                async with httpx.AsyncClient(headers=served.headers) as visitor:
                    await visitor.post(f"{served.address}/project/action", json=body)
            return [await asyncio.wait_for(shown.get(), 30) for _ in range(2)]

    assert all("could not be read" in each for each in asyncio.run(press()))
    assert "Traceback" not in served.log.read_text()


def test_a_button_of_a_tab_that_is_gone_or_of_no_kind_is_answered_with_a_sentence(
    served_here: ServedPage,
) -> None:
    for session in (str(uuid.uuid4()), "..", ""):
        answer = httpx.post(
            f"{served_here.address}/project/action",
            headers=served_here.headers,
            json={"sessionId": session, "action": {"name": "reply-action", "payload": {}}},
        )
        assert answer.status_code == 400
        assert "reload" in answer.json()["detail"]
    assert "Traceback" not in served_here.log.read_text()
