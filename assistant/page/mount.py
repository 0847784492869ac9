"""Chainlit made a part of our server: its folder, its secret, its application, and who is signed in.

Chainlit reads its folder and its secret from the environment when it is imported, so a process can have one
page.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection
from starlette.responses import Response

from assistant.page.folders import PageFolder
from assistant.page.uploads import UPLOAD_PATH
from assistant.page.words import words_for
from assistant.service import Service
from assistant.turn import LOCAL_OWNER

if TYPE_CHECKING:
    from assistant.page.live import Live

_APP = Path(__file__).with_name("app.py")
_ASSETS = Path(__file__).with_name("assets")
_BUTTONS = "/project/action"

_log = logging.getLogger(__name__)


class Page:
    """The chat page over a service, ready to be mounted.

    Args:
        service: the history and the conversation that it shows.
        address: `http://host:port` that browsers will know it by.
        secret: what sign-in cookies are made with.
    """

    application: FastAPI

    def __init__(self, service: Service, *, address: str, secret: str) -> None:
        self._folder = PageFolder(_ASSETS)
        os.environ["CHAINLIT_APP_ROOT"] = str(self._folder.path)
        os.environ["CHAINLIT_AUTH_SECRET"] = secret
        # Another port of this host is another page, and a browser shows its cookies to this one as well.
        os.environ["CHAINLIT_AUTH_COOKIE_NAME"] = f"flux-assistant-{urlsplit(address).port}-signed-in"
        os.environ["CHAINLIT_COOKIE_SAMESITE"] = "strict"
        from chainlit.config import config, load_module

        config.project.allow_origins = [address]
        from chainlit.auth import ensure_jwt_secret
        from chainlit.server import app

        from assistant.page import served
        from assistant.page.live import Live

        self._live = Live(service.store)
        served.give(service, self._live)
        _hear_of_connections(self._live)
        # Chainlit says at warning level what concerns only its own developers.
        logging.getLogger("chainlit").setLevel(logging.ERROR)
        config.run.module_name = str(_APP)
        load_module(config.run.module_name)
        ensure_jwt_secret()
        for error in (ValueError, AssertionError):
            app.add_exception_handler(error, unusable_request)
        self.application = app

    async def owner_of(self, request: HTTPConnection) -> str | None:
        """Who sent the request, by its cookie; None if nobody is signed in."""
        from chainlit.auth import get_current_user, get_token_from_cookies

        try:
            user = await get_current_user(get_token_from_cookies(request.cookies) or "")
        except HTTPException:
            return None
        return user.identifier if user else None

    def give_cookie(self, request: Request, response: Response) -> None:
        """Put a cookie into the response by which `owner_of` knows the local owner from now on."""
        from chainlit.auth import create_jwt, set_auth_cookie
        from chainlit.user import User

        set_auth_cookie(request, response, create_jwt(User(identifier=LOCAL_OWNER)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, the page may be used; leaving it stops the turns that it shows."""
        watching = asyncio.create_task(self._live.watch())
        try:
            yield
        finally:
            watching.cancel()
            self._live.stop()  # turns under way would else hold up the end until they are done
            self._folder.close()


async def unusable_request(request: Request, error: Exception) -> JSONResponse:
    """Chainlit fails with a ValueError for a file of no bytes, for a button of no open tab or of no kind, and
    for text that cannot be encoded, and with an AssertionError for a file of no name.

    Say so instead of failing without words. Any other such error of it goes on as it was.
    """
    words, path = words_for(request.headers.get("accept-language")), request.url.path
    if not (path in (UPLOAD_PATH, _BUTTONS) or isinstance(error, UnicodeError)):
        raise error
    empty = path == UPLOAD_PATH and isinstance(error, ValueError)
    detail = words.empty_upload if empty else words.unreadable
    _log.info("%s: %s", request.url.path, error)
    return JSONResponse({"detail": detail}, status_code=400)


def _hear_of_connections(live: Live) -> None:
    """Tell `live` of every tab that connects; Chainlit has no callback for one that comes back."""
    from chainlit.server import sio
    from chainlit.session import WebsocketSession
    from chainlit.socket import connection_successful

    @sio.on("connection_successful")  # pyright: ignore[reportOptionalCall]
    async def connected(socket: str) -> None:
        await connection_successful(socket)
        if session := WebsocketSession.get(socket):
            await live.join(session)
