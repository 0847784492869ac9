"""What an edit does to a scene, and when it cannot be done."""

from __future__ import annotations

import random

import pytest

from flux_runtime.pocket.changes import EDIT_TYPES, Change, applies, apply_change, random_change, settled
from flux_runtime.pocket.world import ATTRIBUTES, Layout, Scene, Thing, random_scene

EMPTY = Scene("cat", "none", "reading", "beach", "sunny")
FULL = Scene("dog", "space suit", "sleeping", "mars", "night", Thing("star", "red"), Thing("ball", "blue"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("weather", "rainy"), Scene("cat", "none", "reading", "beach", "rainy")),
        (Change("outfit", "space suit"), Scene("cat", "space suit", "reading", "beach", "sunny")),
        (Change("add", Thing("bird", "red"), side="right"), EMPTY.with_thing("right", Thing("bird", "red"))),
    ],
)
def test_an_edit_changes_what_it_names_and_nothing_else(change: Change, expected: Scene) -> None:
    assert apply_change(EMPTY, change) == expected


@pytest.mark.parametrize("target", ["star", "left"])
def test_an_object_is_found_by_kind_and_by_side(target: str) -> None:
    assert apply_change(FULL, Change("remove", target=target)) == FULL.with_thing("left", None)
    recoloured = apply_change(FULL, Change("recolor", "green", target))
    assert recoloured.left == Thing("star", "green")
    assert apply_change(recoloured, Change("recolor", "red", target)) == FULL
    assert apply_change(FULL, Change("replace", "flower", target)).left == Thing("flower", "red")


@pytest.mark.parametrize(
    ("scene", "change", "message"),
    [
        (FULL, Change("add", Thing("bird", "red"), side="left"), "already an object on the left"),
        (EMPTY, Change("remove", target="star"), "no star"),
        (EMPTY, Change("recolor", "green", "left"), "no left"),
        (FULL, Change("replace", "bird", "flower"), "no flower"),
        (FULL, Change("weather", "night"), "nothing would change"),
        (FULL, Change("recolor", "red", "star"), "nothing would change"),
    ],
)
def test_an_edit_that_does_not_apply_is_refused(scene: Scene, change: Change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply_change(scene, change)


def test_added_and_removed_again_is_as_before() -> None:
    added = apply_change(EMPTY, Change("add", Thing("bird", "red"), side="left"))
    assert apply_change(added, Change("remove", target="bird")) == EMPTY


def test_every_random_edit_applies_and_every_type_is_drawn() -> None:
    rng = random.Random(0)
    types = set()
    for _ in range(500):
        scene = random_scene(rng)
        change = random_change(rng, scene)
        types.add(change.type)
        assert apply_change(scene, change) != scene
        for type_ in EDIT_TYPES:
            if applies(type_, scene):
                assert random_change(rng, scene, type_).type == type_
    assert types == set(EDIT_TYPES)


def test_types_apply_where_there_is_something_to_change() -> None:
    assert {type_ for type_ in EDIT_TYPES if not applies(type_, EMPTY)} == {"remove", "recolor", "replace"}
    assert {type_ for type_ in EDIT_TYPES if not applies(type_, FULL)} == {"add"}
    assert set(EDIT_TYPES) >= ATTRIBUTES.keys()


def test_only_an_added_object_is_set_down_and_only_on_its_own_side() -> None:
    raised = Layout(mirror=True, left_raised=True, right_raised=True)
    added = Change("add", Thing("ball", "red"), side="left")
    assert settled(raised, added) == Layout(mirror=True, left_raised=False, right_raised=True)
    assert settled(raised, Change("weather", "rainy")) == raised
