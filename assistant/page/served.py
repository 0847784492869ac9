"""What the server gave this page to show: Chainlit runs the page's file itself, which finds it here."""

from __future__ import annotations

from assistant.service import Service

_given: list[Service] = []


def give(service: Service) -> None:
    """Let the page show this service from now on."""
    _given[:] = [service]


def service() -> Service:
    """The history and the conversation of the page.

    Raises:
        LookupError: no server has given the page one yet.
    """
    if not _given:
        raise LookupError("The chat page is not mounted in a server.")
    return _given[0]
