"""What a browser may say as it opens the page's socket.

Chainlit takes the session's id as it comes, makes a folder of that name for uploads, and deletes the folder
with the session. So no word reaches it that was not checked here.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from socketio.exceptions import ConnectionRefusedError as Refused

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


class Opening(BaseModel):
    """What Chainlit is told of a browser that connects. Names are Chainlit's; what else came is dropped."""

    model_config = ConfigDict(strict=True, extra="ignore")

    sessionId: Annotated[str, AfterValidator(_checked)]
    threadId: str | None = Field(default=None, max_length=LONGEST_THREAD)
    """The conversation that is taken up again."""
    clientType: Literal["webapp"]


def guard_sockets() -> None:
    """Check what Chainlit's socket is opened with, and close the events that the page does not use."""
    from chainlit.server import sio
    from chainlit.socket import connect

    @sio.on("connect")  # pyright: ignore[reportOptionalCall]
    async def connect_checked(sid: str, environ: dict[str, Any], auth: object = None) -> Any:
        try:
            opening = Opening.model_validate(auth)
        except ValidationError:
            raise Refused("This page cannot be opened in this way. Reload it.") from None
        return await connect(sid, environ, opening.model_dump())  # pyright: ignore[reportArgumentType]

    for event in (*_UNUSED, *_UNUSED_AUDIO):
        sio.handlers["/"].pop(event, None)
