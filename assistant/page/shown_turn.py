"""One turn on the chat page: a picture that sharpens while the model works, then the reply with its buttons.

It shows what `take_turn` reports; it decides nothing and stores nothing.
"""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import secrets
import threading
from collections.abc import Callable, Sequence

import chainlit as cl
from PIL import Image

from assistant.conversation import Conversation
from assistant.page.history import image_address
from assistant.page.words import PageWords
from assistant.turn import Action, Reply, Turn
from flux_runtime.errors import Broken, FluxRuntimeError
from flux_runtime.interface import Event, Queued, Step

PREVIEW_SIDE = 384
"""Longest side in pixels of a preview: enough to watch, light enough to send at every step."""

BUTTON = "reply-action"
"""The name under which Chainlit calls back when a button is pressed; its payload is an `Action`."""

_ICONS = {
    "ask": "message-circle-question",
    "edit": "wand-sparkles",
    "vary": "dices",
    "undo": "undo-2",
    "redo": "redo-2",
}

_log = logging.getLogger(__name__)


#: Chainlit session -> what stops each of its turns that are under way
_under_way: dict[str, set[threading.Event]] = {}


def stop_turns(session: str | None = None) -> None:
    """Stop the models of a Chainlit session's turns, or of all sessions', between two steps."""
    for each in [session] if session else list(_under_way):
        for cancel in _under_way.get(each, ()):
            cancel.set()


class ShownTurn:
    """The message of one turn."""

    def __init__(self, words: PageWords) -> None:
        self._words = words
        self._message = cl.Message(content=words.thinking)
        self._picture: cl.Image | None = None

    async def run(self, load: Callable[[], Conversation], turn: Turn) -> None:
        """Take the turn and show it until there is a reply, also when that is a failure or a stop.

        `load` gives the conversation, and may block or fail where its model is not loaded yet.
        """
        session, cancel = cl.context.session.id, threading.Event()
        _under_way.setdefault(session, set()).add(cancel)
        try:
            await self._take(load, turn, cancel)
        finally:
            _under_way[session].discard(cancel)
            if not _under_way[session]:
                del _under_way[session]

    async def _take(self, load: Callable[[], Conversation], turn: Turn, cancel: threading.Event) -> None:
        await self._message.send()
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def hear(event: Event) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        async def work() -> Reply:
            conversation = await asyncio.to_thread(load)
            return await conversation.take_turn(turn, on_event=hear, cancel=cancel)

        showing = asyncio.create_task(self._show_progress(events))
        working = asyncio.create_task(work())
        reply, reference = None, secrets.token_hex(4)
        failed = self._words.failed.format(reference=reference)
        try:
            reply = await _to_the_end(working, cancel)
        except Exception as error:
            _log.exception("a turn failed, reference %s", reference)
            if isinstance(error, FluxRuntimeError) and error.code != Broken.code:
                failed = str(error)
        finally:
            events.put_nowait(None)
        await showing
        if reply:
            await self._show(reply)
        else:
            await self._say(failed)

    async def _show_progress(self, events: asyncio.Queue[Event | None]) -> None:
        while (event := await events.get()) is not None:
            if isinstance(event, Queued):
                await self._say(self._words.waiting.format(position=event.position))
            elif isinstance(event, Step):
                await self._say(self._words.drawing.format(step=event.step, of=event.of))
                # When the page lags behind the model, only the newest preview is worth sending.
                if event.preview is not None and events.empty():
                    await self._show_picture(_inline(event.preview), name="preview")

    async def _say(self, text: str) -> None:
        self._message.content = text
        await self._message.update()

    async def _show_picture(self, url: str, name: str) -> None:
        if self._picture is None:
            self._picture = cl.Image(url=url, name=name)
            self._picture.updatable = True
        self._picture.url, self._picture.name = url, name
        await self._picture.send(for_id=self._message.id, persist=False)

    async def _show(self, reply: Reply) -> None:
        shown = reply.images or reply.candidates
        if shown:
            await self._show_picture(image_address(shown[0].id), f"#{shown[0].n}")
        elif self._picture is not None:
            await self._picture.remove()
        for image in shown[1:]:
            await cl.Image(url=image_address(image.id), name=f"#{image.n}").send(
                self._message.id, persist=False
            )
        await self._say(reply.text)
        await send_buttons(reply.actions, self._message.id)


async def send_buttons(actions: Sequence[Action], message: str) -> None:
    """Put a reply's buttons under the message of that id."""
    for action in actions:
        button = cl.Action(
            name=BUTTON,
            label=action.label,
            payload=action.model_dump(),
            icon=_ICONS.get(action.command or ""),
        )
        await button.send(for_id=message)


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
