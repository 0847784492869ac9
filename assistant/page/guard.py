"""What every request to the chat page must satisfy before Chainlit sees it, and what every answer carries.

The page signs in the person at this machine by itself, so nothing but that person's own browser tab may talk
to it: other web sites, other host names that resolve here, and endpoints it does not use are turned away.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.page.sockets import is_session_id

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

MAX_BODY_BYTES = 21 * 1024 * 1024
"""One upload of 20 MB and its envelope."""

#: Chainlit's own, not used by the page: connecting to MCP servers, and showing a conversation to strangers.
CLOSED_PATHS = ("/mcp", "/project/share", "/project/thread/share")

ANSWER_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # Inline scripts and styles are Chainlit's own; nothing is loaded from, or sent to, any other machine.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
}


class PageGuard:
    """ASGI middleware; refuses with 403 (host, origin), 404 (closed path, bad session id), 411 or 413 (body)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, _with_headers(send))


def _refusal(scope: Scope) -> PlainTextResponse | None:
    headers = Headers(scope=scope)
    if _host_name(headers.get("host", "")) not in LOOPBACK_HOSTS:
        return PlainTextResponse("This page is for the machine that it runs on.", status_code=403)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers["host"]:
        return PlainTextResponse("Another site may not talk to this page.", status_code=403)
    if scope["path"].rstrip("/") in CLOSED_PATHS or scope["path"].startswith("/project/share/"):
        return PlainTextResponse("There is no such page.", status_code=404)
    sessions = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("session_id", ())
    if not all(map(is_session_id, sessions)):
        return PlainTextResponse("There is no such session.", status_code=404)
    if "chunked" in headers.get("transfer-encoding", ""):
        return PlainTextResponse("Say how long the body is.", status_code=411)
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return PlainTextResponse("A picture may have at most 20 MB.", status_code=413)
    return None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(ANSWER_HEADERS)
        await send(message)

    return sending
