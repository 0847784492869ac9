"""Edits of a storybook scene: what one is and what it does to the scene. Knows nothing of language."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, Layout, Scene, Thing

EDIT_TYPES = ("weather", "setting", "action", "character", "outfit", "add", "remove", "recolor", "replace")


@dataclass(frozen=True)
class Change:
    """One edit: `type` is an attribute name, or add | remove | recolor | replace.

    `value` is the new attribute, the colour (recolor), the kind (replace) or the Thing (add); `target` is
    the kind or the side that remove, recolor and replace speak of; `side` is where add puts it.
    """

    type: str
    value: str | Thing | None = None
    target: str | None = None
    side: str | None = None


def applies(type_: str, scene: Scene) -> bool:
    """Whether there is an edit of that type for the scene: a free side to add to, something to remove."""
    if type_ in ATTRIBUTES:
        return True
    return len(scene.things) < 2 if type_ == "add" else bool(scene.things)


def apply_change(scene: Scene, change: Change) -> Scene:
    """The scene after the edit.

    Raises ValueError where it does not apply: nothing is there, the side is taken, or nothing would change.
    """
    if change.type in ATTRIBUTES:
        after = replace(scene, **{change.type: change.value})
    elif change.type == "add":
        assert change.side is not None
        assert isinstance(change.value, Thing)
        if change.side in scene.things:
            raise ValueError(f"there is already an object on the {change.side}")
        after = scene.with_thing(change.side, change.value)
    else:
        side, thing = _find(scene, change.target)
        if change.type == "remove":
            after = scene.with_thing(side, None)
        elif change.type == "recolor":
            after = scene.with_thing(side, replace(thing, color=str(change.value)))
        else:
            after = scene.with_thing(side, replace(thing, kind=str(change.value)))
    if after == scene:
        raise ValueError("nothing would change")
    return after


def settled(layout: Layout, change: Change) -> Layout:
    """The layout of both pictures of an edit: an added object is not raised, for nothing asks for that."""
    return replace(layout, **{f"{change.side}_raised": False}) if change.type == "add" else layout


def _find(scene: Scene, target: str | None) -> tuple[str, Thing]:
    """The object that is on the side, or of the kind, that `target` names, and its side."""
    for side, thing in scene.things.items():
        if target in (side, thing.kind):
            return side, thing
    raise ValueError(f"there is no {target}")


def random_change(rng: random.Random, scene: Scene, type_: str | None = None) -> Change:
    """An edit that applies to the scene, of the given type or of any type, evenly."""
    things = scene.things
    type_ = type_ or rng.choice([t for t in EDIT_TYPES if applies(t, scene)])
    if type_ in ATTRIBUTES:
        return Change(type_, rng.choice([v for v in ATTRIBUTES[type_] if v != getattr(scene, type_)]))
    kinds = [kind for kind in KINDS if kind not in {thing.kind for thing in things.values()}]
    if type_ == "add":
        side = rng.choice([side for side in SIDES if side not in things])
        return Change("add", Thing(rng.choice(kinds), rng.choice(COLORS)), side=side)
    side = rng.choice(list(things))
    target = things[side].kind if rng.random() < 0.7 else side
    if type_ == "remove":
        return Change("remove", target=target)
    if type_ == "recolor":
        return Change("recolor", rng.choice([c for c in COLORS if c != things[side].color]), target)
    return Change("replace", rng.choice(kinds), target)
