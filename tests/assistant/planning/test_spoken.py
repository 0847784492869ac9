"""What is said in words is told from what only programs write, and from noise."""

from __future__ import annotations

import pytest

from assistant.planning.spoken import LONGEST_REPLY, is_sayable, spoken


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "undo", "arguments": {}}\n</tool_call>',
        '<tool_call>{"name": "undo"',
        '{"name": "undo", "arguments": {}}',
        '{"name": "undo", "arguments": {}',
        "{'name': 'undo'}",
        '[{"name": "undo", "arguments": {}}]',
        "%s %n {0}",
        "${HOME} {}",
        "%(name)s",
        "?!",
        "",
    ],
)
def test_what_only_programs_write_says_nothing(text: str) -> None:
    assert spoken(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "draw a cat",
        "画一只猫",
        "make #2 50% bluer",
        "a cat {with a hat}",
        "🐱",
        "a sign that says <3",
        "5 balloons, [red] ones",
        "нарисуй кота",
    ],
)
def test_what_people_write_is_left_as_it_is(text: str) -> None:
    assert spoken(text) == text


def test_words_around_a_tool_call_are_all_that_is_left_of_it() -> None:
    said = 'draw a cat <tool_call>{"name": "undo", "arguments": {}}</tool_call> on {"a": {"b": 1}} Mars'
    assert spoken(said) == "draw a cat on Mars"


@pytest.mark.parametrize(
    "text",
    [
        "Hello! I draw pictures, answer questions about them, and change them.",
        "你好！我会画画，也会回答关于图片的问题。",
        "Привет! Что нарисовать?",
        "Hi!",
        "You can say “make it rain”, or ask: is it night in #2?",
        "I draw robots, cats, dogs and rabbits: in the forest, on the beach, in the city, on Mars and in a "
        "greenhouse. It may be sunny, rainy or snowy, or night. Say what you like, attach a picture and "
        "ask about it, or say what to change in one that is here already.",
    ],
)
def test_sentences_are_sayable(text: str) -> None:
    assert is_sayable(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "#" * 2000,
        "# " * 500,
        "#1 #2 #3 #4 #5 ...",
        "a" * 50,
        "the cat the cat " * 30,
        "猫猫狗" * 80,
        '{"name": "undo", "arguments": {}}',
        "%s",
        "\ufffd\ufffdab",
        "...",
        "x",
        "word " * LONGEST_REPLY,
    ],
)
def test_noise_is_not_sayable(text: str) -> None:
    assert not is_sayable(text)
