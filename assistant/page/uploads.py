"""How much a tab may upload, and all tabs together: Chainlit keeps an upload until its tab's session ends."""

from __future__ import annotations

from collections import defaultdict

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.page.words import words_for

UPLOAD_PATH = "/project/file"

MOST_FILES = 100
MOST_BYTES = 200 * 1024 * 1024
"""Of one tab; those that are under way count as well."""

MOST_FILES_OF_ALL = 500
MOST_BYTES_OF_ALL = 500 * 1024 * 1024


class BoundedUploads:
    """ASGI middleware: 413 and a sentence for what would be too much. The guard has checked id and length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way: defaultdict[str, list[int]] = defaultdict(list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != UPLOAD_PATH:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        session = request.query_params.get("session_id", "")
        size = int(request.headers.get("content-length", 0))
        if not self._has_room(session, size):
            words = words_for(request.headers.get("accept-language"))
            await JSONResponse({"detail": words.too_much_uploaded}, 413)(scope, receive, send)
            return
        self._under_way[session].append(size)
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[session].remove(size)
            if not self._under_way[session]:
                del self._under_way[session]

    def _has_room(self, session: str, size: int) -> bool:
        kept = _kept()
        here = [size, *kept.get(session, ()), *self._under_way.get(session, ())]
        everywhere = [size]
        for sizes in (*kept.values(), *self._under_way.values()):
            everywhere += sizes
        return (
            len(here) <= MOST_FILES
            and sum(here) <= MOST_BYTES
            and len(everywhere) <= MOST_FILES_OF_ALL
            and sum(everywhere) <= MOST_BYTES_OF_ALL
        )


def _kept() -> dict[str, list[int]]:
    """Session -> the bytes of each of its files."""
    from chainlit.session import ws_sessions_id

    return {
        name: [file["size"] for file in session.files.values()] for name, session in ws_sessions_id.items()
    }
