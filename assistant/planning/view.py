"""What planning sees of a conversation, and what of it the planner is shown.

Source resolution knows every image. The planner is shown few: models learn to plan with a handful of numbers
before them, and with eighty of them pocket takes hardly any message for what it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant.phrases import Language
from assistant.planning.message import Message, message_of
from assistant.planning.source_resolution import CAPTION_LENGTH, Album, mentioned
from assistant.turn import Turn
from sessions.records import SessionRecord
from sessions.store import SessionStore

HISTORY_TURNS = 6
"""How many turns back the planner is told what was said, at most; its catalogue entry may show it fewer."""


def view(
    store: SessionStore,
    session: SessionRecord | None,
    turn: Turn,
    text: str,
    language: Language,
    attached: Iterable[int],
    *,
    before: str | None = None,
) -> tuple[Message, Album]:
    """A turn's message and the images it can mean.

    Args:
        session: None for a conversation that has not begun.
        text: the turn's words, made plain.
        attached: the numbers of what came with it, or will have, the image it replies to first.
        before: the turn's id if it is recorded already: only what came before it counts.
    """
    if session is None:
        return message_of(turn, text, language, ()), Album((), tuple(attached), None)
    head = store.images.head(session)
    album = Album(store.images.of(session), tuple(attached), head.n if head else None)
    return message_of(turn, text, language, store.last_turns(session, HISTORY_TURNS, before=before)), album


def shown_images(text: str, album: Album, latest: int, *, gaps: bool = True) -> tuple[int, ...]:
    """The numbers a planner is shown: the `latest` ones, those that the words mention, attached, current.

    Without `gaps` it is shown as many in a row: the latest, or those from the first that the words mention.
    """
    numbers = album.numbers
    if not gaps:
        begin = max(0, len(numbers) - latest)
        named_at = [numbers.index(n) for n in mentioned(text, album)]
        begin = min([begin, *named_at])
        return numbers[begin : begin + latest]
    named = {*mentioned(text, album), *album.attached, album.head}
    shown = named | set(numbers[max(0, len(numbers) - latest) :])
    return tuple(n for n in numbers if n in shown)


def short_captions(album: Album, shown: tuple[int, ...]) -> dict[int, str]:
    """What the images of these numbers show, in few words, as far as that is known."""
    return {
        image.n: image.caption[: 2 * CAPTION_LENGTH]
        for image in album.images
        if image.n in shown and image.caption
    }
