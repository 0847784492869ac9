"""The storybook world is drawn the same every time: the pictures that weights were trained on stay."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import numpy as np
import pytest

from flux_runtime.pocket import art
from flux_runtime.pocket.world import (
    ATTRIBUTES,
    COLORS,
    KINDS,
    SIDES,
    Layout,
    Scene,
    Thing,
    draw,
    draw_array,
    random_layout,
    random_scene,
)

PLAIN = Scene("cat", "none", "reading", "beach", "sunny")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (1, "1b587d22d828ecce69a982411b70165657f08742afc03d153ec40a0a464ef8e6"),
        (2, "bc768401385310908aa6a6164bfcfbc6876756c4f9a14d55d9685044a5cb2fa1"),
        (3, "60adbfd3ab0de9d293587af0678e833deefdcd8ff7bfeb41da772797cd43f0f4"),
    ],
)
def test_a_seed_always_draws_the_same_picture(seed: int, expected: str) -> None:
    rng = random.Random(f"render {seed}")
    assert _sha256(draw(random_scene(rng), random_layout(rng)).tobytes()) == expected


def test_random_scenes_are_those_of_the_first_edition() -> None:
    rng = random.Random("scenes")
    drawn = [(random_scene(rng), random_layout(rng)) for _ in range(100)]
    assert _sha256(repr(drawn).encode()) == "d2949d097de72d8fcee708e950c3c353dc04507e2334165ef0d8bd99332286c6"


def test_every_value_of_every_attribute_shows() -> None:
    for key, values in ATTRIBUTES.items():
        drawings = {draw(replace(PLAIN, **{key: value})).tobytes() for value in values}
        assert len(drawings) == len(values), key


def test_every_object_shows_on_its_own_side_only() -> None:
    empty = draw_array(PLAIN)
    for side, half in (("left", np.s_[:, :128]), ("right", np.s_[:, 128:])):
        drawings = set()
        for kind in KINDS:
            for color in COLORS:
                drawn = draw_array(PLAIN.with_thing(side, Thing(kind, color)))
                changed = np.abs(drawn - empty).max(-1) > 0
                assert changed[half].any()
                assert changed.sum() == changed[half].sum()
                drawings.add(drawn.tobytes())
        assert len(drawings) == len(KINDS) * len(COLORS)


def test_a_raised_object_is_the_same_16_pixels_higher() -> None:
    scene = PLAIN.with_thing("left", Thing("star", "red"))
    paint = [int(art.PAINT["red"][i : i + 2], 16) for i in (1, 3, 5)]

    def rows(layout: Layout) -> np.ndarray:
        return np.flatnonzero((np.asarray(draw(scene, layout)) == paint).all(-1).any(1))

    np.testing.assert_array_equal(rows(Layout(left_raised=True)), rows(Layout()) - 16)


def test_a_mirrored_layout_turns_the_backdrop_and_not_the_character() -> None:
    drawn, mirrored = draw_array(PLAIN), draw_array(PLAIN, Layout(mirror=True))
    np.testing.assert_array_equal(drawn[:60, :60], mirrored[:60, :195:-1])
    np.testing.assert_array_equal(drawn[130:180, 110:146], mirrored[130:180, 110:146])


def test_objects_of_a_scene_differ_in_kind() -> None:
    rng = random.Random(0)
    scenes = [random_scene(rng) for _ in range(300)]
    assert {len(scene.things) for scene in scenes} == {0, 1, 2}
    assert {side for scene in scenes for side in scene.things} == set(SIDES)
    assert all(len({thing.kind for thing in scene.things.values()}) == len(scene.things) for scene in scenes)


def test_an_unknown_action_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="juggling"):
        art.character("cat", "none", "juggling")
