"""Held-out planning sentences (`plans/*.yaml`), their labels, and whether a plan agrees with its label."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flux_runtime.interface import PlanResult
from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.instructions import canonical_instruction
from flux_runtime.pocket.language import canonical_prompt
from flux_runtime.pocket.questions import Question, canonical_question
from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import ATTRIBUTES, SIDES, Thing
from flux_runtime.vocabulary import says

_PLANS = Path(__file__).parent / "plans"
# A label's name of a tool, where it is not the tool's own.
_TOOLS = {"generate": "generate_image", "ask": "answer_question", "edit": "edit_image"}


def labelled_messages(language: Language) -> list[dict[str, Any]]:
    """Rows with `say` (the message), `images` (how many there are), `tool` and what it should be given."""
    return yaml.safe_load((_PLANS / f"{language}.yaml").read_text(encoding="utf-8"))


def letters(text: str) -> str:
    """The text without case, spaces and punctuation: two messages with the same letters are the same."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum() or character == "#")


@cache
def held_out_letters() -> frozenset[str]:
    """`letters` of every held-out message, so that training can pass them by."""
    return frozenset(letters(row["say"]) for language in LANGUAGES for row in labelled_messages(language))


def _thing(text: str) -> Thing:
    color, kind = text.split()
    return Thing(kind, color)


def wanted_scene(row: dict[str, Any]) -> dict[str, str | Thing]:
    """What a label of tool `generate` states."""
    return {key: _thing(value) if key in SIDES else value for key, value in row["scene"].items()}


def wanted_change(row: dict[str, Any]) -> Change:
    """The edit that a label of tool `edit` describes."""
    change = row["change"]
    for key in ATTRIBUTES:
        if key in change:
            return Change(key, change[key])
    if "add" in change:
        return Change("add", _thing(change["add"]), side=change["side"])
    if "remove" in change:
        return Change("remove", target=change["remove"])
    if "recolor" in change:
        return Change("recolor", change["color"], change["recolor"])
    return Change("replace", change["with"], change["replace"])


def wanted_questions(row: dict[str, Any], language: Language) -> set[str]:
    """Accepted wordings; what it wears and whether it wears a space suit are answered alike."""
    question = Question(row["about"], row.get("object"), row.get("value"))
    wanted = {canonical_question(question, language)}
    if question.about == "outfit":
        wanted.add(canonical_question(Question("is_outfit", value="space suit"), language))
    return wanted


def plan_is_right(row: dict[str, Any], result: PlanResult, language: Language) -> bool:
    """Compare a plan with its label: tool, picture, and what is to be drawn, changed, asked or said."""
    tool, names = row["tool"], [call.name for call in result.calls]
    if tool == "chat":
        return not names and any(says(result.text, phrase) for phrase in row["says"])
    if names != [_TOOLS.get(tool, tool)]:
        return False
    arguments = {key: str(value).casefold() for key, value in result.calls[0].arguments.items()}
    if tool == "generate":
        return arguments.get("prompt") == canonical_prompt(wanted_scene(row))
    if tool not in ("edit", "ask"):
        return True
    source = row["images"] if row["source"] == "last" else row["source"]
    if _image_number(arguments.get("image", ""), row["images"]) != source:
        return False
    if tool == "edit":
        return arguments.get("instruction") == canonical_instruction(wanted_change(row))
    return arguments.get("question") in wanted_questions(row, language)


def _image_number(named: str, images: int) -> int | None:
    """The number that a tool's image argument comes to; None for a description."""
    if named == "last":
        return images
    return int(named[1:]) if named.startswith("#") and named[1:].isdigit() else None
