"""What a browser may say over the page's socket.

Chainlit takes the session's id as it comes, makes a folder of that name for uploads, and deletes the folder
with the session. What it fails to read it answers with the text of a Python error. So no word reaches it that
was not checked here.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from socketio.exceptions import ConnectionRefusedError as Refused

from assistant.page.words import words_for

LONGEST_THREAD = 1000
"""Characters in the name of a conversation. The page's own have 36, a person's are as long as they like."""

_UNUSED = ("edit_message", "message_favorite", "fetch_favorites", "window_message", "chat_settings_edit")
_UNUSED_AUDIO = ("audio_start", "audio_chunk", "audio_end")


def is_session_id(given: object) -> bool:
    """Whether it is a UUID, written as browsers write one: lower case, with hyphens, nothing around it."""
    if not isinstance(given, str) or len(given) != 36:
        return False
    try:
        # Python also reads other scripts' digits and other spellings; a folder's name must be the plain one.
        return str(uuid.UUID(given)) == given
    except ValueError:
        return False


def _checked(given: str) -> str:
    if not is_session_id(given):
        raise ValueError("not a UUID")
    return given


def _checked_message(given: str) -> str:
    if uuid.UUID(_checked(given)).version != 4:
        raise ValueError("not a random UUID, as Chainlit wants it")
    return given


class Opening(BaseModel):
    """What Chainlit is told of a browser that connects. Names are Chainlit's; what else came is dropped."""

    model_config = ConfigDict(strict=True, extra="ignore")

    sessionId: Annotated[str, AfterValidator(_checked)]
    threadId: str | None = Field(default=None, max_length=LONGEST_THREAD)
    """The conversation that is taken up again."""
    clientType: Literal["webapp"]


class _Words(BaseModel):
    """A message; `command` is what was picked from the slash menu."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: Annotated[str, AfterValidator(_checked_message)]
    name: str = ""
    output: str
    command: str | None = None


class _Reference(BaseModel):
    """A file that was uploaded before, by the id that the upload was answered with."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: str


class Said(BaseModel):
    """What Chainlit is told of a message and the pictures sent with it."""

    model_config = ConfigDict(strict=True, extra="ignore")

    message: _Words
    fileReferences: list[_Reference] | None = None

    def as_chainlit_reads_it(self) -> dict[str, Any]:
        """The payload of its `client_message`. It writes the time itself."""
        message = {**self.message.model_dump(), "type": "user_message", "createdAt": ""}
        return {**self.model_dump(), "message": message}


class Chosen(BaseModel):
    """What Chainlit is told of the settings panel; what the values mean is read elsewhere."""

    model_config = ConfigDict(extra="ignore")

    size: str | int | float | None = None
    steps: str | int | float | None = None
    seed: str | int | float | None = None


def guard_sockets() -> None:
    """Check what Chainlit's socket is opened with and what is said over it; close what is not used."""
    from chainlit.server import sio
    from chainlit.session import WebsocketSession
    from chainlit.socket import change_settings, connect, message

    @sio.on("connect")  # pyright: ignore[reportOptionalCall]
    async def connect_checked(sid: str, environ: dict[str, Any], auth: object = None) -> Any:
        try:
            opening = Opening.model_validate(auth)
        except ValidationError:
            raise Refused("This page cannot be opened in this way. Reload it.") from None
        return await connect(sid, environ, opening.model_dump())  # pyright: ignore[reportArgumentType]

    async def complain(sid: str) -> None:
        words = words_for(getattr(WebsocketSession.get(sid), "language", None))
        await sio.emit("toast", {"message": words.unreadable, "type": "error"}, to=sid)

    @sio.on("client_message")  # pyright: ignore[reportOptionalCall]
    async def message_checked(sid: str, payload: object = None) -> None:
        try:
            said = Said.model_validate(payload)
        except ValidationError:
            await complain(sid)
            return
        await message(sid, said.as_chainlit_reads_it())  # pyright: ignore[reportArgumentType]

    @sio.on("chat_settings_change")  # pyright: ignore[reportOptionalCall]
    async def settings_checked(sid: str, payload: object = None) -> None:
        try:
            chosen = Chosen.model_validate(payload)
        except ValidationError:
            await complain(sid)
            return
        await change_settings(sid, chosen.model_dump(exclude_unset=True))

    for event in (*_UNUSED, *_UNUSED_AUDIO):
        sio.handlers["/"].pop(event, None)
