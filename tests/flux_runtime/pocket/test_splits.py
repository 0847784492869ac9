"""What is held out stays held out, and the pool on disk stays valid."""

from __future__ import annotations

import hashlib
import random

from flux_runtime.pocket.changes import apply_change
from flux_runtime.pocket.pairs import changes_one_of_two, training_pair
from flux_runtime.pocket.splits import (
    HELD_OUT_COMPOSITIONS,
    composition,
    held_out_composition_scenes,
    held_out_scenes,
    may_train_on,
    training_scene,
)
from flux_runtime.pocket.world import ACTIONS, CHARACTERS, SETTINGS


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def test_the_held_out_sets_are_those_of_the_first_edition() -> None:
    seen, unseen = held_out_scenes(), held_out_composition_scenes()
    assert (len(seen), len(set(seen)), len(unseen), len(set(unseen))) == (400, 400, 200, 200)
    assert (_digest(seen), _digest(unseen)) == ("c4e710dfa5e1b2da", "499be6c0a06acd6a")


def test_one_set_is_of_seen_compositions_and_one_of_unseen_ones() -> None:
    assert not {composition(scene) for scene in held_out_scenes()} & HELD_OUT_COMPOSITIONS
    assert {composition(scene) for scene in held_out_composition_scenes()} == HELD_OUT_COMPOSITIONS


def test_training_never_sees_what_is_held_out() -> None:
    rng = random.Random(0)
    scenes = [training_scene(rng) for _ in range(3000)]
    assert not {composition(scene) for scene in scenes} & HELD_OUT_COMPOSITIONS
    assert not set(scenes) & {*held_out_scenes(), *held_out_composition_scenes()}
    assert not any(may_train_on(scene) for scene in (*held_out_scenes(), *held_out_composition_scenes()))


def test_every_character_is_trained_with_every_action_and_every_setting() -> None:
    for character in CHARACTERS:
        held_out = [(action, setting) for who, action, setting in HELD_OUT_COMPOSITIONS if who == character]
        assert len(held_out) == 3
        for action in ACTIONS:
            assert sum(action == held[0] for held in held_out) < len(SETTINGS)
        for setting in SETTINGS:
            assert sum(setting == held[1] for held in held_out) < len(ACTIONS)


def test_the_pool_is_that_of_the_second_edition() -> None:
    assert _digest([tuple(training_pair(index)) for index in range(50)]) == "cffe484c56f95717"


def test_both_scenes_of_a_pair_may_be_trained_on() -> None:
    for pair in map(training_pair, range(200)):
        assert may_train_on(pair.source)
        assert may_train_on(pair.target)
        assert apply_change(pair.source, pair.change) == pair.target


def test_an_edit_of_one_object_among_two_is_told_from_others() -> None:
    told = [pair for pair in map(training_pair, range(300)) if changes_one_of_two(pair)]
    assert {pair.change.type for pair in told} == {"remove", "recolor", "replace"}
    assert all(len(pair.source.things) == 2 for pair in told)
