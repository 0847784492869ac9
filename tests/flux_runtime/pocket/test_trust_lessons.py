"""The lessons of the third course: true, readable, and never a message that judges it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from flux_runtime.pocket.changes import apply_change, random_change
from flux_runtime.pocket.instructions import canonical_instruction
from flux_runtime.pocket.overlap import SHINGLE, tokens
from flux_runtime.pocket.plan_labels import labelled_messages, letters
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.trust import lessons, tellings
from flux_runtime.pocket.trust.measure import parse, read_calls
from flux_runtime.pocket.trust.never_taught import is_held_out
from flux_runtime.pocket.trust.pictures import (
    MISSING,
    NOTHING,
    count_exchange,
    foreign_pictures,
    missing_exchange,
    part,
)
from flux_runtime.pocket.vocabulary import LANGUAGES, plain
from flux_runtime.pocket.world import ATTRIBUTES, KINDS, SIDES, Scene, Thing

HELD_OUT = Path(lessons.__file__).parents[1] / "held_out"
SETS = {
    name: yaml.safe_load((HELD_OUT / f"{name}.yaml").read_text("utf-8")) for name in ("everyday", "trust")
}


def test_no_held_out_message_is_ever_taught() -> None:
    rng = random.Random(1)
    lesson = (lessons.trust_example, lessons.told_example)
    taught = {letters(rng.choice(lesson)(rng).message) for _ in range(4000)}
    judged = {
        letters(row["say"]) for sets in SETS.values() for language in LANGUAGES for row in sets[language]
    }
    judged |= {letters(row["say"]) for language in LANGUAGES for row in labelled_messages(language)}
    assert len(judged) > 650
    assert not taught & judged


def test_what_shares_many_words_in_a_row_with_a_held_out_message_is_not_taught_either() -> None:
    for language in LANGUAGES:
        size = SHINGLE[language]
        long = max((row["say"] for row in labelled_messages(language)), key=len)
        words = tokens(long, language)
        assert len(words) > size
        join = (" " if language == "en" else "").join
        assert is_held_out(join(["now", *words[1 : size + 1], "x"]))
        assert not is_held_out(join(["now", *words[1:size], "x"]))


@pytest.mark.parametrize("lesson", [*lessons.LESSONS, *lessons.TOLD], ids=lambda lesson: lesson.__name__)
def test_every_target_is_words_or_calls_that_can_be_read(lesson: lessons.Lesson) -> None:
    rng = random.Random(2)
    for _ in range(60):
        example = lesson(rng, rng.choice(LANGUAGES))
        assert example.message.strip()
        if "<tool_call>" in example.target:
            calls = read_calls(example.target).calls
            assert len(calls) == example.target.count("<tool_call>")
            assert all(json.dumps(call.arguments) for call in calls)


def test_what_a_told_message_is_taught_to_mean_is_in_its_words() -> None:
    rng = random.Random(6)
    for language in LANGUAGES:
        values = tellings.words(language)["values"]
        for _ in range(400):
            text, stated = tellings.told(rng, language)
            assert stated, text
            if "character" in stated:
                assert any(word in text for word in values["character"][stated["character"]])
            for side in SIDES:
                thing = stated.get(side)
                if isinstance(thing, Thing):
                    assert any(word in text for word in values["color"][thing.color]), text
                    assert any(word in text for word in values["kind"][thing.kind]), text


def test_counts_of_a_kind_are_true() -> None:
    two = Scene(
        "cat", "none", "reading", "beach", "sunny", left=Thing("ball", "red"), right=Thing("ball", "blue")
    )
    rng, heard = random.Random(7), set[str]()
    for _ in range(300):
        asked, told = count_exchange(rng, two)
        of_balls = "ball" in asked.replace("balloon", "") or "球" in asked.replace("气球", "")
        assert of_balls == ("two" in told or "两" in told), (asked, told)
        heard.add(told)
    assert {"there are two balls.", "有两个球。", "there is no bird.", "没有星星。"} <= heard


def test_a_whole_scene_states_everything_and_keeps_what_was_asked_for() -> None:
    rng = random.Random(3)
    for _ in range(300):
        example = lessons.whole_scene_example(rng, "en")
        whole, asked = parse(example.target), example.message
        assert whole is not None, example.target
        assert {"character", "action", "setting", "weather"} <= whole.keys()
        stated = [each for each in (*ATTRIBUTES["weather"], *KINDS) if f", {each}" in f", {asked}"]
        assert all(each in example.target for each in stated), (asked, example.target)


def test_what_is_missing_is_just_what_the_picture_does_not_show() -> None:
    rng = random.Random(4)
    for _ in range(300):
        scene = training_scene(rng)
        asked, told = missing_exchange(rng, scene)
        language = "en" if asked.startswith(MISSING["en"]) else "zh"
        assert asked.startswith(MISSING[language])
        true = {part(key, getattr(scene, key), language) for key in ATTRIBUTES}
        for side, thing in scene.things.items():
            true |= {part(side, thing, language), part(side, thing, language, with_side=False)}
            true.add(plain(thing.kind, language))
        end, mark = (".", ", ") if language == "en" else ("。", "，")
        parts = [] if told == NOTHING[language] else told.removesuffix(end).split(mark)
        assert not true & set(parts), (asked, told)


def test_an_instruction_that_was_followed_lacks_nothing_and_one_that_was_not_does() -> None:
    rng = random.Random(8)
    heard: dict[bool, int] = {True: 0, False: 0}
    for _ in range(400):
        scene = training_scene(rng)
        change = random_change(rng, scene)
        after = apply_change(scene, change)
        asked = MISSING["en"] + canonical_instruction(change)
        for shown, done in ((after, True), (scene, False)):
            for _ in range(30):
                question, told = missing_exchange(rng, shown)
                if question == asked and change.target not in SIDES:
                    assert (told == NOTHING["en"]) == done, (shown, question, told)
                    heard[done] += 1
    assert min(heard.values()) > 20


def test_the_held_out_labels_name_what_exists() -> None:
    for language in LANGUAGES:
        for row in SETS["everyday"][language]:
            assert row["scene"].keys() <= {*ATTRIBUTES, *SIDES}
            assert all(row["scene"][key] in ATTRIBUTES[key] for key in row["scene"] if key in ATTRIBUTES)
        for row in SETS["trust"][language]:
            assert set(row.get("pictures", [])) <= SETS["trust"]["pictures"].keys()
            assert set(row["tool"]) <= {"generate", "edit", "ask", "undo", "chat", "clarify", "plan"}
            assert row.get("source", 1) <= max(1, len(row.get("pictures", [])))


def test_foreign_pictures_have_the_shape_and_range_of_the_worlds() -> None:
    pictures = foreign_pictures(random.Random(5), 30)
    assert pictures.shape == (30, 3, 256, 256)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
