"""A picture that is looked at before it is claimed, and drawn once more if something is missing in it."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from flux_runtime.errors import Cancelled, FluxRuntimeError
from flux_runtime.interface import ImageResult
from flux_runtime.picture_check import Checked, check_picture
from tools.contract import Done, ToolContext, ToolOutcome, next_seed
from tools.wording import Language, Wording


def drawn_and_checked(
    draw: Callable[[int], ImageResult], wanted: str, context: ToolContext, *, anew: bool
) -> tuple[ImageResult, Checked | None]:
    """What `draw` makes of the turn's seed; if the model misses something in it, what it makes of the next.

    `anew`: another take is wanted, so that neither may be a seed that these words were drawn with before.

    Of two pictures that both lack something, the first is kept, with what it lacks. Once there is a picture,
    it is lost to no error but Cancelled: neither to one of the check nor to one of the second try.
    """
    seed = context.unused_seed(wanted) if anew else context.seed
    picture = draw(seed)
    found = look_at(picture.image, wanted, context)
    if found is None or found.verdict in ("shown", "unseen"):
        return picture, found
    try:
        after = next_seed(seed)
        again = draw(context.unused_seed(wanted, after) if anew else after)
    except Cancelled:
        raise
    except FluxRuntimeError:
        return picture, found
    second = look_at(again.image, wanted, context)
    return (again, second) if second and second.verdict == "shown" else (picture, found)


def look_at(picture: Image.Image, wanted: str, context: ToolContext) -> Checked | None:
    """What the model sees of a request in a picture; None where it has no check, or the person wants none."""
    if not context.options.check:
        return None
    try:
        return check_picture(
            context.runtime,
            picture,
            wanted,
            context.language,
            envelope=context.envelope,
            cancel=context.cancel,
        )
    except Cancelled:
        raise
    except FluxRuntimeError:
        return Checked("unseen")


def made_before(wanted: str, context: ToolContext) -> ToolOutcome | None:
    """The picture that a run before this one stored, looked at again: what was seen in it was not kept."""
    made = context.already_made()
    if made is None:
        return None
    picture = context.store.images.pixels(context.session.owner, made.id)
    return ToolOutcome(images=(made,), checked=look_at(picture, wanted, context))


def not_seen(done: Done, language: Language) -> str:
    """What is said after a picture that was checked; empty if all of it is there, or nobody looked."""
    match done.checked:
        case Checked("missing", missing):
            text = Wording(
                " Looking at it, I do not see all of it: {missing}.",
                "我看了一下，画里好像还缺：{missing}。",
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
