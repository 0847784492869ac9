"""The assistant as a web server on this machine: guard, health checks, pictures, and the chat page mounted.

It draws nothing and knows no conversation; what happens on the page is in page/app.py.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from assistant.connections import ACCEPTED_AT_ONCE, SameComplaint, descriptor_limit, http_protocol
from assistant.page.guard import LOOPBACK_HOSTS, PageGuard
from assistant.page.mount import Page
from assistant.page.sockets import guard_sockets
from assistant.page.surface import UsedPart
from assistant.page.uploads import BoundedUploads
from assistant.service import Service
from assistant.settings import Settings
from assistant.sign_in import EntryToken, SignIn, sign_in_secret
from flux_runtime.errors import TryOther
from flux_runtime.interface import Runtime
from sessions.records import Damaged, NotFound

_SHUTDOWN_SECONDS = 3

_log = logging.getLogger(__name__)


class CannotServe(TryOther):
    """The page cannot be opened at the address asked for."""

    code = "cannot_serve"


def serve(settings: Settings, *, runtime: Runtime | None = None) -> None:
    """Serve the chat page until interrupted; port 0 takes any free one. A given runtime replaces the model's.

    Raises:
        CannotServe: the address is not on this machine, or the port is taken or not allowed.
    """
    with listen(settings.host, settings.port) as listener:
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{name}:{listener.getsockname()[1]}"
        token = EntryToken(lambda token: _announce(f"{address}/?token={token}"))
        app = build_app(settings, address, token, runtime=runtime)
        token.renew()
        config = uvicorn.Config(
            app,
            http=http_protocol(descriptor_limit()),
            loop="asyncio",
            backlog=ACCEPTED_AT_ONCE,
            log_level="warning",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        for name in ("asyncio", "uvicorn.error"):
            logging.getLogger(name).addFilter(SameComplaint())
        with _a_closed_terminal_ends_it():
            uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _a_closed_terminal_ends_it() -> Iterator[None]:
    """While inside, a hangup ends the server as `kill` does; under `nohup` it stays ignored."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(hangup, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(hangup, before)


def build_app(
    settings: Settings, address: str, token: EntryToken, *, runtime: Runtime | None = None
) -> FastAPI:
    """This assistant's web application, for the `http://host:port` at which the token will let people in.

    Health checks and pictures are its own; the chat page is mounted below them. All show one service, made of
    these settings, or of them and a model that is there already. Chainlit allows one page in a process.
    """
    service = Service(settings, runtime=runtime)
    page = Page(service, address=address, secret=sign_in_secret(settings.data_dir))
    guard_sockets()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(asyncio.to_thread(_load_model, service))
        async with page.running():
            yield
        await loading
        await asyncio.to_thread(service.close)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_middleware(SignIn, token=token, owner_of=page.owner_of, give_cookie=page.give_cookie)
    app.add_middleware(PageGuard, address=address)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        """The model is loaded: 200, else 503."""
        if service.is_ready():
            return PlainTextResponse("ok")
        return PlainTextResponse("loading", status_code=503)

    @app.get("/images/{image}.png")
    async def picture(image: str, request: Request) -> Response:
        """A picture, to its owner: 404 for a foreign one and one that never was, 410 if its file is gone."""
        owner = await page.owner_of(request)
        try:
            png = await asyncio.to_thread(service.store.images.png, owner or "", image)
        except NotFound:
            raise HTTPException(404, "There is no such picture.") from None
        except Damaged as error:
            # It may come back, so nobody is to remember this.
            raise HTTPException(410, str(error), {"Cache-Control": "no-store"}) from None
        # The bytes behind an id never change.
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(png, media_type="image/png", headers=headers)

    @app.post("/set-session-cookie")
    async def remember_server() -> dict[str, str]:
        """Chainlit's page asks for a cookie by which servers share their visitors; there is one server."""
        return {}

    app.mount("/", BoundedUploads(UsedPart(page.application)))
    return app


def _announce(address: str) -> None:
    # Whoever started this may have stopped reading what it prints; those who are signed in go on.
    with suppress(OSError):
        print(f"Chat page: {address}  (works once; Ctrl-C stops the page)", flush=True)


def _load_model(service: Service) -> None:
    """Load early, so that the first visitor does not wait; whoever needs the model hears of a failure."""
    try:
        service.conversation()
    except Exception:
        _log.exception("the model could not be loaded")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; who connects early waits. Raises CannotServe as `serve` does."""
    if host not in LOOPBACK_HOSTS:
        raise CannotServe(
            f"The chat page is for the people of this machine, and others could reach {host}.",
            stage="start",
            remedy="Use 127.0.0.1.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns delays off (TCP_NODELAY) only where it reads here that this is TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
