"""Which scenes training may see: the fixed held-out sets, and a sampler that avoids them.

Two sets judge the model: 400 scenes whose exact combination never occurs in training, and 200 scenes built on
compositions (character, action, setting) that training never shows, whatever the outfit, weather or objects.
"""

from __future__ import annotations

import random
from functools import cache

from flux_runtime.pocket.world import ACTIONS, CHARACTERS, SETTINGS, Scene, random_scene

# Three of the 25 (action, setting) pairs of each character; each is still seen with every action and setting.
HELD_OUT_COMPOSITIONS = frozenset(
    (character, ACTIONS[(1 + index + step * 2) % 5], SETTINGS[(4 + 2 * index + step) % 5])
    for index, character in enumerate(("cat", "robot", "dog", "rabbit"))
    for step in range(3)
)
assert ("cat", "playing guitar", "mars") in HELD_OUT_COMPOSITIONS
assert {composition[0] for composition in HELD_OUT_COMPOSITIONS} == set(CHARACTERS)


def composition(scene: Scene) -> tuple[str, str, str]:
    """What is held out together: (character, action, setting)."""
    return scene.character, scene.action, scene.setting


@cache
def held_out_scenes() -> tuple[Scene, ...]:
    """400 scenes of seen compositions; fixed by their seed."""
    return _drawn("held-out scenes, first edition", 400, unseen=False)


@cache
def held_out_composition_scenes() -> tuple[Scene, ...]:
    """200 scenes of compositions that training never shows; fixed by their seed."""
    return _drawn("held-out compositions, first edition", 200, unseen=True)


def _drawn(seed: str, count: int, *, unseen: bool) -> tuple[Scene, ...]:
    """Different scenes whose compositions are all held out, or none of them."""
    rng = random.Random(seed)
    scenes: dict[Scene, None] = {}
    while len(scenes) < count:
        scene = random_scene(rng)
        if (composition(scene) in HELD_OUT_COMPOSITIONS) == unseen:
            scenes[scene] = None
    return tuple(scenes)


def may_train_on(scene: Scene) -> bool:
    """Whether the scene is in neither held-out set."""
    return composition(scene) not in HELD_OUT_COMPOSITIONS and scene not in _held_out_set()


@cache
def _held_out_set() -> frozenset[Scene]:
    return frozenset(held_out_scenes())


def training_scene(rng: random.Random) -> Scene:
    """A random scene that training may see."""
    while not may_train_on(scene := random_scene(rng)):
        pass
    return scene
