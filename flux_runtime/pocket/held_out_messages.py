"""Held-out messages (`held_out/*.yaml`), and whether a scene shows what one of them asks for.

Values are read as they are written: an answer `no` is the word, not false.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import SIDES, Scene, Thing

T = TypeVar("T")
Row = Mapping[str, Any]

_HELD_OUT = Path(__file__).parent / "held_out"


def everyday_prompts(language: Language) -> Sequence[Row]:
    """Rows with `say` (the prompt) and `scene` (all that it states)."""
    return _read("everyday")[language]


def trust_turns(language: Language) -> Sequence[Row]:
    """Rows with `say`, `kind`, `tool` and what else is right; the head of the file explains them."""
    return _read("trust")[language]


def trust_pictures() -> dict[str, Scene]:
    """What the pictures show that rows of `trust_turns` name."""
    return {name: scene_of(stated) for name, stated in _read("trust")["pictures"].items()}


def evenly(rows: Sequence[T], count: int) -> list[T]:
    """So many of the rows, spread over all of them: neighbours are of one kind."""
    count = min(count, len(rows))
    return [rows[i * len(rows) // count] for i in range(count)]


def scene_of(stated: Mapping[str, str]) -> Scene:
    """The scene of all five attributes and of what stands on either side, such as `red ball`."""
    things = {side: _thing(stated[side]) for side in SIDES if side in stated}
    attributes = {key: value for key, value in stated.items() if key not in SIDES}
    return Scene(**attributes, left=things.get("left"), right=things.get("right"))


def shows(wanted: Mapping[str, Any], scene: Scene) -> bool:
    """Whether all that is wanted is in the scene.

    An attribute is a value or a list of values that will do, a side is `red ball`, `kind` an object of that
    kind on either side, and `recolor` one that has the colour `color`.
    """
    return all(_shows(key, value, wanted, scene) for key, value in wanted.items())


def _shows(key: str, value: Any, wanted: Mapping[str, Any], scene: Scene) -> bool:
    things = scene.things.values()
    match key:
        case "kind":
            return value in {thing.kind for thing in things}
        case "recolor":
            return Thing(value, wanted["color"]) in things
        case "color":
            return "recolor" in wanted  # which is where it counts
        case "left" | "right":
            return getattr(scene, key) == _thing(value)
        case _:
            return getattr(scene, key) in (value if isinstance(value, list) else [value])


def _thing(text: str) -> Thing:
    color, kind = text.split()
    return Thing(kind, color)


@cache
def _read(name: str) -> dict[str, Any]:
    read = yaml.load((_HELD_OUT / f"{name}.yaml").read_text("utf-8"), Loader=yaml.BaseLoader)
    assert set(LANGUAGES) <= set(read)
    return read
