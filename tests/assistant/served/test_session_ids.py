"""The id that a browser gives its socket becomes a folder's name: none but a UUID is let in."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import socketio.exceptions
from pydantic import ValidationError

from assistant.page.sockets import Opening, is_session_id

if TYPE_CHECKING:
    from .conftest import ServedPage


async def _upload(served: ServedPage, session: str) -> int:
    async with httpx.AsyncClient(headers=served.headers) as visitor:
        answer = await visitor.post(
            f"{served.address}/project/file",
            params={"session_id": session},
            files={"file": ("cat.png", b"not really", "image/png")},
        )
    return answer.status_code


async def _visit(served: ServedPage, session: Any) -> int:
    """Connect under that id, upload, have the session cleared, and leave; the status of the upload."""
    async with served.socket(sessionId=session) as socket:
        status = await _upload(served, session)
        await socket.call("clear_session")
    return status


async def _visit_as_a_browser_does(served: ServedPage) -> None:
    """A whole visit; when it is over, the server is done with all that came before it."""
    session = str(uuid.uuid4())
    folder = served.files / session
    async with served.socket(sessionId=session) as socket:
        assert await _upload(served, session) == 200
        assert len(list(folder.iterdir())) == 1
        await socket.call("clear_session")
    async with asyncio.timeout(30):
        while folder.exists():
            await asyncio.sleep(0.01)


def test_an_upload_is_kept_with_its_session_until_that_is_cleared(served: ServedPage) -> None:
    asyncio.run(_visit_as_a_browser_does(served))
    assert list(served.files.iterdir()) == []


def test_a_session_id_that_is_a_path_neither_deletes_nor_receives_anything(
    served: ServedPage, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "sentinel").write_text("still here")
    relative = os.path.relpath(outside, served.files)
    for session in (str(outside), relative, f"{uuid.uuid4()}/../{relative}"):
        with pytest.raises(socketio.exceptions.ConnectionError):
            asyncio.run(_visit(served, session))
        assert asyncio.run(_upload(served, session)) == 404
        asyncio.run(_visit_as_a_browser_does(served))
        assert [each.name for each in outside.glob("*")] == ["sentinel"], session


@pytest.mark.parametrize(
    "session",
    [
        *("", ".", "..", "/", "../../..", "/tmp", "~", "\x00", "x" * 5000, "%2e%2e%2f", "C:\\"),
        *(0, 1.5, True, None, [], ["a"], {}, {"sessionId": "a"}),
        "6f9619ff-8b86-d011-b42d-00c04fc964ff\n",
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "6f9619ff8b86d011b42d00c04fc964ff",
        "{6f9619ff-8b86-d011-b42d-00c04fc964ff}",
        "urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "６f9619ff-8b86-d011-b42d-00c04fc964ff",
        "6f9619ff‐8b86‐d011‐b42d‐00c04fc964ff",
    ],
)
def test_only_a_uuid_as_browsers_write_it_is_a_session_id(session: object) -> None:
    assert not is_session_id(session)
    with pytest.raises(ValidationError):
        Opening.model_validate({"sessionId": session, "clientType": "webapp"})


@pytest.mark.parametrize("auth", [None, "", "text", 1, [], {}, {"sessionId": str(uuid.uuid4())}])
def test_a_socket_that_is_opened_without_a_browsers_words_is_refused(auth: object) -> None:
    with pytest.raises(ValidationError):
        Opening.model_validate(auth)


def test_what_the_page_does_not_need_of_a_browsers_words_is_dropped() -> None:
    session = str(uuid.uuid4())
    words = {"sessionId": session, "clientType": "webapp", "userEnv": "no json", "chatProfile": "%00"}
    passed = Opening.model_validate(words).model_dump()
    assert passed == {"sessionId": session, "threadId": None, "clientType": "webapp"}
