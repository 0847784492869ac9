"""The chat page as a web server on this machine: guard, health checks, pictures, and Chainlit behind them.

It draws nothing and knows no conversation; what happens on the page is in page/app.py.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse

from assistant.page.guard import LOOPBACK_HOSTS, PageGuard
from assistant.page.instance import close_page, is_ready, page_conversation, page_store
from assistant.settings import Settings
from flux_runtime.errors import TryOther
from sessions.records import NotFound

_PROJECT = Path(__file__).resolve().parent.parent
_APP = Path(__file__).with_name("page") / "app.py"
_SHUTDOWN_SECONDS = 3
_UPLOADS = "/project/file"

_log = logging.getLogger(__name__)


class CannotServe(TryOther):
    """The page cannot be opened at the address asked for."""

    code = "cannot_serve"


def serve(settings: Settings) -> None:
    """Serve the chat page until interrupted; port 0 takes any free one.

    Raises:
        CannotServe: the address is not on this machine, or the port is taken or not allowed.
    """
    with listen(settings.host, settings.port) as listener:
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{name}:{listener.getsockname()[1]}"
        app = build_app(settings, address)
        print(f"Chat page: {address}  (Ctrl-C stops it)", flush=True)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_SHUTDOWN_SECONDS)
        uvicorn.Server(config).run(sockets=[listener])


def build_app(settings: Settings, address: str) -> FastAPI:
    """The page's web application, for the `http://host:port` that it will be served at.

    Chainlit reads its place and its secret from the environment when it is imported, so this can be done only
    once in a process.
    """
    root = _chainlit_root()
    os.environ["CHAINLIT_APP_ROOT"] = str(root)
    os.environ["CHAINLIT_AUTH_SECRET"] = sign_in_secret(settings.data_dir)
    from chainlit.config import config, load_module

    config.project.allow_origins = [address]
    from chainlit.auth import ensure_jwt_secret, get_current_user, get_token_from_cookies
    from chainlit.server import app as chainlit_app

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(asyncio.to_thread(_load_model))
        yield
        # Imported by now, with Chainlit; turns under way would else hold up the end until they are done.
        from assistant.page.shown_turn import stop_turns

        stop_turns()
        await loading
        await asyncio.to_thread(close_page)
        shutil.rmtree(root, ignore_errors=True)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_middleware(PageGuard)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        """The model is loaded: 200, else 503."""
        return PlainTextResponse("ok") if is_ready() else PlainTextResponse("loading", status_code=503)

    @app.get("/images/{image}.png")
    async def picture(image: str, request: Request) -> FileResponse:
        """A picture, to its owner; a foreign one does not exist."""
        user = await get_current_user(get_token_from_cookies(request.cookies) or "")
        try:
            path = page_store().images.path(user.identifier if user else "", image)
        except NotFound:
            raise HTTPException(404, "There is no such picture.") from None
        # The bytes behind an id never change.
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/png", headers=headers)

    # Chainlit says at warning level what concerns only its own developers.
    logging.getLogger("chainlit").setLevel(logging.ERROR)
    config.run.module_name = str(_APP)
    load_module(config.run.module_name)
    ensure_jwt_secret()
    chainlit_app.add_exception_handler(ValueError, unusable_upload)
    app.mount("/", chainlit_app)
    return app


async def unusable_upload(request: Request, error: Exception) -> JSONResponse:
    """Chainlit raises a ValueError for a file of no bytes; say so instead of failing without words.

    Any other ValueError of it goes on as it was.
    """
    if request.url.path != _UPLOADS:
        raise error
    _log.info("%s: %s", request.url.path, error)
    return JSONResponse({"detail": "the file is empty"}, status_code=400)


def _load_model() -> None:
    """Load early, so that the first visitor does not wait; whoever needs the model hears of a failure."""
    try:
        page_conversation()
    except Exception:
        _log.exception("the model could not be loaded")


def _chainlit_root() -> Path:
    """A folder of this process's own with the page's configuration, words and pictures.

    Chainlit writes beside its configuration and empties a folder there when it stops; two pages at once, or a
    read-only installation, must not meet in one place.
    """
    root = Path(tempfile.mkdtemp(prefix="flux-assistant-page-"))
    for folder in (".chainlit", "public"):
        shutil.copytree(_PROJECT / folder, root / folder)
    for words in _PROJECT.glob("chainlit*.md"):
        shutil.copy(words, root)
    return root


def sign_in_secret(data_dir: Path) -> str:
    """The key that sign-in cookies are made with: made once, readable by the owner alone."""
    file = data_dir / "sign-in.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=data_dir) as new:
            new.write(secrets.token_hex(32))
            new.flush()
            # Another page may have been quicker; the file is never seen half written.
            with suppress(FileExistsError):
                os.link(new.name, file)
    return file.read_text(encoding="ascii")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; who connects early waits. Raises CannotServe as `serve` does."""
    if host not in LOOPBACK_HOSTS:
        raise CannotServe(
            f"The chat page signs in whoever opens it, and others could reach {host}.",
            stage="start",
            remedy="Use 127.0.0.1.",
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise CannotServe(
            f"Port {port} is taken." if taken else f"{host}, port {port}: {error.strerror}.",
            stage="start",
            remedy=f"Another one: flux-assistant chat --port {port + 1 if taken and port < 65535 else 0}",
        ) from error
    return listener
