"""The storybook world that pocket is trained on and judged by: what a scene is, and how it is drawn.

Knows nothing of language (see language.py), of markup (see art.py) or of models. Never used to answer a
person: only the training recipe, the evaluation and the tests draw with it.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import resvg_py
from PIL import Image

from flux_runtime.pocket import art

SIZE = 256  # pixels a side
CHARACTERS = ("robot", "cat", "dog", "rabbit")
OUTFITS = ("none", "space suit")
ACTIONS = ("watering plants", "playing guitar", "reading", "holding an umbrella", "sleeping")
SETTINGS = ("greenhouse", "beach", "city", "forest", "mars")
WEATHERS = ("sunny", "rainy", "snowy", "night")
KINDS = ("flower", "bird", "balloon", "ball", "mushroom", "star")
COLORS = ("red", "blue", "yellow", "green", "purple")
SIDES = ("left", "right")

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "character": CHARACTERS,
    "outfit": OUTFITS,
    "action": ACTIONS,
    "setting": SETTINGS,
    "weather": WEATHERS,
}


@dataclass(frozen=True)
class Thing:
    """One object beside the character."""

    kind: str
    color: str


@dataclass(frozen=True)
class Layout:
    """What varies between drawings of the same scene: the backdrop mirrored, objects raised by 16 px."""

    mirror: bool = False
    left_raised: bool = False
    right_raised: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything that can be said about a picture of the world."""

    character: str
    outfit: str
    action: str
    setting: str
    weather: str
    left: Thing | None = None
    right: Thing | None = None

    @property
    def things(self) -> dict[str, Thing]:
        """The objects by side."""
        return {side: thing for side in SIDES if (thing := getattr(self, side)) is not None}

    def with_thing(self, side: str, thing: Thing | None) -> Scene:
        """The scene with another object, or none, on that side."""
        return replace(self, left=thing) if side == "left" else replace(self, right=thing)


def random_scene(rng: random.Random) -> Scene:
    """A scene with every attribute drawn evenly; none, one or two objects of different kinds (1 : 2 : 2)."""
    sides = rng.choices(((), ("left",), ("right",), SIDES), weights=(1, 1, 1, 2))[0]
    kinds = rng.sample(KINDS, len(sides))
    things = {side: Thing(kind, rng.choice(COLORS)) for side, kind in zip(sides, kinds, strict=True)}
    attributes = {key: rng.choice(values) for key, values in ATTRIBUTES.items()}
    return Scene(**attributes, left=things.get("left"), right=things.get("right"))


def random_layout(rng: random.Random) -> Layout:
    """Mirrored or not, each side raised or not: all eight equally likely."""
    return Layout(rng.random() < 0.5, rng.choice((False, True)), rng.choice((False, True)))


# ---- drawing -----------------------------------------------------------------------------------------------


def draw(scene: Scene, layout: Layout = Layout()) -> Image.Image:
    """The scene as a (256, 256) RGB picture."""
    return Image.fromarray((draw_array(scene, layout) * 255 + 0.5).astype(np.uint8))


def draw_array(scene: Scene, layout: Layout = Layout()) -> np.ndarray:
    """The scene as (256, 256, 3) float32 in [0, 1]."""
    canvas = np.zeros((SIZE, SIZE, 3), np.float32)
    backdrop = _layer(art.backdrop(scene.setting, scene.weather))
    _over(canvas, backdrop[:, ::-1] if layout.mirror else backdrop)
    for side, thing in scene.things.items():
        raised = layout.left_raised if side == "left" else layout.right_raised
        _over(canvas, _layer(art.thing(thing.kind, thing.color, side)), up=16 if raised else 0)
    _over(canvas, _layer(art.character(scene.character, scene.outfit, scene.action)))
    if scene.weather in art.FALLING:
        _over(canvas, _layer(art.FALLING[scene.weather]))
    return np.clip(canvas, 0, 1)


@cache
def _layer(body: str) -> np.ndarray:
    """Rasterise SVG markup to premultiplied RGBA (256, 256, 4) float32 in [0, 1]."""
    root = f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 256 256">'
    png = resvg_py.svg_to_bytes(svg_string=f"{root}{body}</svg>")
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def _over(canvas: np.ndarray, layer: np.ndarray, *, up: int = 0) -> None:
    """Composite a premultiplied layer, moved up by `up` pixels, onto the RGB canvas in place."""
    part = layer[up:]
    canvas = canvas[: SIZE - up]
    canvas *= 1 - part[..., 3:]
    canvas += part[..., :3]
