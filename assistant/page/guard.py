"""What every request to the chat page must satisfy before Chainlit sees it, and what every answer carries.

Who is signed in is known by a cookie, which the browser sends whoever asks it to. So other web sites, and
other host names that resolve here, are turned away.
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
    """ASGI middleware; refuses with 403 (host, origin), 404 (bad session id), 411 or 413 (body).

    Args:
        app: what is guarded.
        address: the `http://host:port` at which this machine serves it.
    """

    def __init__(self, app: ASGIApp, *, address: str) -> None:
        self._app = app
        self._address = address
        served = urlsplit(address)
        port = f":{served.port}" if served.port not in (None, 80) else ""
        names = {served.hostname, "localhost"}
        self._hosts = {f"[{name}]{port}" if ":" in str(name) else f"{name}{port}" for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if host not in self._hosts:
            return PlainTextResponse(f"This page is at {self._address} and nowhere else.", status_code=403)
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("Another site may not talk to this page.", status_code=403)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not all(map(is_session_id, query.get("session_id", ()))):
            return PlainTextResponse("There is no such session.", status_code=404)
        if "chunked" in headers.get("transfer-encoding", ""):
            return PlainTextResponse("Say how long the body is.", status_code=411)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return PlainTextResponse("A picture may have at most 20 MB.", status_code=413)
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(ANSWER_HEADERS)
        await send(message)

    return sending
