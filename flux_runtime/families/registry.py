"""The model families by name. One is imported when its name is first asked for, and no weights with it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flux_runtime.errors import BadCheckpoint
from flux_runtime.families.protocol import FamilyDefinition

_SHIPPED = ("flux3",)
_registered: dict[str, FamilyDefinition[Any]] = {}


def register(definition: FamilyDefinition[Any]) -> None:
    """Make a family known under its name, instead of any of that name."""
    _registered[definition.name] = definition


def family_names() -> tuple[str, ...]:
    """Every name that `family` knows."""
    return tuple(dict.fromkeys((*_SHIPPED, *_registered)))


def family(name: str) -> FamilyDefinition[Any]:
    """A family's definition.

    Raises:
        BadCheckpoint: there is none of that name here.
    """
    if name not in _registered and name in _SHIPPED:
        register(import_module(f"flux_runtime.families.{name}").FAMILY)
    if name not in _registered:
        raise BadCheckpoint(
            f"There is no model family {name!r} here.",
            stage="load",
            remedy=f"Known families: {', '.join(family_names())}.",
        )
    return _registered[name]
