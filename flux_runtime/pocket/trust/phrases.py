"""The words that this course's lessons are made of: those of the first courses, and further ones, as one.

`wordings.yaml` has what only these lessons need; `dialog_en.yaml` and `dialog_zh.yaml` have further ways to
say what the first courses' `wordings/` say already.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flux_runtime.pocket.vocabulary import LANGUAGES, Language, Ways, wordings

_CHAT = ("greeting", "thanks", "help", "who", "praise", "bye")
"""Kinds of talk, in the order in which `wordings/planning.yaml` has them."""


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / name).read_text("utf-8"))


def _together(first: Any, second: Any) -> Any:
    """Lists of the same name one after the other; a list beside a mapping by value is for any value."""
    if second is None:
        return first
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    first, second = ({"any": each} if isinstance(each, list) else each for each in (first, second))
    return {
        key: _together(first[key], second.get(key)) if key in first else second[key]
        for key in {**first, **second}
    }


def _planning(language: Language, further: Mapping[str, Any]) -> dict[str, Any]:
    phrases = dict(wordings("planning")[language])
    for key in ("undo", "vague", "lead", "polite", "draw_another"):
        phrases[key] = _together(phrases[key], further.get(key))
    for kind in ("edit", "ask"):
        phrases["placed"] = _together(phrases["placed"], {kind: further.get(f"placed_{kind}", [])})
    phrases["chat"] = [
        {"reply": topic["reply"], "says": topic["says"] + further["chat"][kind]}
        for kind, topic in zip(_CHAT, phrases["chat"], strict=True)
    ]
    return phrases


_FURTHER = {language: _read(f"dialog_{language}.yaml") for language in LANGUAGES}
_OWN = _read("wordings.yaml")

PLANNING: dict[Language, dict[str, Any]] = {
    language: _planning(language, _FURTHER[language]["dialog"]) for language in LANGUAGES
}
"""As `wordings/planning.yaml`."""

TRUST: dict[Language, dict[str, Any]] = {
    language: {
        **{key: _FURTHER[language]["dialog"][key] for key in ("cannot_draw", "vague")},
        **{key: _together(of, _FURTHER[language]["dialog"].get(key)) for key, of in _OWN[language].items()},
    }
    for language in LANGUAGES
}
"""As `wordings.yaml`."""

INSTRUCTION_WAYS: dict[Language, dict[str, Ways]] = {
    language: {
        kind: _together(of, _FURTHER[language]["instructions"].get(kind))
        for kind, of in wordings("instructions")[language]["ways"].items()
    }
    for language in LANGUAGES
}
"""Ways to ask for an edit, by its type."""

QUESTION_WAYS: dict[Language, dict[str, Ways]] = {
    language: {
        about: _together(of, _FURTHER[language]["questions"].get(about))
        for about, of in wordings("questions")[language]["ways"].items()
    }
    for language in LANGUAGES
}
"""Ways to ask about a picture, by kind of question; left and right are `at_side`."""
