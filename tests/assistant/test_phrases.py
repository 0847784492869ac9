"""Lists of pictures are said as people say them."""

from __future__ import annotations

import pytest

from assistant.phrases import Language, numbers


@pytest.mark.parametrize(
    ("language", "images", "said"),
    [
        ("en", [], ""),
        ("en", [4], "#4"),
        ("en", [1, 2, 3, 4, 5], "#1, #2, #3, #4 and #5"),
        ("en", range(1, 81), "#1 to #80"),
        ("en", [1, 3, *range(5, 30), 40], "#1, #3, #5 to #29 and #40"),
        ("zh", [1, *range(3, 10)], "#1、#3 到 #9"),
    ],
)
def test_numbers_are_listed_and_long_rows_of_them_shortened(
    language: Language, images: list[int], said: str
) -> None:
    assert numbers(language, images) == said
