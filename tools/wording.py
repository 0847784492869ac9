"""Words in the two languages that people are spoken to in. What is said, and when, is decided elsewhere."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Language = Literal["en", "zh"]

_HAN = re.compile(r"[\u3400-\u9fff]")


def language_of(text: str) -> Language:
    """Chinese if the text has a Chinese character, English otherwise."""
    return "zh" if _HAN.search(text) else "en"


class Wording(NamedTuple):
    """A sentence or label in English and in Chinese; what stands in braces is filled in when it is said."""

    en: str
    zh: str

    def say(self, language: Language, **values: object) -> str:
        """It in that language with its values filled in; a value's own braces stay as they are."""
        return (self.zh if language == "zh" else self.en).format(**values)
