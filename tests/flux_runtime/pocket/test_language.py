"""Captions and instructions: one canonical form that reads back, and many others with the right words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from flux_runtime.pocket.changes import EDIT_TYPES, Change, applies, random_change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import canonical_prompt, caption, stated_attributes
from flux_runtime.pocket.planning import partial
from flux_runtime.pocket.vocabulary import LANGUAGES, NAMES, Language, spellings, ways, wordings
from flux_runtime.pocket.world import Scene, Thing, random_scene

HAN = re.compile(r"[\u3400-\u9fff]")
FULL = Scene("dog", "space suit", "sleeping", "mars", "night", Thing("star", "red"), Thing("ball", "blue"))


def _scenes(count: int) -> list[Scene]:
    rng = random.Random("scenes to speak of")
    return [random_scene(rng) for _ in range(count)]


def test_the_canonical_prompt_of_a_scene() -> None:
    assert canonical_prompt(stated_attributes(FULL)) == (
        "a dog in a space suit sleeping on mars, night, a red star on the left, a blue ball on the right"
    )
    assert canonical_prompt({"setting": "forest"}) == "someone in the forest"


def test_canonical_prompts_read_back(read_prompt: Callable[[str], object]) -> None:
    rng = random.Random(0)
    for scene in _scenes(200):
        assert read_prompt(canonical_prompt(stated_attributes(scene))) == stated_attributes(scene)
        stated = partial(rng, scene)
        assert read_prompt(canonical_prompt(stated)) == stated


def test_canonical_instructions_read_back(read_instruction: Callable[[str], Change]) -> None:
    rng = random.Random(0)
    for scene in _scenes(100):
        for type_ in EDIT_TYPES:
            if applies(type_, scene):
                change = random_change(rng, scene, type_)
                assert read_instruction(canonical_instruction(change)) == change


def test_an_unknown_edit_has_no_instruction() -> None:
    with pytest.raises(ValueError, match="enlarge"):
        canonical_instruction(Change("enlarge", "cat"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_name_all_that_is_stated_and_nothing_else(language: Language) -> None:
    rng = random.Random(0)
    groups = ("characters", "settings", "objects", "colours")
    for scene in _scenes(300):
        stated = stated_attributes(scene)
        text = caption(rng, stated, language)
        assert bool(HAN.search(text)) == (language == "zh"), text
        assert not re.search(r"[{}]|  ", text), text
        named = {scene.character, scene.setting}
        named |= {word for thing in scene.things.values() for word in (thing.kind, thing.color)}
        for name in named:
            assert any(spelling in text for spelling in spellings(name, language)), (name, text)
        if language == "en":  # Chinese names lie within each other and within other words
            others = {name for group in groups for name in NAMES[group]} - named
            rest = text
            for spelling in sorted(
                (s for name in named for s in spellings(name, "en")), key=len, reverse=True
            ):
                rest = rest.replace(spelling, "")
            words = set(re.findall(r"[a-z]+", rest))
            assert not words & {s for name in others for s in spellings(name, "en")}, text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scene", [None, FULL], ids=["no scene", "scene"])
def test_instructions_leave_no_gap(language: Language, scene: Scene | None) -> None:
    rng = random.Random(0)
    for source in _scenes(60):
        for type_ in EDIT_TYPES:
            if applies(type_, source):
                text = instruction(rng, random_change(rng, source, type_), language, scene)
                assert bool(HAN.search(text)) == (language == "zh"), text
                assert not re.search(r"[{}]|  |None", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_instruction_is_drawn_from_all_its_ways(language: Language) -> None:
    rng = random.Random(0)
    change = Change("remove", target="star")
    drawn = {instruction(rng, change, language) for _ in range(2000)}
    patterns = [
        re.escape(way).replace(r"\{target\}", ".+").replace(r"\{bare_target\}", ".+")
        for way in ways(wordings("instructions")[language]["ways"]["remove"], None)
    ]
    assert [way for way in patterns if not any(re.fullmatch(way, text) for text in drawn)] == []
    assert [text for text in drawn if not any(re.fullmatch(way, text) for way in patterns)] == []


def test_the_scene_lets_an_instruction_name_the_character() -> None:
    rng = random.Random(0)
    change = Change("setting", "beach")
    named = [instruction(rng, change, "en", FULL) for _ in range(200)]
    unnamed = [instruction(rng, change, "en") for _ in range(200)]
    dogs = spellings("dog", "en")
    assert any(dog in text for text in named for dog in dogs)
    assert not any(dog in text for text in unnamed for dog in dogs)


def test_ways_under_a_value_join_those_for_any() -> None:
    options = {"any": ["a", "b"], "rainy": ["c"]}
    assert ways(options, "rainy") == ["a", "b", "c"]
    assert ways(options, "sunny") == ["a", "b"]
    assert ways(["a"], "sunny") == ["a"]
