"""The part of Chainlit's server that the page uses. Whatever else it has, now or later, is closed.

So are its API's documentation, source maps, other ways to sign in, the widget for other web sites, feedback,
sharing, custom elements and MCP servers.
"""

from __future__ import annotations

import re

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_USED = re.compile(
    r"""
    / | /login | /thread/.+                                             # the page itself
    | /(assets|public)/.+ (?<! \.map ) | /favicon | /logo | /avatars/[^/]+   # what it is made of
    | /auth/(config|header) | /user | /logout                           # who is signed in
    | /project/(settings|translations)                                  # words
    | /project/threads | /project/thread | /project/thread/.+           # conversations
    | /project/(action|file) | /project/file/[^/]+                      # buttons and uploads
    | /ws/socket\.io/?
    """,
    re.VERBOSE | re.DOTALL,
)
_SHARING = "/project/thread/share"

_LONGEST_NAME = 255
"""Bytes in one part of a path: what a file system takes."""


def is_used(path: str) -> bool:
    """Whether the page has any use for the path, and a file system could take it."""
    parts = path.split("/")
    plain = path.isprintable() and all(len(part.encode()) <= _LONGEST_NAME for part in parts)
    return plain and ".." not in parts and path.rstrip("/") != _SHARING and _USED.fullmatch(path) is not None


class UsedPart:
    """ASGI application: Chainlit's, where the page uses it; 404 elsewhere."""

    def __init__(self, chainlit: ASGIApp) -> None:
        self._chainlit = chainlit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_used(scope["path"]):
            await self._chainlit(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("There is no such page.", status_code=404)(scope, receive, send)
