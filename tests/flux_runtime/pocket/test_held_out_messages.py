"""What held-out messages ask for: read as written, and seen in a scene or not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from flux_runtime.catalogue import find_model
from flux_runtime.pocket.evaluation import Sizes, is_clear
from flux_runtime.pocket.held_out_messages import (
    evenly,
    everyday_prompts,
    scene_of,
    shows,
    trust_pictures,
    trust_turns,
)
from flux_runtime.pocket.judge import HEADS, image_batch, load_judge
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, Scene, Thing, draw

CAT = Scene(
    "cat", "none", "reading", "beach", "sunny", left=Thing("ball", "red"), right=Thing("star", "blue")
)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"character": "cat", "weather": "sunny"}, True),
        ({"character": "cat", "weather": "rainy"}, False),
        ({"weather": ["snowy", "sunny"]}, True),
        ({"weather": ["snowy", "night"]}, False),
        ({"outfit": "none"}, True),
        ({"outfit": "space suit"}, False),
        ({"left": "red ball"}, True),
        ({"right": "red ball"}, False),
        ({"kind": "star"}, True),
        ({"kind": "balloon"}, False),
        ({"recolor": "ball", "color": "red"}, True),
        ({"recolor": "ball", "color": "blue"}, False),
        ({}, True),
    ],
)
def test_a_scene_shows_all_that_is_wanted_or_not(wanted: dict[str, Any], shown: bool) -> None:
    assert shows(wanted, CAT) is shown


def test_what_is_not_of_the_world_is_an_error_and_not_a_miss() -> None:
    with pytest.raises(AttributeError):
        shows({"wether": "sunny"}, CAT)


def test_an_answer_no_is_a_word() -> None:
    rows = [row for language in LANGUAGES for row in trust_turns(language)]
    words = [word for row in rows for word in row.get("answer", ())]
    assert "no" in words
    assert "yes" in words
    assert all(isinstance(word, str) for word in words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_rows_want_can_be_in_a_picture(language: str) -> None:
    values = {**ATTRIBUTES, "kind": KINDS, "recolor": KINDS, "color": COLORS}
    sides = {f"{color} {kind}" for color in COLORS for kind in KINDS}
    pictures = trust_pictures()
    for row in (*everyday_prompts(language), *trust_turns(language)):  # pyright: ignore[reportArgumentType]
        assert set(row.get("pictures", ())) <= set(pictures), row
        for part in ("scene", "change", "never"):
            for key, value in row.get(part, {}).items():
                wanted = value if isinstance(value, list) else [value]
                assert set(wanted) <= set(values.get(key, sides)), row
        assert set(row.get("keeps", ())) <= set(KINDS), row


def test_a_sample_is_spread_over_all_rows() -> None:
    assert evenly(range(100), 4) == [0, 25, 50, 75]
    assert evenly(range(3), 10) == [0, 1, 2]


def test_quick_measures_a_twentieth_of_the_messages() -> None:
    whole, quick = Sizes.of(), Sizes.of(quick=True)
    assert max(len(everyday_prompts(language)) for language in LANGUAGES) <= whole.everyday
    assert max(len(trust_turns(language)) for language in LANGUAGES) <= whole.trust
    assert (quick.everyday, quick.trust) == (round(whole.everyday / 20), round(whole.trust / 20))


def test_the_judge_is_sure_of_a_render_and_not_of_two_laid_over_each_other() -> None:
    judge = load_judge(find_model("pocket") / "judge" / "model.safetensors")
    robot = scene_of(
        {
            "character": "robot",
            "outfit": "none",
            "action": "sleeping",
            "setting": "mars",
            "weather": "sunny",
        }
    )
    renders = image_batch([draw(CAT), draw(robot)])
    both = judge.sureness(torch.cat([renders, renders.mean(0, keepdim=True)]))
    assert [set(each) for each in both] == [set(HEADS)] * 3
    assert [is_clear(each) for each in both] == [True, True, False]
