"""Signing in by the address that the server prints: its token is exchanged, once, for a cookie.

Whoever has an account on this machine can reach the port, but sees neither what the server prints nor the
browser's cookies. A cookie outlives the server, because the key that it is made with is kept in the data
folder: an open page goes on after a restart. Without `sign-in.key` there, the next start signs everybody out.
A browser shows its cookies for this host to servers on all ports of it, so it must not visit one that is not
trusted.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""What answers without signing in; it says nothing of anybody's."""

HOW_TO_SIGN_IN = (
    "Please open this page by the whole address that flux-assistant printed last: it ends with ?token=... "
    "and works once.\n"
    "请用 flux-assistant 最近一次打印的完整网址打开本页：网址以 ?token=… 结尾，只能使用一次。\n"
)

_KEY_DIGITS = 64
"""Hexadecimal digits of the key for cookies."""

# No redirect: the browser would think that the site that showed the link opens the page, and send no cookie.
_ENTER = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>…</title>'


class EntryToken:
    """The token of the printed address. Each lets one browser in, and then the next is announced.

    Args:
        announce: tells the person at this machine what the token is.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._token: bytes | None = None

    def renew(self) -> None:
        """Announce a new token; the one before it is worth nothing from now on."""
        token = secrets.token_urlsafe(32)
        self._token = token.encode()
        self._announce(token)

    def spend(self, given: str) -> bool:
        """Whether it is the token; if so, it was."""
        if self._token is None or not secrets.compare_digest(self._token, given.encode(errors="replace")):
            return False
        self.renew()
        return True


class SignIn:
    """ASGI middleware: lets in who has a cookie, gives one for the token, and refuses all others with 401.

    Args:
        app: what is for those who are signed in.
        token: what the cookie is exchanged for.
        owner_of: who sent a request, by its cookie; None if nobody is signed in.
        give_cookie: puts a cookie that `owner_of` knows into a response to that request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: EntryToken,
        owner_of: Callable[[HTTPConnection], Awaitable[str | None]],
        give_cookie: Callable[[Request, Response], None],
    ) -> None:
        self._app = app
        self._token = token
        self._owner_of = owner_of
        self._give_cookie = give_cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        given = connection.query_params.get("token")
        entering = given is not None and scope["path"] == "/" and scope.get("method") == "GET"
        signed_in = await self._owner_of(connection) is not None
        if signed_in and not entering:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif signed_in:
            await HTMLResponse(_ENTER)(scope, receive, send)
        elif entering and self._token.spend(given or ""):
            answer = HTMLResponse(_ENTER, headers={"Cache-Control": "no-store"})
            self._give_cookie(Request(scope), answer)
            await answer(scope, receive, send)
        else:
            refusal = PlainTextResponse(HOW_TO_SIGN_IN, 401, headers={"Cache-Control": "no-store"})
            await refusal(scope, receive, send)


def sign_in_secret(data_dir: Path) -> str:
    """The key that cookies are made with: made once, or anew if it is none; readable by the owner alone."""
    file = data_dir / "sign-in.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if file.exists() and len(file.read_bytes()) != _KEY_DIGITS:
        file.unlink(missing_ok=True)  # cut short, perhaps by a full disk: anybody could make its cookies
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=data_dir) as new:
            new.write(secrets.token_hex(_KEY_DIGITS // 2))
            new.flush()
            # Another page may have been quicker; the file is never seen half written.
            with suppress(FileExistsError):
                os.link(new.name, file)
    return file.read_text(encoding="ascii")
