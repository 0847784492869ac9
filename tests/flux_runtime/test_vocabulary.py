"""Unknown words are found in English by word and in Chinese by longest match."""

from __future__ import annotations

import pytest

from flux_runtime.vocabulary import Vocabulary, says

VOCABULARY = Vocabulary(
    groups={"characters": {"robot": ("robot", "robots", "机器人")}},
    words=frozenset(
        {"a", "on", "the", "beach", "robot", "robots", "don't", "机器人", "人", "在", "海滩", "上"}
    ),
)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("A robot on the BEACH!", ()),
        ("a Ferrari on the beach", ("ferrari",)),
        ("a ferrari, a Ferrari and 2 robots", ("ferrari", "and")),
        ("don't robot-dance", ("dance",)),
        ("机器人在海滩上", ()),
        ("法拉利在海滩上", ("法拉利",)),
        ("机器人在法拉利海滩", ("法拉利",)),
        ("机器在上", ("机器",)),
        ("a robot 在火星 and 海滩", ("火星", "and")),
        ("don’t", ()),
        ("рисуй a robot", ("рисуй",)),
        ("a robot at the Café", ("at", "café")),
        ("ロボット", ("ロボット",)),
        ("", ()),
        ("12 #3 ?!", ()),
    ],
)
def test_unknown_words_are_named_in_order(text: str, unknown: tuple[str, ...]) -> None:
    assert VOCABULARY.unknown(text) == unknown


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("Two ROBOTS!", True),
        ("robotic arms", False),
        ("画个机器人吧", True),
        ("a Ferrari on the beach", False),
    ],
)
def test_what_a_text_mentions_of_a_group(text: str, mentioned: bool) -> None:
    assert VOCABULARY.mentions(text, "characters") is mentioned
    assert not VOCABULARY.mentions(text, "no such group")


def test_a_group_is_not_mentioned_by_a_part_of_another_groups_word() -> None:
    groups = {"settings": {"mars": ("火星",)}, "objects": {"star": ("星",)}}
    world = Vocabulary(groups=groups, words=frozenset())
    assert not world.mentions("画火星", "objects")
    assert world.mentions("火星上有一颗星", "objects")


@pytest.mark.parametrize(
    ("text", "phrase", "said"),
    [
        ("a red balloon is on the left.", "red ball", False),
        ("A Red  ball is on the left.", "red ball", True),
        ("edited #12", "#1", False),
        ("edited #1.", "#1", True),
        ("what is in #7?", "7", True),
        ("don’t", "don't", True),
        ("一个红色的气球", "球", False),
        ("一个气球和一个球", "球", True),
        ("一个气球", "气球", True),
        ("它在浇花。", "浇花", True),
        ("我是pocket，你好", "pocket", True),
        ("it is playing guitar.", "guitar", True),
    ],
)
def test_a_text_says_whole_words_and_phrases_only(text: str, phrase: str, said: bool) -> None:
    assert says(text, phrase, ("球", "气球", "浇花", "playing guitar")) is said


def test_a_vocabulary_survives_json() -> None:
    assert Vocabulary.model_validate_json(VOCABULARY.model_dump_json()) == VOCABULARY
