"""The lessons of the third course: true, readable, and never a message that judges it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from flux_runtime.pocket.language import canonical_prompt
from flux_runtime.pocket.plan_labels import letters
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.trust import lessons
from flux_runtime.pocket.trust.measure import parse, read_calls
from flux_runtime.pocket.trust.pictures import MISSING, NOTHING, foreign_pictures, missing_exchange
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import ATTRIBUTES, SIDES

HELD_OUT = Path(lessons.__file__).parents[1] / "held_out"
SETS = {
    name: yaml.safe_load((HELD_OUT / f"{name}.yaml").read_text("utf-8")) for name in ("everyday", "trust")
}


def test_no_held_out_message_is_ever_taught() -> None:
    rng = random.Random(1)
    taught = {letters(lessons.trust_example(rng).message) for _ in range(4000)}
    judged = {
        letters(row["say"]) for sets in SETS.values() for language in LANGUAGES for row in sets[language]
    }
    assert len(judged) > 450
    assert not taught & judged


@pytest.mark.parametrize("lesson", list(lessons.LESSONS), ids=lambda lesson: lesson.__name__)
def test_every_target_is_words_or_calls_that_can_be_read(lesson: lessons.Lesson) -> None:
    rng = random.Random(2)
    for _ in range(60):
        example = lesson(rng, rng.choice(LANGUAGES))
        assert example.message.strip()
        if "<tool_call>" in example.target:
            calls = read_calls(example.target).calls
            assert len(calls) == example.target.count("<tool_call>")
            assert all(json.dumps(call.arguments) for call in calls)


def test_a_whole_scene_states_everything_and_keeps_what_was_asked_for() -> None:
    rng = random.Random(3)
    for _ in range(300):
        example = lessons.whole_scene_example(rng, "en")
        whole, asked = parse(example.target), example.message
        assert whole is not None, example.target
        assert {"character", "action", "setting", "weather"} <= whole.keys()
        for part in asked.split(", ")[1:]:
            assert part in example.target
        assert asked.startswith("someone") or asked.split(", ")[0].split()[1] in example.target


def test_what_is_missing_is_just_what_the_picture_does_not_show() -> None:
    rng = random.Random(4)
    for _ in range(300):
        scene = training_scene(rng)
        asked, told = missing_exchange(rng, scene)
        assert asked.startswith(MISSING)
        shown = {key: getattr(scene, key) for key in ATTRIBUTES} | scene.things
        true = canonical_prompt(shown)
        parts = [] if told == NOTHING else told.removesuffix(".").split(", ")
        assert not [part for part in parts if part in true and part != "without a space suit"], (asked, told)


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
