"""Which task the two texts of a facade call ask for, and the one text the model is given for it.

It looks at the form of the call only (is there an image, how does the instruction begin), never at meaning.
"""

from __future__ import annotations

import re
from typing import Literal

_ANSWER = re.compile(r"\s*answer\b", re.IGNORECASE)
_QUESTION = re.compile(r"\s*question\s*:\s*", re.IGNORECASE)
_GENERATE_LEAD = re.compile(
    r"\s*(generate|create|draw|make)\s+(an?|the)\s+(image|picture)\b(\s+of\b)?[\s:,.]*", re.IGNORECASE
)
_EDIT_LEAD = re.compile(r"\s*edit\s+(the|this)\s+(image|picture)\b[\s:,.]*", re.IGNORECASE)
_ANSWER_LEAD = re.compile(
    r"\s*answer\b(\s+(the|this)\s+question)?(\s+(based\s+on|about)\s+(the|this)\s+(image|picture)s?)?[\s:,.]*",
    re.IGNORECASE,
)


def task_of(instruction: str, input_text: str, has_image: bool) -> Literal["generate", "answer", "edit"]:
    """No image: generate. An `Answer...` instruction or a `Question:` text: answer. Otherwise: edit."""
    if not has_image:
        return "generate"
    if _ANSWER.match(instruction) or _QUESTION.match(input_text):
        return "answer"
    return "edit"


def prompt_of(instruction: str, input_text: str) -> str:
    """What to draw: the input text, and what the instruction says beyond "Generate an image"."""
    return _joined(_after(_GENERATE_LEAD, instruction), input_text)


def change_of(instruction: str, input_text: str) -> str:
    """What to change: what the instruction says after "Edit the image:", then the input text."""
    return _joined(_after(_EDIT_LEAD, instruction), input_text)


def question_of(instruction: str, input_text: str) -> str:
    """What to answer: the input text without "Question:", else what the instruction asks."""
    return _after(_QUESTION, input_text).strip() or _after(_ANSWER_LEAD, instruction).strip()


def _after(lead: re.Pattern[str], text: str) -> str:
    """The text without the lead, if it begins with it."""
    match = lead.match(text)
    return text[match.end() :] if match else text


def _joined(first: str, second: str) -> str:
    return ". ".join(part for part in (first.strip().rstrip("."), second.strip()) if part)
