"""First come, first served: the order in which the turns of a conversation wait for each other here.

It orders the turns of this process only. That no two of a conversation run at once, in any process, is the
business of the locks (`turn_locks.py`) and of the order in which the store has them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable
from concurrent.futures import Future


class Place:
    """One turn's place behind another's, or at the front."""

    def __init__(self, before: Future[None] | None) -> None:
        self._before = before
        self.left: Future[None] = Future()

    async def reached(self) -> None:
        """Wait until everybody before has left. Whoever gives up waiting still has to leave."""
        if self._before:
            await asyncio.shield(asyncio.wrap_future(self._before))

    def leave(self) -> None:
        """Let the next one go on, but not before those who are still in front of this place."""
        if self._before and not self._before.done():
            self._before.add_done_callback(lambda _: self.left.set_result(None))
        else:
            self.left.set_result(None)


class Arrivals:
    """The line of each conversation that has one. Any thread may join one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[Hashable, Future[None]] = {}

    def join(self, conversation: Hashable) -> Place:
        """The place behind the one who joined last."""
        with self._lock:
            place = Place(self._last.get(conversation))
            self._last[conversation] = place.left
        place.left.add_done_callback(lambda left: self._forget(conversation, left))
        return place

    def _forget(self, conversation: Hashable, left: Future[None]) -> None:
        with self._lock:
            if self._last.get(conversation) is left:
                del self._last[conversation]
