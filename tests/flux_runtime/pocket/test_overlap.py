"""No held-out message could have been drawn by the grammar that the shipped weights were trained on."""

from __future__ import annotations

import random
import re

import pytest

from flux_runtime.pocket.lessons import plain_two_objects_example, rewriting_example, two_objects_example
from flux_runtime.pocket.overlap import SHINGLE, grammar, tokens
from flux_runtime.pocket.plan_labels import labelled_messages, letters
from flux_runtime.pocket.planning import plan_example
from flux_runtime.pocket.vocabulary import LANGUAGES, Language, wordings


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_message_can_come_from_the_training_grammar(language: Language) -> None:
    known = grammar(language)
    messages = [row["say"] for row in labelled_messages(language)]
    assert [message for message in messages if known.produces(message)] == []
    assert [(message, known.shared_shingle(message)) for message in messages] == [
        (message, None) for message in messages
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_message_stands_in_the_wordings_also_without_polite_words(language: Language) -> None:
    phrases = wordings("planning")[language]
    fixed = [
        *phrases["undo"],
        *phrases["vague"],
        *(say for topic in phrases["chat"] for say in topic["says"]),
    ]
    taught = {letters(sentence) for sentence in fixed}
    polite = sorted(
        {letters(word) for key in ("lead", "polite") for word in phrases[key]}, key=len, reverse=True
    )
    around = "|".join(map(re.escape, polite))
    for row in labelled_messages(language):
        bare = re.sub(f"^(?:{around})+|(?:{around})+$", "", letters(row["say"]))
        assert not taught & {letters(row["say"]), bare}, row


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_training_message_is_recognised(language: Language) -> None:
    known, rng = grammar(language), random.Random(f"messages {language}")
    examples = [plan_example(rng, language, slips=False) for _ in range(600)]
    examples += [
        lesson(rng)
        for lesson in (rewriting_example, two_objects_example, plain_two_objects_example)
        for _ in range(150)
    ]
    for example in examples:
        spoken = "zh" if re.search(r"[\u3400-\u9fff]", example.message) else "en"
        if spoken == language and "clarify" not in example.target:  # some of those are random letters
            assert known.produces(example.message), example
            if len(tokens(example.message, language)) >= SHINGLE[language]:
                assert known.shared_shingle(example.message), example


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "draw a cat"),
        ("en", "Hey, please undo that, thanks!"),
        ("en", "please hi there"),
        ("en", "What is SHE wearing?"),
        ("en", "can you draw a rabbit without a space suit, reading in the city"),
        ("zh", "画一只狗"),
        ("zh", "你好，在吗，谢谢"),
        ("zh", "第一张能不能换成晚上"),
    ],
)
def test_messages_of_the_first_held_out_sets_are_found_to_be_taught(language: Language, message: str) -> None:
    found = grammar(language)
    assert found.produces(message) or found.shared_shingle(message)
