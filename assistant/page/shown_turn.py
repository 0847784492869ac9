"""One turn on the chat page: a picture that sharpens while the model works, then the reply with its buttons.

It shows what `take_turn` reports in every tab of the conversation; it decides nothing and stores nothing.
"""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress

from chainlit.utils import utc_now
from PIL import Image

from assistant.conversation import Conversation
from assistant.page.live import Live, UnderWay, Visitor
from assistant.page.turn_view import message, picture, reply_message
from assistant.page.words import PageWords
from assistant.turn import Reply, Turn
from flux_runtime.errors import Broken, FluxRuntimeError
from flux_runtime.interface import Event, Queued, Step

PREVIEW_SIDE = 384
"""Longest side in pixels of a preview: enough to watch, light enough to send."""

PAINT_SECONDS = 0.1
"""The least time between two things shown: sooner, a browser and the model only take each other's time."""

_log = logging.getLogger(__name__)


class ShownTurn:
    """A turn with an idempotency key, begun in a visitor's tab."""

    def __init__(self, turn: Turn, visitor: Visitor, live: Live, words: PageWords) -> None:
        assert turn.idempotency_key
        self._turn = turn
        self._key = turn.idempotency_key
        self._visitor = visitor
        self._live = live
        self._words = words
        self._newest: Queued | Step | None = None
        self._heard = asyncio.Event()

    async def run(self, load: Callable[[], Conversation]) -> None:
        """Take the turn and show it until there is a reply, also when that is a failure or a stop.

        `load` gives the conversation, and may block or fail where its model is not loaded yet.
        """
        turn, cancel = self._turn, threading.Event()
        shown = [message(turn.session, reply_message(self._key), self._words.thinking, at=utc_now())]
        if turn.text:
            shown.insert(0, message(turn.session, self._key, turn.text, at=utc_now(), by=turn.owner))
        under_way = UnderWay(cancel, shown, uploads=bool(turn.attachments))
        await self._live.begin(self._visitor, self._key, under_way)
        reference = secrets.token_hex(4)
        reply: Reply | str = self._words.failed.format(reference=reference)
        try:
            reply = await self._take(load, cancel)
        except Exception as error:
            _log.exception("a turn failed, reference %s", reference)
            if isinstance(error, FluxRuntimeError) and error.code != Broken.code:
                reply = str(error)
        finally:
            await self._live.end(self._visitor, self._key, reply)

    async def _take(self, load: Callable[[], Conversation], cancel: threading.Event) -> Reply:
        loop = asyncio.get_running_loop()

        def hear(event: Event) -> None:
            loop.call_soon_threadsafe(self._hear, event)

        async def work() -> Reply:
            conversation = await asyncio.to_thread(load)
            return await conversation.take_turn(self._turn, on_event=hear, cancel=cancel)

        showing = asyncio.create_task(self._show_progress())
        try:
            return await _to_the_end(asyncio.create_task(work()), cancel)
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing

    def _hear(self, event: Event) -> None:
        """Keep the newest event that is shown; with a step, also a preview that has not been shown yet."""
        if not isinstance(event, Queued | Step):
            return
        before = self._newest
        if isinstance(event, Step) and isinstance(before, Step) and event.preview is None:
            event = event.model_copy(update={"preview": before.preview})
        self._newest = event
        self._heard.set()

    async def _show_progress(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            event, self._newest = self._newest, None
            if isinstance(event, Queued):
                await self._show(self._words.waiting.format(position=event.position))
            elif isinstance(event, Step):
                await self._show(self._words.drawing.format(step=event.step, of=event.of), event.preview)
            await asyncio.sleep(PAINT_SECONDS)

    async def _show(self, text: str, preview: Image.Image | None = None) -> None:
        element = None
        if preview is not None:
            url = await asyncio.to_thread(_inline, preview)
            element = picture(self._turn.session, reply_message(self._key), 0, url, "preview")
        await self._live.progress(self._visitor, self._key, text, element)


async def _to_the_end(working: asyncio.Task[Reply], cancel: threading.Event) -> Reply:
    """The task's result. When the page stops waiting, the model is stopped and its reply still awaited, so
    that nobody reads "stopped" while the model runs on."""
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        cancel.set()
        return await working


def _inline(preview: Image.Image) -> str:
    """A small preview as a data URL: it is never stored."""
    preview = preview.convert("RGB")
    preview.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    data = io.BytesIO()
    preview.save(data, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()
