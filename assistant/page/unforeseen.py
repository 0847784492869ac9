"""Errors that no callback of the page expects, told without their text, which is the programmer's."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import ParamSpec

import chainlit as cl
from chainlit.context import context

from assistant.page.words import words_for

_log = logging.getLogger(__name__)
_Given = ParamSpec("_Given")


def told_in_words(callback: Callable[_Given, Awaitable[None]]) -> Callable[_Given, Awaitable[None]]:
    """The callback; when it fails, the log gets the error, and the tab a sentence with a reference to it.

    Chainlit itself would show the text of the error.
    """

    @functools.wraps(callback)
    async def run(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        try:
            await callback(*args, **kwargs)
        except Exception:
            reference = secrets.token_hex(4)
            _log.exception("a callback of the page failed, reference %s", reference)
            words = words_for(getattr(context.session, "language", None))
            await cl.Message(content=words.failed.format(reference=reference)).send()

    return run
