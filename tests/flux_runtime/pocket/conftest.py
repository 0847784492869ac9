"""Readers of the canonical forms: what evaluation compares must say one thing only."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.world import ATTRIBUTES, CHARACTERS, COLORS, KINDS, SIDES, WEATHERS, Thing

Stated = dict[str, str | Thing]


def _any(words: tuple[str, ...]) -> str:
    return "|".join(words)


_PLACES = {
    "in a greenhouse": "greenhouse",
    "on the beach": "beach",
    "in the city": "city",
    "in the forest": "forest",
    "on mars": "mars",
}
_THING = re.compile(rf"a ({_any(COLORS)}) ({_any(KINDS)}) on the (left|right)")
_CORE = re.compile(
    rf"(?:someone|an? (?P<character>{_any(CHARACTERS)}))"
    r"(?P<outfit> in a space suit| without a space suit)?"
    rf"(?: (?P<action>{_any(ATTRIBUTES['action'])}))?"
    rf"(?: (?P<place>{_any(tuple(_PLACES))}))?"
)


@pytest.fixture(scope="session")
def read_prompt() -> Callable[[str], Stated]:
    """Reads a canonical prompt back to what it states; raises AssertionError for anything else."""
    return _read_prompt


def _read_prompt(text: str) -> Stated:
    core, *rest = text.split(", ")
    found = _CORE.fullmatch(core)
    assert found, text
    stated: Stated = {key: value for key in ("character", "action") if (value := found[key])}
    if found["outfit"]:
        stated["outfit"] = "space suit" if "in a" in found["outfit"] else "none"
    if found["place"]:
        stated["setting"] = _PLACES[found["place"]]
    for part in rest:
        if part in WEATHERS:
            stated["weather"] = part
        else:
            thing = _THING.fullmatch(part)
            assert thing, text
            stated[thing[3]] = Thing(thing[2], thing[1])
    return stated


@pytest.fixture(scope="session")
def read_instruction() -> Callable[[str], Change]:
    """Reads a canonical instruction back to its edit; raises AssertionError for anything else."""
    return _read_instruction


def _read_instruction(text: str) -> Change:
    if text in ("put on a space suit", "take off the space suit"):
        return Change("outfit", "space suit" if text.startswith("put") else "none")
    if found := re.fullmatch(r"change the (weather|place|action|character) to (?:an? )?(.+)", text):
        type_ = "setting" if found[1] == "place" else found[1]
        assert found[2] in ATTRIBUTES[type_], text
        return Change(type_, found[2])
    if found := re.fullmatch(rf"add {_THING.pattern}", text):
        return Change("add", Thing(found[2], found[1]), side=found[3])
    target = rf"the (?:object on the )?({_any((*KINDS, *SIDES))})"
    if found := re.fullmatch(f"remove {target}", text):
        return Change("remove", target=found[1])
    if found := re.fullmatch(rf"make {target} ({_any(COLORS)})", text):
        return Change("recolor", found[2], found[1])
    found = re.fullmatch(rf"replace {target} by a ({_any(KINDS)})", text)
    assert found, text
    return Change("replace", found[2], found[1])
