"""What all visitors of the chat page share: one history and one conversation, made from the settings.

The history opens at once; the conversation loads the model, which takes seconds, on first use.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from assistant.conversation import Conversation
from assistant.settings import Settings
from assistant.wiring import build_conversation, open_store
from sessions.store import SessionStore

_loading = threading.Lock()
_loaded = threading.Event()


@lru_cache(maxsize=1)
def page_store() -> SessionStore:
    """The history."""
    return open_store(Settings())


def page_conversation() -> Conversation:
    """The conversation, with its model loaded; blocks while it loads.

    Raises:
        FluxRuntimeError: the model is unknown or cannot be loaded.
    """
    with _loading:  # visitors who come while the model loads must not load it again
        conversation = _conversation()
        _loaded.set()
        return conversation


def is_ready() -> bool:
    """Whether the model is loaded."""
    return _loaded.is_set()


def close_page() -> None:
    """Let turns in flight end, then free the model and close the history."""
    if is_ready():
        page_conversation().close()
    page_store().close()


@lru_cache(maxsize=1)
def _conversation() -> Conversation:
    return build_conversation(Settings())
