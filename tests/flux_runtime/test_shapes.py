"""Pocket draws squares, but pictures of people have any shape: what it says of them is measured here."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from PIL import Image

from flux_runtime.interface import AnswerRequest
from flux_runtime.pocket.questions import answer, ask, random_question
from flux_runtime.pocket.splits import held_out_scenes
from flux_runtime.pocket.world import draw, random_layout
from flux_runtime.runtime import LocalRuntime


@pytest.fixture(scope="module")
def pocket() -> Iterator[LocalRuntime]:
    runtime = LocalRuntime("pocket")
    yield runtime
    runtime.close()


# Of a picture cropped to a wide strip, pocket often says that it cannot tell: honest, but weak.
@pytest.mark.parametrize(
    ("size", "known"), [((256, 192), 22), ((192, 256), 22), ((400, 300), 22), ((512, 300), 12)]
)
def test_a_picture_of_any_shape_is_understood(
    pocket: LocalRuntime, size: tuple[int, int], known: int
) -> None:
    rng, right, doubts = random.Random("shapes"), [], 0
    for scene in held_out_scenes()[:6]:
        picture = _cropped(draw(scene, random_layout(rng)), size)
        for about in ("character", "action", "setting", "weather"):
            question = random_question(rng, scene, about)
            request = AnswerRequest(question=ask(rng, question, "en", scene), images=(picture,))
            said = pocket.answer(request).text
            right.append(said.strip().casefold() == answer(scene, question, "en").casefold())
            doubts += said.startswith("I cannot tell")
    assert sum(right) >= known, f"of {len(right)}"
    assert len(right) - sum(right) - doubts <= 2, "wrong, and sure of it"


@pytest.mark.parametrize("size", [(1, 1), (8192, 1), (1, 8192)])
def test_the_thinnest_picture_gets_an_answer(pocket: LocalRuntime, size: tuple[int, int]) -> None:
    request = AnswerRequest(question="what is the weather?", images=(Image.new("RGB", size, "blue"),))
    assert pocket.answer(request).text


def _cropped(square: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of the picture, scaled so that its longer side is whole."""
    side = max(size)
    large = square.resize((side, side), Image.Resampling.LANCZOS)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    return large.crop((left, top, left + size[0], top + size[1]))
