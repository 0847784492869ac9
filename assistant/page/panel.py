"""What a person chose in the page's settings panel, read from what the browser says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from flux_runtime.interface import MAX_SEED

MOST_STEPS = 50
"""The steps slider's end."""

_LONGEST_SIDE = 10_000
"""Whether the model draws that size it says itself."""


class Panel(NamedTuple):
    """The choices. What was left alone or cannot be used is None; `unusable` names the fields that cannot."""

    width: int | None
    height: int | None
    steps: int | None
    seed: int | None
    unusable: frozenset[str]


def read_panel(said: Mapping[str, Any]) -> Panel:
    """The choices in the browser's words, which may be anything."""
    size = _size(said.get("size"))
    steps = _whole(said.get("steps"), 1, MOST_STEPS)
    seed = _whole(said.get("seed"), 0, MAX_SEED)
    read = {"size": size, "steps": steps, "seed": seed}
    unusable = {name for name, value in read.items() if value is None and not _is_blank(said.get(name))}
    width, height = size or (None, None)
    return Panel(width, height, steps, seed, frozenset(unusable))


def _is_blank(said: Any) -> bool:
    return said is None or (isinstance(said, str) and not said.strip())


def _whole(said: Any, least: int, most: int) -> int | None:
    """A whole number in that range, written in digits or given as a number."""
    if isinstance(said, str):
        text = said.strip()
        # More digits than the largest has are not worth reading; Python refuses thousands of them.
        said = int(text) if text.isdecimal() and len(text) <= len(str(most)) else None
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int):
        return None
    return said if least <= said <= most else None


def _size(said: Any) -> tuple[int, int] | None:
    """Width and height in pixels."""
    match = re.fullmatch(r"(\d{1,5})×(\d{1,5})", said) if isinstance(said, str) else None
    if not match:
        return None
    width, height = map(int, match.groups())
    return (width, height) if min(width, height) > 0 and max(width, height) <= _LONGEST_SIDE else None
