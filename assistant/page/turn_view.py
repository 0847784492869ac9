"""A stored turn as Chainlit shows one: its two messages, their pictures, and the buttons under the reply.

Every id is made from the turn's key, so that a message, picture or button that is sent again replaces itself,
in whichever tab and however long ago it was first shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chainlit.action import Action as Button
from chainlit.config import config
from chainlit.element import ElementDict
from chainlit.step import StepDict

from assistant.phrases import language_of, say
from assistant.turn import Action, Reply
from sessions.records import History, TurnRecord
from tools import TOOLS

BUTTON = "reply-action"
"""The name under which Chainlit calls back when a button is pressed; its payload is an `Action`."""


def image_address(image: str) -> str:
    """Where the server answers with the image of that id."""
    return f"/images/{image}.png"


def reply_message(key: str) -> str:
    """The id of the message that answers the turn of that key; the key itself is the id of what was said."""
    return f"{key}-reply"


def stored_reply(turn: TurnRecord) -> Reply | None:
    """The turn's reply; None while it has none."""
    return Reply.read(turn.reply) if turn.reply else None


def messages(history: History, turn: TurnRecord) -> list[StepDict]:
    """What was said or sent, if anything was (a button says nothing), and the reply.

    A turn that a crash cut short looks like one under way; it has a reply too, for the pictures it made.
    """
    shown = []
    thread, owner = history.session.name, history.session.owner
    if turn.text or any(image.turn == turn.id and image.op == "upload" for image in history.images):
        shown.append(message(thread, turn.key, turn.text, by=owner, at=turn.created))
    text = (
        turn.reply["text"] if turn.reply else say(language_of(turn.text or history.session.title), "no_reply")
    )
    shown.append(message(thread, reply_message(turn.key), text, at=turn.created))
    return shown


def pictures(history: History, turn: TurnRecord) -> list[ElementDict]:
    """What was sent with the message, then what the reply shows."""
    uploads = [(each.id, each.n) for each in history.images if each.turn == turn.id and each.op == "upload"]
    made = [(each.id, each.n) for each in history.images if each.turn == turn.id and each.op != "upload"]
    reply = stored_reply(turn)
    if reply and not made:
        made = [(each.id, each.n) for each in reply.candidates]
    thread = history.session.name
    return [*_under(thread, turn.key, uploads), *_under(thread, reply_message(turn.key), made)]


def pictures_of(reply: Reply, key: str) -> list[ElementDict]:
    """The pictures of a reply that need not be looked up, as `pictures` gives them."""
    shown = [(each.id, each.n) for each in reply.images or reply.candidates]
    return _under(reply.session, reply_message(key), shown)


def picture(thread: str, message: str, place: int, url: str, name: str) -> ElementDict:
    """The picture in that place, from 0, under the message of that id."""
    return ElementDict(
        id=f"{message}-{place}",
        threadId=thread,
        type="image",
        url=url,
        name=name,
        display="inline",
        size="medium",
        forId=message,
        mime="image/png",
    )


def buttons(actions: Sequence[Action], message: str) -> list[Button]:
    """A reply's buttons, for the message of that id."""
    return [
        Button(
            id=f"{message}-button-{place}",
            forId=message,
            name=BUTTON,
            label=action.label,
            payload=action.model_dump(),
            icon=command.icon if (command := TOOLS.command(action.command)) else None,
        )
        for place, action in enumerate(actions)
    ]


def message(thread: str, identity: str, text: str, *, at: str, by: str | None = None) -> StepDict:
    """A message of the person whose name is `by`, or else of the assistant. `at` is UTC in ISO 8601."""
    return StepDict(
        id=identity,
        threadId=thread,
        parentId=None,
        name=by or config.ui.name,
        type="user_message" if by else "assistant_message",
        output=text,
        createdAt=at,
        start=at,
        end=at,
        streaming=False,
        isError=False,
        metadata={},
    )


def _under(thread: str, message: str, images: Iterable[tuple[str, int]]) -> list[ElementDict]:
    return [
        picture(thread, message, place, image_address(image), f"#{n}")
        for place, (image, n) in enumerate(images)
    ]
