"""A picture that is looked at before it is claimed, and drawn once more if something is missing in it."""

from __future__ import annotations

from collections.abc import Callable

from flux_runtime.errors import Cancelled, FluxRuntimeError
from flux_runtime.interface import ImageResult
from flux_runtime.picture_check import Checked, check_picture
from tools.contract import Done, ToolContext, next_seed
from tools.wording import Language, Wording


def drawn_and_checked(
    draw: Callable[[int], ImageResult], wanted: str, seed: int, context: ToolContext
) -> tuple[ImageResult, Checked | None]:
    """What `draw` makes of the seed; if the model misses something in it, what it makes of the next one.

    Of two pictures that both lack something, the first is kept, with what it lacks. Once there is a picture,
    it is lost to no error but Cancelled: neither to one of the check nor to one of the second try.
    """
    picture = draw(seed)
    found = _check(picture, wanted, context)
    if found is None or found.verdict in ("shown", "unseen"):
        return picture, found
    try:
        again = draw(next_seed(seed))
    except Cancelled:
        raise
    except FluxRuntimeError:
        return picture, found
    second = _check(again, wanted, context)
    return (again, second) if second and second.verdict == "shown" else (picture, found)


def not_seen(done: Done, language: Language) -> str:
    """What is said after a picture that was checked; empty if all of it is there, or nobody looked."""
    match done.checked:
        case Checked("missing", missing):
            text = Wording(
                " Looking at it, I do not see all of it: {missing}. I tried twice.",
                "我看了一下，画里好像还缺：{missing}。已经试了两次。",
            )
            return text.say(language, missing=missing)
        case Checked("unsure"):
            text = Wording(
                " Looking at it, I cannot tell whether it shows that.", "我看了一下，看不出画里是不是这样。"
            )
            return text.say(language)
        case Checked("unseen"):
            text = Wording(
                " I could not look at it to see whether it shows that.",
                "这次没能再看一眼，不知道画里是不是这样。",
            )
            return text.say(language)
    return ""


def _check(picture: ImageResult, wanted: str, context: ToolContext) -> Checked | None:
    if not context.options.check:
        return None
    try:
        return check_picture(
            context.runtime,
            picture.image,
            wanted,
            context.language,
            envelope=context.envelope,
            cancel=context.cancel,
        )
    except Cancelled:
        raise
    except FluxRuntimeError:
        return Checked("unseen")
