"""What of a text is said in words: by a person to the planner, and by the planner to a person.

What only a program writes (tool calls, JSON, blanks of a format) is no wish of a person's, and nothing that
anybody should be answered with.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

LONGEST_REPLY = 1000
"""Characters of a chat reply; a planner that says more does not know what it says."""

_CALL = re.compile(r"<tool_call>.*?(?:</tool_call>|\Z)|</tool_call>", re.DOTALL)
_OBJECT = re.compile(r"""\{\s*(?=["'}\[{])""")
_BLANK = re.compile(r"(?<!\w)%(?:\(\w*\))?[a-z](?!\w)|\$\{\w*\}|\{\d*\}", re.IGNORECASE)
_SAME_AGAIN = re.compile(r"(\S)\1{7,}")
_MOST_REPETITIVE = 5
"""How many times smaller a long text may get when packed; of real sentences, half as much is left over."""


def spoken(text: str) -> str:
    """The text without what only programs write; empty if that is all of it."""
    text = _without_objects(_CALL.sub(" ", text))
    text = _BLANK.sub(" ", text)
    return " ".join(text.split()) if any(map(_says_something, text)) else ""


def is_sayable(text: str) -> bool:
    """Whether a planner could mean this as a reply: sentences, neither code nor noise."""
    solid = [character for character in text if not character.isspace()]
    letters = sum(unicodedata.category(character)[0] in "LMN" for character in solid)
    if not solid or len(text) > LONGEST_REPLY or spoken(text) != " ".join(text.split()):
        return False
    if (
        letters < 2
        or letters < len(solid) / 2
        or _SAME_AGAIN.search(text)
        or "\N{REPLACEMENT CHARACTER}" in text
    ):
        return False
    data = text.encode()
    return len(data) < 100 or len(zlib.compress(data)) * _MOST_REPETITIVE > len(data)


def _without_objects(text: str) -> str:
    """Leave out every {"...": ...} up to its closing brace, or to the end if it has none."""
    start = _OBJECT.search(text)
    while start:
        depth, end = 0, len(text)
        for at in range(start.start(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if depth == 0:
                end = at + 1
                break
        text = f"{text[: start.start()]} {text[end:]}"
        start = _OBJECT.search(text)
    return text


def _says_something(character: str) -> bool:
    """Whether it is a letter, a number or a picture such as an emoji, and no mere mark."""
    return unicodedata.category(character)[0] in "LMN" or unicodedata.category(character) == "So"
