"""The chat page's callbacks: what Chainlit calls when a person opens, types, presses, uploads or stops.

Chainlit runs this file itself and nobody may import it. It only translates; a turn is shown by shown_turn.py.
"""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import cast

import chainlit as cl
from chainlit.auth.cookie import get_token_from_cookies
from chainlit.auth.jwt import decode_jwt
from chainlit.config import config
from chainlit.context import context
from chainlit.input_widget import Select, Slider, TextInput
from chainlit.session import WebsocketSession
from chainlit.types import ThreadDict
from jwt import InvalidTokenError
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from assistant.page.history import ChatHistory
from assistant.page.panel import MOST_STEPS, read_panel
from assistant.page.served import live, service
from assistant.page.shown_turn import ShownTurn
from assistant.page.turn_view import BUTTON
from assistant.page.unforeseen import told_in_words
from assistant.page.words import PageWords, words_for
from assistant.phrases import numbers
from assistant.turn import LOCAL_OWNER, Action, Turn
from tools import TOOLS

PREVIEWS = 4
"""How many previews of a picture are asked for."""


@cl.header_auth_callback
async def sign_in(headers: Headers) -> cl.User | None:
    """Renews a cookie that is still good; the first one is given for the token of the printed address."""
    cookie = get_token_from_cookies(cookie_parser(headers.get("cookie", "")))
    try:
        return decode_jwt(cookie or "")
    except InvalidTokenError:
        return None


@cl.data_layer
def history() -> ChatHistory:
    return ChatHistory(service().store, LOCAL_OWNER)


@cl.set_starters
async def starters(user: cl.User | None, language: str | None) -> list[cl.Starter]:
    return [
        cl.Starter(label=each.label, message=each.message, icon=f"/public/icons/{each.icon}")
        for each in words_for(language).starters
    ]


@cl.on_chat_start
async def begin() -> None:
    await _set_up()


@cl.on_chat_resume
async def resume(thread: ThreadDict) -> None:
    await live().has(_visitor(), thread["steps"])
    await _set_up()


@cl.on_chat_end
async def leave() -> None:
    """Chainlit calls this when the connection is lost too; `mount` hears when it is there again."""
    live().leave(_visitor())


@told_in_words
async def take(message: cl.Message) -> None:
    pending: tuple[str, int] | None = cl.user_session.get("pending")
    cl.user_session.set("pending", None)
    command, image = message.command, None
    if command is None and pending:
        command, image = pending
    files = [Path(element.path) for element in message.elements or () if element.path]
    try:
        attachments = tuple([await asyncio.to_thread(file.read_bytes) for file in files])
    except OSError:  # its text would name a path of this machine
        await cl.Message(content=_words().unreadable).send()
        return
    await _show(_turn(message.content, command, image, attachments, key=message.id))


# Not by its decorator, which puts all answers below a step of their own that no other tab knows of.
config.code.on_message = take


@cl.action_callback(BUTTON)
@told_in_words
async def press(pressed: cl.Action) -> None:
    cl.user_session.set("pending", None)
    try:
        action = Action.model_validate(pressed.payload)
    except ValidationError:
        await cl.Message(content=_words().unreadable).send()
        return
    command = TOOLS.command(action.command)
    if command and command.wanting and action.image is not None and not action.text:
        # The button has said what to do with which picture; the next message says the rest.
        cl.user_session.set("pending", (action.command, action.image))
        language = _words().language
        wanting = command.wanting.say(language, images=numbers(language, [action.image]))
        await cl.Message(content=wanting).send()
        return
    await _show(_turn(action.text, action.command, action.image))


@cl.on_stop
async def stop() -> None:
    """Chainlit stops waiting for a message by itself; this also stops what buttons or other tabs began."""
    live().stop(_visitor())
    # The turn's own message says so, in the person's language; Chainlit says it as well, in English.
    said = [message for message in cl.chat_context.get() if message.content == "Task manually stopped."]
    for message in said:
        await message.remove()


def _visitor() -> WebsocketSession:
    """The tab that Chainlit calls for; this page knows no other kind of visitor."""
    return cast(WebsocketSession, context.session)


def _words() -> PageWords:
    return words_for(getattr(context.session, "language", None))


def _turn(
    text: str,
    command: str | None,
    image: int | None,
    attachments: tuple[bytes, ...] = (),
    key: str | None = None,
) -> Turn:
    """A turn of this conversation with the settings of its panel; those left alone are left to the model."""
    panel = read_panel(context.session.chat_settings)
    return Turn(
        text=text,
        session=context.session.thread_id,
        owner=LOCAL_OWNER,
        attachments=attachments,
        reply_to=image,
        command=command,
        seed=panel.seed,
        width=panel.width,
        height=panel.height,
        num_inference_steps=panel.steps,
        previews=PREVIEWS,
        idempotency_key=key or uuid.uuid4().hex,
        channel="chat",
    )


async def _show(turn: Turn) -> None:
    await ShownTurn(turn, _visitor(), live(), _words()).run(service().conversation)


@cl.on_settings_update
async def check_settings(settings: dict) -> None:
    unusable = read_panel(settings).unusable
    if "seed" in unusable:
        await cl.Message(content=_words().bad_seed).send()
    if unusable - {"seed"}:
        await cl.Message(content=_words().bad_size_or_steps).send()


async def _set_up() -> None:
    """The panel and the slash menu, which a resumed conversation has lost and gets again."""
    words = _words()
    able = (await asyncio.to_thread(service().conversation)).runtime.capabilities
    await context.emitter.set_commands(
        [
            {
                "id": command.name,
                "description": command.menu.say(words.language),
                "icon": command.icon,
                "button": False,
                "persistent": False,
                "selected": False,
            }
            for command in TOOLS.usable_commands(able)
            if command.menu
        ]
    )
    sizes = [f"{width}×{height}" for width, height in able.sizes or (able.default_size,)]
    await cl.ChatSettings(
        [
            Select(
                id="size",
                label=words.size,
                values=sizes,
                initial_value="{}×{}".format(*able.default_size),
            ),
            Slider(id="steps", label=words.steps, initial=able.default_steps, min=1, max=MOST_STEPS, step=1),
            TextInput(id="seed", label=words.seed, initial="", placeholder=words.seed_hint),
        ]
    ).send()
