"""Questions about a storybook scene with their answers, in English and Chinese. Training and evaluation only.

The canonical question is what the planner writes; a person's ways to ask are templates in
`wordings/questions.yaml`, of which one is drawn and its {words} are filled.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from flux_runtime.pocket.language import (
    article,
    canonical_prompt,
    measure,
    mention,
    name,
    place,
    stated_attributes,
)
from flux_runtime.pocket.vocabulary import Language, Ways, plain, ways, wordings
from flux_runtime.pocket.world import (
    ATTRIBUTES,
    CHARACTERS,
    COLORS,
    KINDS,
    SETTINGS,
    SIDES,
    WEATHERS,
    Scene,
    Thing,
)

SCENE_QUESTIONS = ("character", "outfit", "action", "setting", "weather")
OBJECT_QUESTIONS = ("count", "exists", "color", "side", "left", "right")
YES_NO_QUESTIONS = ("is_character", "is_outfit", "is_action", "is_setting", "is_weather", "is_color")
ABOUTS = (*SCENE_QUESTIONS, *OBJECT_QUESTIONS, *YES_NO_QUESTIONS, "describe")

_PHRASES = wordings("questions")


@dataclass(frozen=True)
class Question:
    """What is asked: one of ABOUTS, about which kind of object, and what a yes/no question supposes."""

    about: str
    object: str | None = None
    value: str | None = None


def random_question(rng: random.Random, scene: Scene, about: str | None = None) -> Question:
    """A question that makes sense for the scene; yes/no kinds are answered yes half of the time."""
    about = about or rng.choice(ABOUTS)
    kinds = [thing.kind for thing in scene.things.values()]
    if about in ("color", "side", "is_color") and not kinds:
        about = "exists"
    if about == "exists":
        present = kinds and rng.random() < 0.5
        return Question(about, rng.choice(kinds if present else [k for k in KINDS if k not in kinds]))
    if about in ("color", "side"):
        return Question(about, rng.choice(kinds))
    if about == "is_color":
        kind = rng.choice(kinds)
        color = next(thing.color for thing in scene.things.values() if thing.kind == kind)
        return Question(about, kind, _true_or_false(rng, color, COLORS))
    if about.startswith("is_"):
        key = about.removeprefix("is_")
        if key == "outfit":
            return Question(about, value="space suit")
        return Question(about, value=_true_or_false(rng, getattr(scene, key), ATTRIBUTES[key]))
    return Question(about)


def _true_or_false(rng: random.Random, truth: str, values: Sequence[str]) -> str:
    """The truth half of the time, else another of the values."""
    return truth if rng.random() < 0.5 else rng.choice([value for value in values if value != truth])


def canonical_question(question: Question, language: Language) -> str:
    """The one wording of a question in the person's language."""
    thing = plain(question.object, language) if question.object else ""
    value = _canonical_value(question.value, language) if question.value else ""
    return _PHRASES[language]["canonical"][question.about].format(thing=thing, value=value)


def _canonical_value(value: str, language: Language) -> str:
    """An attribute or a colour as canonical sentences say it: `a cat`, `raining`, `on mars`, `在火星上`."""
    if value in SETTINGS:
        return place(value, language)
    if language == "en" and value in CHARACTERS:
        return article(value)
    if language == "en" and value in WEATHERS:
        return _PHRASES["en"]["canonical_weather"][value]
    return plain(value, language)


def answer(scene: Scene, question: Question, language: Language) -> str:
    """The true answer, one short sentence. Raises ValueError for an unknown kind of question."""
    about, phrases = question.about, _PHRASES[language]["answers"]
    if about in SCENE_QUESTIONS or about == "is_outfit":
        return _statement(scene, about, language)
    if about in OBJECT_QUESTIONS or about == "is_color":
        return _object_answer(scene, question, language)
    if about in YES_NO_QUESTIONS:
        key = about.removeprefix("is_")
        true = question.value == getattr(scene, key)
        return phrases["agree" if true else "disagree"] + _statement(scene, key, language)
    if about == "describe":
        if language == "zh":
            return _description_zh(scene)
        return canonical_prompt(stated_attributes(scene)) + "."
    raise ValueError(f"unknown question {about!r}")


def _statement(scene: Scene, about: str, language: Language) -> str:
    """The sentence that tells one attribute of the scene."""
    sentence = _PHRASES[language]["answers"][about]
    if isinstance(sentence, dict):
        sentence = sentence[getattr(scene, about.removeprefix("is_"))]
    return sentence.format(
        who=plain(scene.character, language),
        character=_canonical_value(scene.character, language),
        action=plain(scene.action, language),
        setting=place(scene.setting, language),
    )


def _object_answer(scene: Scene, question: Question, language: Language) -> str:
    about, things, phrases = question.about, scene.things, _PHRASES[language]["answers"]
    if about == "count":
        return phrases["count"][len(things)]
    if about in SIDES:
        sentence = phrases["at_side" if about in things else "nothing"]
        thing = _noun(things[about], language) if about in things else ""
        return sentence.format(side=_side(about, language), thing=thing)
    assert question.object is not None
    kind = plain(question.object, language)
    found = next(((side, thing) for side, thing in things.items() if thing.kind == question.object), None)
    if found is None:
        return phrases["absent"][about].format(kind=kind)
    side, thing = found
    sentence = phrases[about.removeprefix("is_")].format(
        kind=kind,
        color=plain(thing.color, language),
        side=_side(side, language),
        thing=_noun(thing, language),
    )
    if about == "is_color":
        return phrases["agree" if question.value == thing.color else "disagree"] + sentence
    return sentence


def _description_zh(scene: Scene) -> str:
    suit = "穿宇航服的" if scene.outfit == "space suit" else ""
    who, doing, sky = (plain(word, "zh") for word in (scene.character, scene.action, scene.weather))
    rest = "".join(f"，{_side(side, 'zh')}是{_noun(thing, 'zh')}" for side, thing in scene.things.items())
    return f"{suit}{who}{place(scene.setting, 'zh')}{doing}，{sky}{rest}。"


def _side(side: str, language: Language) -> str:
    return _PHRASES[language]["sides"][side][0]


def _noun(thing: Thing, language: Language) -> str:
    """`a red ball`, `一个红色的球`."""
    if language == "en":
        return f"a {thing.color} {thing.kind}"
    return f"一{measure(thing.kind)}{plain(thing.color, 'zh')}的{plain(thing.kind, 'zh')}"


def ask(
    rng: random.Random,
    question: Question,
    language: Language,
    scene: Scene | None = None,
    options: Ways | None = None,
) -> str:
    """One of many ways to ask, often the canonical one; `scene` lets it name the character.

    `options` are the ways of its kind to draw from, by default those of `wordings/`.
    """
    if not options and rng.random() < 0.25:
        return canonical_question(question, language)
    phrases, about = _PHRASES[language], question.about
    words = {
        "who": mention(rng, scene, language, phrases["who"]),
        "thing": name(rng, question.object, language, 0.85) if question.object else "",
        "here": rng.choice(phrases["here"]),
        "side": rng.choice(phrases["sides"][about]) if about in SIDES else "",
        "value": _asked_value(rng, question, language),
        "name": plain(question.value, language) if question.value else "",
    }
    spoken: Ways = options or phrases["ways"]["at_side" if about in SIDES else about]
    text = rng.choice(ways(spoken, question.value)).format(**words)
    if (language == "zh" or about != "describe") and rng.random() < 0.1:
        text = rng.choice(phrases["lead"]) + text
    if language == "zh" and about != "describe" and not text.endswith("吗") and rng.random() < 0.15:
        text += rng.choice(("呢", "呀"))
    return text + rng.choice(phrases["end"])


def _asked_value(rng: random.Random, question: Question, language: Language) -> str:
    """What a yes/no question asks about, in a person's words."""
    value = question.value
    if value is None:
        return ""
    match question.about:
        case "is_weather":
            return rng.choice(_PHRASES[language]["weather"][value])
        case "is_setting" | "is_color":
            return _canonical_value(value, language)
    noun = name(rng, value, language)
    return article(noun) if language == "en" and question.about == "is_character" else noun
