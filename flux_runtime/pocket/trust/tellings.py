"""Scenes told freely: whole messages with slots, and many words for every value, in both languages.

The first courses put captions together from parts, and people who say it otherwise were not understood.
Here a template is a whole message; the slots that it has are what it states. Words and templates are data
in `scenes_en.yaml` and `scenes_zh.yaml`. Training only.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flux_runtime.pocket.language import article, measure
from flux_runtime.pocket.splits import may_train_on, training_scene
from flux_runtime.pocket.vocabulary import Language
from flux_runtime.pocket.world import Scene, Thing

STATES = {
    "character": ("who", "whom"),
    "outfit": ("wear",),
    "action": ("ing", "verb", "base"),
    "setting": ("where", "noun"),
    "weather": ("tail", "sentence", "adjective", "sky"),
    "left": ("left", "thing_left"),
    "right": ("right", "thing_right"),
}
"""What each slot states of a scene."""

_OF_SLOT = {slot: key for key, slots in STATES.items() for slot in slots}
_UNDRESSED = 0.35  # how often words about the outfit say that there is none


@cache
def words(language: Language) -> dict[str, Any]:
    """The values' words and the templates of a language."""
    path = Path(__file__).parent / f"scenes_{language}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def _templates(language: Language) -> list[tuple[str, tuple[str, ...]]]:
    """Every template with its slots."""
    return [(text, tuple(re.findall(r"{(\w+)}", text))) for text in words(language)["templates"]]


def told(rng: random.Random, language: Language) -> tuple[str, dict[str, str | Thing]]:
    """A message that asks for a picture, and what it states of the scene."""
    text, slots = rng.choice(_templates(language))
    keys = {_OF_SLOT[slot] for slot in slots}
    while True:
        scene = training_scene(rng)
        if not {"left", "right"} & keys <= scene.things.keys():
            continue
        if "outfit" in keys:
            scene = replace(scene, outfit="none" if rng.random() < _UNDRESSED else "space suit")
        if may_train_on(scene):
            break
    stated = {key: getattr(scene, key) for key in STATES if key in keys}
    return text.format(**{slot: _filled(rng, slot, scene, language) for slot in slots}), stated


def _filled(rng: random.Random, slot: str, scene: Scene, language: Language) -> str:
    """Words for a slot."""
    values, key = words(language)["values"], _OF_SLOT[slot]
    value = getattr(scene, key)
    if key in ("left", "right"):
        noun = _thing(rng, value, language)
        if slot == key:
            return noun
        side = rng.choice(values[key])
        if language == "zh":
            return rng.choice(
                (f"{side}{rng.choice(('有', '是', '', '放着', '摆着'))}{noun}", f"{noun}在{side}")
            )
        return f"{noun} {side}" if rng.random() < 0.75 else f"{side} {noun}"
    if key == "character":
        noun = rng.choice(values["character"][value])
        if slot == "whom":
            return noun
        if language == "zh":
            one = "个" if value == "robot" else rng.choice(("只", "只", "条")) if value == "dog" else "只"
            return rng.choice(("一", "一", "一", "", "某")) + one + noun
        return rng.choice(
            (article(noun), article(noun), article(noun), f"the {noun}", f"my {noun}", f"one {noun}")
        )
    options = values[key][value]
    return rng.choice(options["noun" if slot == "sky" else slot])


def _thing(rng: random.Random, thing: Thing, language: Language) -> str:
    """An object with its colour."""
    values = words(language)["values"]
    color, kind = rng.choice(values["color"][thing.color]), rng.choice(values["kind"][thing.kind])
    if language == "zh":
        of = "的" if rng.random() < 0.6 else ""
        return (
            rng.choice((f"一{measure(thing.kind)}", f"一{measure(thing.kind)}", "", "个")) + color + of + kind
        )
    noun = f"{color} {kind}"
    return noun if rng.random() < 0.12 else article(noun)
