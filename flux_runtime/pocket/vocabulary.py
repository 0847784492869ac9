"""The declared vocabulary of the storybook world: every concept's canonical name and its spellings.

Used to write training sentences, and shipped beside the weights (`vocabulary.json`) so that a word that the
model never saw can be named. The words, and the sentences made with them, are data in `wordings/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def wordings(name: str) -> dict[str, Any]:
    """The contents of `wordings/<name>.yaml`."""
    return yaml.safe_load((Path(__file__).parent / "wordings" / f"{name}.yaml").read_text(encoding="utf-8"))


# group -> canonical name -> language -> spellings; the first spelling is the one used in answers.
NAMES: dict[str, dict[str, dict[str, list[str]]]] = wordings("names")
GROUP_OF = {name: group for group, names in NAMES.items() for name in names}


def spellings(name: str, language: Language) -> list[str]:
    """All spellings of a canonical name."""
    return NAMES[GROUP_OF[name]][name][language]


def plain(name: str, language: Language) -> str:
    """The spelling used in answers."""
    return spellings(name, language)[0]


Ways = list[str] | dict[str, list[str]]
"""Ways to say something: all of a list, or by the value that is spoken of, with `any` for every value."""


def ways(options: Ways, value: object) -> list[str]:
    """The ways to speak of a value: all of a list; of a mapping, those under `any` and under the value."""
    if isinstance(options, list):
        return options
    return options.get("any", []) + options.get(str(value), [])
