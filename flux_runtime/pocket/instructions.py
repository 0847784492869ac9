"""How an edit of a storybook scene is asked for, in English and Chinese. Training and evaluation only.

The canonical instruction is what the planner writes; a person's ways are templates in
`wordings/instructions.yaml`, of which one is drawn and its {words} are filled.
"""

from __future__ import annotations

import random

from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.language import article, counted_zh, mention, name, place_en
from flux_runtime.pocket.vocabulary import Language, Ways, ways, wordings
from flux_runtime.pocket.world import SIDES, Scene, Thing

_PHRASES = wordings("instructions")


def canonical_instruction(change: Change) -> str:
    """The one English wording of an edit. Raises ValueError for an unknown type."""
    target = f"the object on the {change.target}" if change.target in SIDES else f"the {change.target}"
    value = change.value
    match change.type:
        case "weather":
            return f"change the weather to {value}"
        case "setting":
            return f"change the place to {value if value == 'mars' else article(str(value))}"
        case "action":
            return f"change the action to {value}"
        case "character":
            return f"change the character to {article(str(value))}"
        case "outfit":
            return "put on a space suit" if value == "space suit" else "take off the space suit"
        case "add":
            assert isinstance(value, Thing)
            return f"add a {value.color} {value.kind} on the {change.side}"
        case "remove":
            return f"remove {target}"
        case "recolor":
            return f"make {target} {value}"
        case "replace":
            return f"replace {target} by a {value}"
    raise ValueError(f"unknown edit type {change.type!r}")


def instruction(
    rng: random.Random,
    change: Change,
    language: Language,
    scene: Scene | None = None,
    options: Ways | None = None,
) -> str:
    """A person's way to ask for the edit; `scene` lets it name the character in the picture.

    `options` are the ways of its type to draw from, by default those of `wordings/`.
    """
    words = (_words_zh if language == "zh" else _words_en)(rng, change, scene)
    spoken: Ways = options or _PHRASES[language]["ways"][change.type]
    text = rng.choice(ways(spoken, change.value)).format(**words)
    if change.type == "weather" and language == "en" and rng.random() < 0.15:
        text += rng.choice((", ", ". ", " and ")) + words["detail"]
    return text


def _target(rng: random.Random, change: Change, scene: Scene | None, language: Language) -> str:
    """The object that the edit speaks of: by its side or its kind, at times by its colour too."""
    target, phrases = change.target, _PHRASES[language]
    if target is None:
        return ""
    if target in SIDES:
        return rng.choice(phrases["at_side"][target])
    things = scene.things.values() if scene else ()
    color = next((thing.color for thing in things if thing.kind == target), None)
    if color and rng.random() < 0.2:
        if language == "en":
            return f"the {color} {target}"
        return name(rng, color, "zh") + name(rng, target, "zh", 0.9)
    return rng.choice(phrases["that"]) + name(rng, target, language, 0.85)


def _words_en(rng: random.Random, change: Change, scene: Scene | None) -> dict[str, str]:
    """What the {words} of the English ways stand for."""
    phrases, value = _PHRASES["en"], str(change.value)
    who, target = mention(rng, scene, "en", phrases["who"]), _target(rng, change, scene, "en")
    words = {"who": who, "he": phrases["he"].get(who, who), "target": target}
    match change.type:
        case "weather":
            words |= {word: rng.choice(options) for word, options in phrases["weather_words"][value].items()}
        case "setting":
            the = "" if value == "mars" else rng.choice(("the ", "a "))
            words |= {"place": place_en(rng, value), "noun": the + name(rng, value, "en")}
        case "action":
            words |= {"doing": name(rng, value, "en"), "base": rng.choice(phrases["do"][value])}
        case "character":
            old = f"the {name(rng, scene.character, 'en')}" if scene else rng.choice(phrases["old_character"])
            words |= {"old": old, "new": article(name(rng, value, "en"))}
        case "outfit":
            words |= {"suit": name(rng, "space suit", "en")}
        case "add":
            assert isinstance(change.value, Thing)
            noun = f"{name(rng, change.value.color, 'en', 0.9)} {name(rng, change.value.kind, 'en', 0.85)}"
            words |= {"noun": noun, "where": rng.choice(phrases["where"][change.side])}
        case "remove":
            words |= {"bare_target": target.removeprefix("the ")}
        case "recolor":
            words |= {"color": value}
        case "replace":
            words |= {"new": f"a {name(rng, value, 'en', 0.9)}"}
    return words


def _words_zh(rng: random.Random, change: Change, scene: Scene | None) -> dict[str, str]:
    """What the {words} of the Chinese ways stand for."""
    phrases, value = _PHRASES["zh"], str(change.value)
    words = {
        "who": mention(rng, scene, "zh", phrases["who"]),
        "make": rng.choice(phrases["make"]),
        "target": _target(rng, change, scene, "zh"),
    }
    match change.type:
        case "weather":
            words |= {word: rng.choice(options) for word, options in phrases["weather_words"][value].items()}
        case "setting":
            noun = name(rng, value, "zh")
            words |= {"place": noun, "there": f"{noun}上" if value == "mars" else noun}
        case "action":
            words |= {"doing": name(rng, value, "zh")}
        case "character":
            one = "个" if value == "robot" else "只"
            old = name(rng, scene.character, "zh") if scene else rng.choice(phrases["old_character"])
            words |= {"old": old, "new": rng.choice(("", f"一{one}", one)) + name(rng, value, "zh")}
        case "outfit":
            words |= {"suit": name(rng, "space suit", "zh")}
        case "add":
            assert isinstance(change.value, Thing)
            noun = counted_zh(rng, change.value, common=0.85)
            words |= {"noun": noun, "where": rng.choice(phrases["where"][change.side])}
        case "recolor":
            words |= {"color": name(rng, value, "zh", 0.8)}
        case "replace":
            words |= {"new": rng.choice(("", "一个", "一个")) + name(rng, value, "zh", 0.9)}
    return words
