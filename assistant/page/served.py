"""What the server gave this page to show: Chainlit runs the page's file itself, which finds it here."""

from __future__ import annotations

from assistant.page.live import Live
from assistant.service import Service

_given: list[tuple[Service, Live]] = []


def give(service: Service, live: Live) -> None:
    """Let the page show this service in these tabs from now on."""
    _given[:] = [(service, live)]


def service() -> Service:
    """The history and the conversation of the page. Raises LookupError where no server has given one."""
    return _what_was_given()[0]


def live() -> Live:
    """The page's open tabs. Raises LookupError as `service` does."""
    return _what_was_given()[1]


def _what_was_given() -> tuple[Service, Live]:
    if not _given:
        raise LookupError("The chat page is not mounted in a server.")
    return _given[0]
