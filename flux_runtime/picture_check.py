"""A look at a picture before it is claimed: the model is asked what of a request its picture does not show.

The question and the answers that mean "nothing" or "I cannot tell" are declared by the model (`PictureCheck`
in its catalogue entry): a small model has learned them as a lesson, a larger one is asked in plain words.
"""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple

from PIL import Image

from flux_runtime.interface import AnswerRequest, Envelope, Runtime

Verdict = Literal["shown", "missing", "unsure", "unseen"]
"""What a look came to; "unseen" is for those who asked and got an error instead."""


class Checked(NamedTuple):
    """`missing` are the model's own words for what it does not see, empty unless that is the verdict."""

    verdict: Verdict
    missing: str = ""


def check_picture(
    runtime: Runtime,
    picture: Image.Image,
    wanted: str,
    language: str,
    *,
    envelope: Envelope | None = None,
    cancel: threading.Event | None = None,
) -> Checked | None:
    """What of `wanted`, a prompt or instruction, the picture does not show; None if the model has no check.

    Raises:
        FluxRuntimeError: the model could not be asked, or `cancel` was set.
    """
    check = runtime.capabilities.check
    if check is None:
        return None
    template = check.questions.get(language) or next(iter(check.questions.values()))
    request = AnswerRequest(question=template.replace("{wanted}", wanted), images=(picture,))
    said = runtime.answer(request, envelope=envelope, cancel=cancel).text.strip().rstrip(".。")
    if said.casefold() in check.nothing:
        return Checked("shown")
    return Checked("unsure") if said.casefold() in check.unsure or not said else Checked("missing", said)
