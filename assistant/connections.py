"""How many connections the server holds, how long it waits for a client's words, and how loudly it complains.

uvicorn waits for ever for the head and the body of a request and accepts whatever comes. When a process has
no descriptor left, asyncio tries again without a pause and logs every failure. So connections stay well below
the limit: when there are too many, the one that has been idle longest is closed for a new one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""For the whole head of a request, counted from the connection or from the answer before."""

BODY_SECONDS = 60.0
"""For the whole body: 20 MB from this machine take less than one."""

ACCEPTED_AT_ONCE = 32
"""Connections that asyncio accepts before those that are too many are closed."""

RESERVED = 128
"""Descriptors that connections leave to the store, the model, decoders, and what is accepted at once."""

MOST_CONNECTIONS = 1000
SAME_COMPLAINT_SECONDS = 10.0


def descriptor_limit() -> int:
    """How many descriptors this process may have, after as many were asked for as it may ask for."""
    try:
        import resource
    except ImportError:  # Windows has no such limit on sockets
        return RESERVED + MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS says that there is no limit, but keeps one
        return soft
    return hard if hard != resource.RLIM_INFINITY else RESERVED + MOST_CONNECTIONS


def http_protocol(descriptors: int) -> type[H11Protocol]:
    """uvicorn's protocol for a server of a process that may have so many descriptors."""
    most = max(1, min(descriptors - RESERVED, MOST_CONNECTIONS))
    return type("BoundedHTTP", (_BoundedHTTP,), {"most": most, "idle": {}})


class _BoundedHTTP(H11Protocol):
    """One connection. A client owes us the head of a request, then its body; then we owe it the answer.

    Attributes:
        most: how many connections there may be, WebSockets among them.
        idle: those to which we owe nothing, the longest idle first.
    """

    most: ClassVar[int]
    idle: ClassVar[dict[_BoundedHTTP, None]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owed: Any = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            next(iter(self.idle), self)._close()
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _look(self) -> None:
        """Note whom we wait for now. Time for what is owed runs from the moment since which it is owed."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._forget()
            return
        if self.cycle is None or self.cycle.response_complete:
            self.idle.setdefault(self)
        else:
            self.idle.pop(self, None)
        owed = self.conn.their_state
        if owed is not self._owed:
            self._forget_timer()
            self._owed = owed
            seconds = {h11.IDLE: HEAD_SECONDS, h11.SEND_BODY: BODY_SECONDS}.get(owed)
            if seconds is not None:
                self._timer = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self._forget()
        self.connections.discard(self)
        self.transport.abort()

    def _forget(self) -> None:
        self.idle.pop(self, None)
        self._forget_timer()

    def _forget_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class SameComplaint(logging.Filter):
    """Lets a record pass if none was logged in the last seconds that is the same but for its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        error = record.exc_info[1] if record.exc_info else None
        kind = (record.name, str(record.msg), type(error), str(error))
        now = time.monotonic()
        self._last = {each: at for each, at in self._last.items() if now - at < SAME_COMPLAINT_SECONDS}
        return self._last.setdefault(kind, now) == now
