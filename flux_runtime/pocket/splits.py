"""Which scenes training may see: the fixed held-out sets, and a sampler that avoids them.

Two sets judge the model: 400 scenes whose exact combination never occurs in training, and 200 scenes built on
compositions (character, action, setting) that training never shows together, whatever the outfit, weather or objects.
"""

from __future__ import annotations

import random
from functools import lru_cache

from flux_runtime.pocket.world import ACTIONS, CHARACTERS, SETTINGS, Scene, random_scene

# Three of the 25 (action, setting) pairs per character, every action and setting still seen with every character.
HELD_OUT_COMPOSITIONS = frozenset(
    (character, ACTIONS[(1 + index + step * 2) % 5], SETTINGS[(4 + 2 * index + step) % 5])
    for index, character in enumerate(("cat", "robot", "dog", "rabbit"))
    for step in range(3)
)
assert ("cat", "playing guitar", "mars") in HELD_OUT_COMPOSITIONS
assert {composition[0] for composition in HELD_OUT_COMPOSITIONS} == set(CHARACTERS)


def composition(scene: Scene) -> tuple[str, str, str]:
    return scene.character, scene.action, scene.setting


@lru_cache(maxsize=1)
def held_out_scenes() -> tuple[Scene, ...]:
    """400 scenes of seen compositions; fixed by their seed."""
    rng = random.Random("held-out scenes, first edition")
    scenes: dict[Scene, None] = {}
    while len(scenes) < 400:
        scene = random_scene(rng)
        if composition(scene) not in HELD_OUT_COMPOSITIONS:
            scenes[scene] = None
    return tuple(scenes)


@lru_cache(maxsize=1)
def held_out_composition_scenes() -> tuple[Scene, ...]:
    """200 scenes of compositions that training never shows; fixed by their seed."""
    rng = random.Random("held-out compositions, first edition")
    scenes: dict[Scene, None] = {}
    while len(scenes) < 200:
        scene = random_scene(rng)
        if composition(scene) in HELD_OUT_COMPOSITIONS:
            scenes[scene] = None
    return tuple(scenes)


def may_train_on(scene: Scene) -> bool:
    return composition(scene) not in HELD_OUT_COMPOSITIONS and scene not in _held_out_set()


@lru_cache(maxsize=1)
def _held_out_set() -> frozenset[Scene]:
    return frozenset(held_out_scenes())


def training_scene(rng: random.Random) -> Scene:
    """A random scene that training may see."""
    while not may_train_on(scene := random_scene(rng)):
        pass
    return scene
