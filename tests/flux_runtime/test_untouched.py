"""Of a picture that is larger than the model's canvas, what an edit did not change keeps its bytes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from flux_runtime.interface import EditRequest
from flux_runtime.pocket.world import Scene, Thing, draw
from flux_runtime.runtime import LocalRuntime
from flux_runtime.untouched import changed_mask, share_kept


def test_what_the_vae_alone_does_to_a_picture_is_no_change() -> None:
    source = draw(Scene("cat", "none", "reading", "beach", "sunny"))
    blurred = source.filter(ImageFilter.GaussianBlur(2))
    again = Image.fromarray(np.clip(np.asarray(blurred, np.int16) + 4, 0, 255).astype(np.uint8))
    mask = changed_mask(blurred, again)
    assert mask is not None
    assert share_kept(mask) == 1


def test_what_changed_is_found_with_a_margin_and_the_rest_is_kept() -> None:
    before = Image.new("RGB", (256, 256), (90, 120, 90))
    after = before.copy()
    after.paste((200, 60, 60), (100, 100, 140, 140))
    mask = changed_mask(before, after)
    assert mask is not None
    changed = np.asarray(mask) > 0
    assert changed[96:144, 96:144].all()
    assert not changed[:80].any()
    assert not changed[:, 160:].any()
    assert share_kept(mask) == pytest.approx(1 - changed.mean())


def test_a_picture_that_changed_nearly_everywhere_is_used_as_a_whole() -> None:
    before = Image.new("RGB", (256, 256), (90, 120, 90))
    after = Image.new("RGB", (256, 256), (200, 120, 90))
    assert changed_mask(before, after) is None


def _patterned(scene: Scene) -> Image.Image:
    """The scene at 800 x 800 with a pattern of single pixels in it, as a photo has grain."""
    large = np.asarray(draw(scene).resize((800, 800), Image.Resampling.LANCZOS), np.int16)
    grain = np.random.default_rng(0).integers(-30, 31, (800, 800, 1))
    return Image.fromarray((large + grain).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("language", "instruction"), [("en", "make the balloon red"), ("zh", "把气球变成红色")]
)
def test_an_edit_of_a_large_picture_keeps_every_byte_that_it_did_not_change(
    language: str, instruction: str
) -> None:
    scene = Scene("cat", "none", "reading", "beach", "sunny", left=Thing("balloon", "blue"))
    source = _patterned(scene)
    runtime = LocalRuntime("pocket")
    try:
        edited = runtime.edit(EditRequest(instruction=instruction, images=(source,), seed=1))
        rainy = runtime.edit(EditRequest(instruction="make it rainy", images=(source,), seed=1))
        small = runtime.edit(EditRequest(instruction=instruction, images=(draw(scene),), seed=1))
    finally:
        runtime.close()
    same = (np.asarray(edited.image) == np.asarray(source)).all(axis=-1).mean()
    assert edited.kept is not None
    assert edited.kept > 0.5
    assert same >= edited.kept
    assert edited.image.size == source.size
    assert rainy.kept == 0, "and the reply says so"
    unchanged = (np.asarray(small.image) == np.asarray(draw(scene))).all(axis=-1).mean()
    assert small.kept is not None
    assert unchanged >= small.kept > 0.5, "of the model's own size as well"
