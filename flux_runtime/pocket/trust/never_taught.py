"""What must never be a lesson: messages that judge the planner, and what has many words in a row of one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from flux_runtime.pocket.overlap import SHINGLE, tokens
from flux_runtime.pocket.plan_labels import held_out_letters, labelled_messages, letters
from flux_runtime.pocket.vocabulary import LANGUAGES, Language

_HELD_OUT = Path(__file__).parent.parent / "held_out"


def is_held_out(message: str) -> bool:
    """Whether it is a held-out message, or has `overlap.SHINGLE` tokens in a row of one."""
    found, shingles = _judging()
    return letters(message) in found or any(
        not shingles.isdisjoint(_shingles(message, of)) for of in LANGUAGES
    )


@cache
def _judging() -> tuple[frozenset[str], frozenset[tuple[str, ...]]]:
    """`letters` and shingles of every message that judges."""
    said: list[tuple[str, Language]] = []
    for language in LANGUAGES:
        rows = [*labelled_messages(language)]
        for file in sorted(_HELD_OUT.glob("*.yaml")):
            rows += yaml.safe_load(file.read_text("utf-8"))[language]
        for row in rows:
            said.append((row["say"], language))
    shingles = {shingle for text, language in said for shingle in _shingles(text, language)}
    return frozenset(held_out_letters() | {letters(text) for text, _ in said}), frozenset(shingles)


def _shingles(text: str, language: Language) -> set[tuple[str, ...]]:
    """Every run of so many tokens."""
    words, size = tokens(text, language), SHINGLE[language]
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}
