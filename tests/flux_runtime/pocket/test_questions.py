"""Answers are true of the scene, in both languages, and questions ask what they should."""

from __future__ import annotations

import random
import re

import pytest

from flux_runtime.pocket.changes import Change, apply_change
from flux_runtime.pocket.questions import (
    ABOUTS,
    OBJECT_QUESTIONS,
    YES_NO_QUESTIONS,
    Question,
    answer,
    ask,
    canonical_question,
    random_question,
)
from flux_runtime.pocket.vocabulary import LANGUAGES, Language, plain
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, Scene, Thing, random_scene

SCENE = Scene("dog", "none", "sleeping", "mars", "night", Thing("star", "red"))
SIDE_WORDS = {"en": {"left": "left", "right": "right"}, "zh": {"left": "左边", "right": "右边"}}


def _scenes(count: int) -> list[Scene]:
    rng = random.Random("scenes to ask of")
    return [random_scene(rng) for _ in range(count)]


@pytest.mark.parametrize(
    ("question", "english", "chinese"),
    [
        (Question("character"), "it is a dog.", "是狗。"),
        (Question("outfit"), "the dog is not wearing a space suit.", "狗没有穿宇航服。"),
        (Question("action"), "the dog is sleeping.", "狗在睡觉。"),
        (Question("setting"), "the dog is on mars.", "狗在火星上。"),
        (Question("weather"), "it is night.", "是夜晚。"),
        (Question("count"), "there is one object.", "有一个物体。"),
        (Question("exists", "star"), "yes, there is a red star on the left.", "有，左边有一颗红色的星星。"),
        (Question("exists", "ball"), "no, there is no ball.", "没有球。"),
        (Question("color", "star"), "the star is red.", "星星是红色的。"),
        (Question("side", "star"), "the star is on the left.", "星星在左边。"),
        (Question("left"), "a red star is on the left.", "左边是一颗红色的星星。"),
        (Question("right"), "there is nothing on the right.", "右边什么也没有。"),
        (Question("is_character", value="cat"), "no, it is a dog.", "不是，是狗。"),
        (
            Question("is_outfit", value="space suit"),
            "no, the dog is not wearing a space suit.",
            "没有，狗没有穿宇航服。",
        ),
        (Question("is_weather", value="night"), "yes, it is night.", "是的，是夜晚。"),
        (Question("is_color", "star", "red"), "yes, the star is red.", "是的，星星是红色的。"),
        (Question("is_color", "ball", "red"), "no, there is no ball.", "不是，没有球。"),
        (
            Question("describe"),
            "a dog sleeping on mars, night, a red star on the left.",
            "狗在火星上睡觉，夜晚，左边是一颗红色的星星。",
        ),
    ],
    ids=lambda value: value.about if isinstance(value, Question) else "",
)
def test_what_is_answered_about_a_scene(question: Question, english: str, chinese: str) -> None:
    assert answer(SCENE, question, "en") == english
    assert answer(SCENE, question, "zh") == chinese


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_say_yes_exactly_when_it_is_so(language: Language) -> None:
    rng = random.Random(0)
    yes = {"en": "yes, ", "zh": "是的，"}[language]
    for scene in _scenes(100):
        for about in YES_NO_QUESTIONS:
            question = random_question(rng, scene, about)
            if question.about == "is_color":
                true = Thing(str(question.object), str(question.value)) in scene.things.values()
            elif question.about == "exists":
                continue  # what `is_color` becomes in a scene without objects
            else:
                true = getattr(scene, question.about.removeprefix("is_")) == question.value
            assert answer(scene, question, language).startswith(yes) == true


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_about_objects_name_what_is_there(language: Language) -> None:
    for scene in _scenes(100):
        for kind in KINDS:
            place = next((side for side, thing in scene.things.items() if thing.kind == kind), None)
            told = {
                about: answer(scene, Question(about, kind), language) for about in ("exists", "color", "side")
            }
            if place is None:
                assert len({text.removeprefix("no, ") for text in told.values()}) == 1
                continue
            assert SIDE_WORDS[language][place] in told["side"]
            colors = [color for color in COLORS if plain(color, language) in told["color"]]
            assert colors == [scene.things[place].color]
        for side in SIDES:
            text = answer(scene, Question(side), language)
            thing = scene.things.get(side)
            if language == "en":  # Chinese has no spaces between words, and 球 is a part of 气球
                named = [kind for kind in KINDS if re.search(rf"\b{kind}\b", text)]
                assert named == ([thing.kind] if thing else [])
            elif thing:
                assert plain(thing.kind, "zh") in text
            assert SIDE_WORDS[language][side] in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_changes_with_what_it_is_about(language: Language) -> None:
    for key, values in ATTRIBUTES.items():
        answers = set()
        for value in values:
            scene = SCENE if getattr(SCENE, key) == value else apply_change(SCENE, Change(key, value))
            answers.add(answer(scene, Question(key), language))
        assert len(answers) == len(values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_canonical_questions_are_all_different(language: Language) -> None:
    rng = random.Random(0)
    asked: dict[str, Question] = {}
    for scene in _scenes(300):
        for about in ABOUTS:
            question = random_question(rng, scene, about)
            text = canonical_question(question, language)
            assert asked.setdefault(text, question) == question
    assert len(asked) > 60


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_person_asks_in_many_ways_that_leave_no_gap(language: Language) -> None:
    rng = random.Random(0)
    for about in ABOUTS:
        texts = set()
        for scene in _scenes(60):
            question = random_question(rng, scene, about)
            texts.add(ask(rng, question, language, scene))
        assert len(texts) > 8
        assert not [text for text in texts if re.search(r"[{}]|None|  ", text)]


def test_questions_suit_the_scene() -> None:
    rng = random.Random(0)
    empty = SCENE.with_thing("left", None)
    for about in ("color", "side", "is_color"):
        assert random_question(rng, empty, about).about == "exists"
        assert random_question(rng, SCENE, about).object == "star"
    assert {random_question(rng, SCENE).about for _ in range(500)} == set(ABOUTS) >= set(OBJECT_QUESTIONS)


def test_an_unknown_question_is_an_error() -> None:
    with pytest.raises(ValueError, match="smell"):
        answer(SCENE, Question("smell"), "en")
