from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assistant.planning.source_resolution import MOST_OFFERED, Album, Question, resolve
from sessions.records import ImageRecord

if TYPE_CHECKING:
    from flux_runtime.vocabulary import Vocabulary


def image(n: int, prompt: str, *, typed: str = "", caption: str | None = None) -> ImageRecord:
    return ImageRecord.model_validate(
        {
            "owner": "ann",
            "id": f"{n:032x}",
            "session": "s",
            "turn": "t",
            "n": n,
            "op": "generate",
            "parents": (),
            "root": "r",
            "prompt_typed": typed,
            "prompt_used": prompt,
            "caption": prompt if caption is None else caption,
            "region": None,
            "seed": 1,
            "width": 8,
            "height": 8,
            "outside_change": None,
            "receipt": None,
            "sha256": "0",
            "created": "now",
        }
    )


#: #5 was edited from #4
IMAGES = (
    image(1, "a robot in a greenhouse, a blue balloon on the left"),
    image(2, "a cat on the beach"),
    image(4, "a cat in the city, a red ball on the right"),
    image(5, "make it snowy", caption="a cat in the city, a red ball on the right; make it snowy"),
)
ALBUM = Album(images=IMAGES, attached=(), head=4)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("last", (4,)),
        ("", (4,)),
        ("it", (4,)),
        ("this", (4,)),
        ("the picture", (4,)),
        ("#2", (2,)),
        ("# 2", (2,)),
        ("image 2", (2,)),
        ("2", (2,)),
        ("#1 and #2", (1, 2)),
        ("first", (1,)),
        ("the second one", (2,)),
        ("third", (4,)),
        ("第二张", (2,)),
        ("第1张图", (1,)),
        ("the first cat", (2,)),
        ("the second cat", (4,)),
        ("the blue one", (1,)),
        ("the robot", (1,)),
        ("balloons", (1,)),
        ("the beach picture", (2,)),
        ("the snowy one", (5,)),
        ("the red one", (4,)),
    ],
)
def test_a_name_means_the_image_a_person_would_mean(name: str, meant: tuple[int, ...]) -> None:
    assert resolve(name, ALBUM, "en") == meant


@pytest.mark.parametrize("name", ["last", "#1", "third", "the blue one", "attached"])
def test_what_came_with_the_message_wins_over_every_name(name: str) -> None:
    album = Album(images=IMAGES, attached=(6, 2), head=4)
    assert resolve(name, album, "en") == (6, 2)


@pytest.mark.parametrize(("name", "n"), [("second", 2), ("第一张", 6), ("#2", 2), ("the 2nd one", 2)])
def test_of_several_that_came_with_the_message_one_may_be_named(name: str, n: int) -> None:
    assert resolve(name, Album(images=IMAGES, attached=(6, 2), head=4), "en") == (n,)


@pytest.mark.parametrize(
    ("numeral", "n"),
    [("三", 3), ("十", 10), ("十二", 12), ("二十", 20), ("二十一", 21), ("30", 30), ("九十九", 99)],
)
def test_chinese_ordinals_are_read_whole(numeral: str, n: int) -> None:
    album = Album(tuple(image(each, "a cat") for each in range(1, 100)), (), 99)
    assert resolve(f"第{numeral}张", album, "zh") == (n,)


def test_an_ordinal_past_99_is_not_taken_for_a_smaller_one() -> None:
    album = Album(tuple(image(each, "a cat") for each in range(1, 5)), (), 4)
    assert isinstance(resolve("第一百张", album, "zh"), Question)


def test_two_that_fit_equally_are_asked_about_by_number() -> None:
    question = resolve("the cat", ALBUM, "en")
    assert isinstance(question, Question)
    assert question.candidates == (2, 4)
    assert "#2 (a cat on the beach)" in question.text
    assert "or #4" in question.text


def test_a_description_of_nothing_there_is_asked_about_all() -> None:
    question = resolve("the dragon", ALBUM, "en")
    assert isinstance(question, Question)
    assert question.candidates == (1, 2, 4, 5)


@pytest.mark.parametrize("name", ["#3", "#9", "#1 and #7", "picture 3"])
def test_an_unknown_number_is_answered_with_the_numbers_there_are(name: str) -> None:
    question = resolve(name, ALBUM, "en")
    assert isinstance(question, Question)
    assert "There is no #" in question.text
    assert "#1, #2, #4 and #5" in question.text


def test_an_ordinal_past_the_end_is_answered_with_those_there_are() -> None:
    question = resolve("fifth", ALBUM, "en")
    assert isinstance(question, Question)
    assert "only #1, #2, #4 and #5" in question.text
    question = resolve("the second robot", ALBUM, "en")
    assert question == Question(
        "There are not that many such pictures, only #1: which one do you mean?", (1,)
    )


@pytest.mark.parametrize("name", ["last", "#1", "the cat", "first"])
def test_without_any_image_it_says_what_to_do_first(name: str) -> None:
    question = resolve(name, Album((), (), None), "en")
    assert question == Question("There is no picture here yet. Say what to draw, or attach a picture.")


def test_after_everything_was_undone_nothing_is_current() -> None:
    question = resolve("last", Album(IMAGES, (), None), "zh")
    assert isinstance(question, Question)
    assert question.candidates == (1, 2, 4, 5)
    assert "#1、#2、#4、#5" in question.text


def test_the_only_image_is_meant_by_any_description() -> None:
    assert resolve("the cat", Album((IMAGES[0],), (), 1), "en") == (1,)


def test_a_description_finds_an_image_by_the_words_it_was_asked_for_with() -> None:
    album = Album((image(1, "a cat", typed="画一只小猫"), image(2, "a dog", typed="画一只狗")), (), 2)
    assert resolve("小猫那张", album, "zh") == (1,)


def test_declared_spellings_find_an_image_across_languages(vocabulary: Vocabulary) -> None:
    album = Album((image(1, "a blue robot"), image(2, "a red cat")), (), 2)
    found: Any = [resolve(name, album, "zh", vocabulary) for name in ("蓝色的那张", "红色的", "the kitty")]
    assert found == [(1,), (2,), (2,)]
    assert isinstance(resolve("蓝色的那张", album, "zh"), Question), "without the declared words it cannot"


@pytest.mark.parametrize("name", ["the dragon", "the cat", "#999", "第三百张", "last"])
def test_a_question_back_stays_short_in_a_long_conversation(name: str) -> None:
    album = Album(tuple(image(n, "a cat") for n in range(1, 201)), (), None)
    question = resolve(name, album, "en")
    assert isinstance(question, Question)
    assert 1 <= len(question.candidates) <= MOST_OFFERED
    assert len(question.text) < 250
