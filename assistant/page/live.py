"""Keeps every open tab of a conversation at what the store says, whoever takes the turns and wherever.

Turns taken on this page are shown in all tabs while they run; those of other processes appear within a second
or so; what a tab missed while it was not connected is sent when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from chainlit.element import ElementDict
from chainlit.step import StepDict

from assistant.page import turn_view
from assistant.turn import Reply
from sessions.records import History, NotFound, TurnRecord
from sessions.store import SessionStore

LOOK_SECONDS = 1.0
"""Between two looks at the store for turns of other processes, while any tab is open."""

DOUBTFUL_SECONDS = 60.0
"""What was sent so long before a tab came back may have been lost: a dead connection is noticed after the 45
seconds of Socket.IO's ping."""

BUTTONED_TURNS = 10
"""How many of the last turns get their buttons in a tab that is opened; older pictures have their numbers."""

_log = logging.getLogger(__name__)


class Thread(NamedTuple):
    """A conversation as the store knows it."""

    owner: str
    name: str


class Visitor(Protocol):
    """Chainlit's session: one tab, also while its connection is lost for a time."""

    thread_id: str
    user: Any

    @property
    def emit(self) -> Callable[[str, Any], Any]:
        """Called and awaited with an event of Chainlit's page and its data."""
        ...


@dataclass
class UnderWay:
    """A turn that runs here: what stops it, and what it shows at the moment, the reply's message last."""

    cancel: threading.Event
    shown: list[StepDict]
    uploads: bool = False
    """Pictures came with it."""
    preview: ElementDict | None = None


@dataclass
class _Tab:
    """What a tab has been sent, by the keys of turns."""

    ended: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Turns with their replies: when, and what was said. A turn that failed may be done again."""
    open: set[str] = field(default_factory=set)
    """Turns as far as they were."""
    failed: dict[str, StepDict] = field(default_factory=dict)
    """Last words of turns begun here that the store may know no reply of."""
    opening: bool = False
    """The conversation is being shown in it for the first time: nothing of it can have been lost."""
    own: set[str] = field(default_factory=set)
    """Turns begun in it: what was said and sent it shows by itself, in the person's own spelling."""
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)


class Live:
    """The tabs that are open now and the turns that run now. Everything is called on the event loop."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._tabs: WeakKeyDictionary[Visitor, _Tab] = WeakKeyDictionary()
        self._connected: dict[Thread, list[Visitor]] = {}
        self._under_way: dict[Thread, dict[str, UnderWay]] = {}

    async def join(self, visitor: Visitor) -> None:
        """The visitor's tab is connected, for the first time or again: send what it lacks."""
        thread, now = _thread(visitor), time.monotonic()
        connected = self._connected.setdefault(thread, [])
        if visitor not in connected:
            connected.append(visitor)
        tab = self._tab(visitor)
        if not tab.opening:
            tab.ended = {key: sent for key, sent in tab.ended.items() if now - sent[0] > DOUBTFUL_SECONDS}
            tab.open.clear()
        tab.opening = False
        if thread in self._under_way:  # Chainlit has just told the tab that nothing runs
            await visitor.emit("task_start", {})
        for message in tab.failed.values():
            await visitor.emit("new_message", message)
        await self._bring_up_to_date(thread, [visitor])

    def leave(self, visitor: Visitor) -> None:
        """The connection is lost, or the tab closed."""
        thread = _thread(visitor)
        left = [each for each in self._connected.get(thread, []) if each is not visitor]
        if left:
            self._connected[thread] = left
        else:
            self._connected.pop(thread, None)

    async def has(self, visitor: Visitor, steps: Iterable[StepDict]) -> None:
        """The tab is being opened and will be shown these messages of its thread: add the last buttons."""
        outputs = {step.get("id"): step.get("output") for step in steps}
        history = await self._history(_thread(visitor))
        turns = [
            turn
            for turn in (history.turns if history else ())
            if turn.reply and outputs.get(turn_view.reply_message(turn.key)) == turn.reply["text"]
        ]
        tab, now = self._tab(visitor), time.monotonic()
        tab.opening = True
        tab.ended |= {turn.key: (now, outputs[turn_view.reply_message(turn.key)] or "") for turn in turns}
        for turn in turns[-BUTTONED_TURNS:]:
            if reply := turn_view.stored_reply(turn):
                await _send_buttons(visitor, reply, turn.key)

    async def begin(self, visitor: Visitor, key: str, under_way: UnderWay) -> None:
        """A turn begins in the visitor's tab."""
        thread = _thread(visitor)
        self._under_way.setdefault(thread, {})[key] = under_way
        self._tab(visitor).own.add(key)
        for each in self._visitors(visitor):
            self._tab(each).open.add(key)
            await each.emit("task_start", {})
            await _send_under_way(each, under_way)

    async def progress(
        self, visitor: Visitor, key: str, text: str, preview: ElementDict | None = None
    ) -> None:
        """The turn of that key now says this, and shows this if it is not None."""
        under_way = self._under_way[_thread(visitor)][key]
        under_way.shown[-1] = {**under_way.shown[-1], "output": text}
        under_way.preview = preview or under_way.preview
        for each in self._visitors(visitor):
            # The page scrolls to what is new when a message changes: so the message comes last, also below.
            if preview:
                await each.emit("element", preview)
            await each.emit("new_message", under_way.shown[-1])

    async def end(self, visitor: Visitor, key: str, reply: Reply | str) -> None:
        """The turn of that key, begun in the visitor's tab, has come to its end.

        `reply` is a sentence where there could be no reply.
        """
        thread = _thread(visitor)
        under_way = self._under_way[thread].pop(key)
        if not self._under_way[thread]:
            del self._under_way[thread]
        text = reply if isinstance(reply, str) else reply.text
        shown = [] if isinstance(reply, str) else turn_view.pictures_of(reply, key)
        last: StepDict = {**under_way.shown[-1], "output": text}
        if isinstance(reply, str) or reply.error:
            self._tab(visitor).failed[key] = last
        for each in self._visitors(visitor):
            tab = self._tab(each)
            async with tab.sending:
                if each in self._connected.get(thread, ()):  # else it is sent when the tab comes back
                    tab.ended[key] = time.monotonic(), text
                if under_way.preview and not shown:
                    await each.emit("remove_element", {"id": under_way.preview.get("id")})
                for picture in shown:
                    await each.emit("element", picture)
                if not isinstance(reply, str):
                    await _send_buttons(each, reply, key)
                if thread not in self._under_way:  # only now are buttons seen
                    await each.emit("task_end", {})
                await each.emit("new_message", last)
        if under_way.uploads:
            await self._send_uploads(thread, key)

    def stop(self, visitor: Visitor | None = None) -> None:
        """Stop the models of the turns of a visitor's conversation, or of all, between two steps."""
        for thread in [_thread(visitor)] if visitor else list(self._under_way):
            for each in self._under_way.get(thread, {}).values():
                each.cancel.set()

    async def watch(self) -> None:
        """Look for turns of other processes until cancelled."""
        seen: dict[Thread, object] = {}
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            seen = {thread: last for thread, last in seen.items() if thread in self._connected}
            for thread in list(self._connected):
                try:
                    last = await asyncio.to_thread(self._last_turn, thread)
                    if seen.get(thread) != last:
                        await self._bring_up_to_date(thread, list(self._connected.get(thread, ())))
                        seen[thread] = last
                except Exception:
                    # The store may be busy, or a reply newer than this program: the next look tries again.
                    _log.info("the store could not be looked at", exc_info=True)

    def _last_turn(self, thread: Thread) -> object:
        session = self._store.find_session(*thread)
        last = self._store.last_turn(session) if session else None
        return (last.id, last.status) if last else None

    async def _history(self, thread: Thread) -> History | None:
        try:
            return await asyncio.to_thread(self._store.history, *thread)
        except NotFound:
            return None

    async def _bring_up_to_date(self, thread: Thread, visitors: list[Visitor]) -> None:
        history = await self._history(thread)
        for visitor in visitors:
            tab = self._tab(visitor)
            async with tab.sending:
                if history:
                    for turn in history.turns:
                        await self._send_turn(visitor, tab, history, turn)
                for key, under_way in self._under_way.get(thread, {}).items():
                    if key not in tab.open:
                        tab.open.add(key)
                        await _send_under_way(visitor, under_way)

    async def _send_turn(self, visitor: Visitor, tab: _Tab, history: History, turn: TurnRecord) -> None:
        """Send what the tab lacks of a stored turn. Those that run here show themselves."""
        key = turn.key
        running = key in self._under_way.get(_thread(visitor), {})
        if turn.reply is None:
            known = key in tab.open or key in tab.failed
        else:
            known = key in tab.ended and tab.ended[key][1] == turn.reply["text"]
        if running or known:
            return
        reply = turn_view.stored_reply(turn)
        if reply:
            tab.ended[key] = time.monotonic(), reply.text
            tab.failed.pop(key, None)
        tab.open.add(key)
        *before, last = turn_view.messages(history, turn)
        if key not in tab.own:
            for message in before:
                await visitor.emit("new_message", message)
        for picture in turn_view.pictures(history, turn):
            if picture.get("forId") != key or key not in tab.own:
                await visitor.emit("element", picture)
        if reply:
            await _send_buttons(visitor, reply, key)
        await visitor.emit("new_message", last)

    async def _send_uploads(self, thread: Thread, key: str) -> None:
        """Show the pictures that came with a turn in the tabs that they were not sent from."""
        history = await self._history(thread)
        turn = next((each for each in history.turns if each.key == key), None) if history else None
        if history is None or turn is None:
            return
        for picture in turn_view.pictures(history, turn):
            for each in self._connected.get(thread, ()):
                if picture.get("forId") == key and key not in self._tab(each).own:
                    await each.emit("element", picture)

    def _tab(self, visitor: Visitor) -> _Tab:
        return self._tabs.setdefault(visitor, _Tab())

    def _visitors(self, visitor: Visitor) -> list[Visitor]:
        """The tabs of the visitor's thread that are connected, and the visitor's own in any case."""
        others = [each for each in self._connected.get(_thread(visitor), []) if each is not visitor]
        return [visitor, *others]


def _thread(visitor: Visitor) -> Thread:
    return Thread(visitor.user.identifier if visitor.user else "", visitor.thread_id)


async def _send_under_way(visitor: Visitor, under_way: UnderWay) -> None:
    for message in under_way.shown:
        await visitor.emit("new_message", message)
    if under_way.preview:
        await visitor.emit("element", under_way.preview)


async def _send_buttons(visitor: Visitor, reply: Reply, key: str) -> None:
    for button in turn_view.buttons(reply.actions, turn_view.reply_message(key)):
        # The page adds a button without looking whether it is there already.
        await visitor.emit("remove_action", button.to_dict())
        await visitor.emit("action", button.to_dict())
