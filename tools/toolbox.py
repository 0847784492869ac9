"""`Toolbox`: all tools in the order in which they are offered, found by whatever somebody calls them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from flux_runtime.interface import Capabilities
from tools.contract import Command, Tool, ToolArguments
from tools.wording import Language

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Toolbox:
    """All that the assistant can do. Iterating gives the tools.

    Args:
        tools: each with a name, a step and commands that no other has.

    Raises:
        ValueError: two tools share one of these.
    """

    def __init__(self, tools: Sequence[Tool[Any]]) -> None:
        self.tools = tuple(tools)
        self.commands = tuple(command for tool in tools for command in tool.commands)
        _unique((tool.name, tool) for tool in tools)
        self._by_step = _unique((tool.step, tool) for tool in tools)
        self._by_arguments = _unique((tool.arguments, tool) for tool in tools)
        self._by_command = _unique((command.name, tool) for tool in tools for command in tool.commands)
        self._commands = _unique((command.name, command) for command in self.commands)
        self._typed = {
            **self._commands,
            **_unique((command.chinese, command) for command in self.commands),
        }

    def __iter__(self) -> Iterator[Tool[Any]]:
        return iter(self.tools)

    def of_step(self, step: str) -> Tool[Any]:
        """The tool of a plan's step. Raises LookupError for one that there is not."""
        return self._by_step[step]

    def of_arguments(self, arguments: ToolArguments) -> Tool[Any]:
        """The tool that takes them. Raises LookupError if there is none."""
        return self._by_arguments[type(arguments)]

    def of_command(self, command: Command) -> Tool[Any]:
        """The tool that declares it. Raises LookupError if none does."""
        return self._by_command[command.name]

    def command(self, name: str | None) -> Command | None:
        """The command of that name, as a turn and a button say it."""
        return self._commands.get(name or "")

    def typed(self, slash: str) -> Command | None:
        """The command that is typed so after the slash, in either language."""
        return self._typed.get(slash.lower())

    def offered(self, able: Capabilities) -> tuple[Tool[Any], ...]:
        """The tools that a model can do."""
        return tuple(tool for tool in self.tools if tool.lacks(able) is None)

    def usable_commands(self, able: Capabilities) -> tuple[Command, ...]:
        """The commands of these tools."""
        return tuple(command for tool in self.offered(able) for command in tool.commands)


def slash(command: Command, language: Language) -> str:
    """The command as it is typed: "/edit", "/改"."""
    return f"/{command.chinese if language == 'zh' else command.name}"


def _unique(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, Value]:
    found: dict[Key, Value] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"Two tools are called {key!r}.")
        found[key] = value
    return found
