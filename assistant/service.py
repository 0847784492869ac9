"""What one server process offers through all its channels: one history, and one conversation over it.

The history opens at once; the conversation loads the model, which takes seconds, when it is first asked for.
"""

from __future__ import annotations

import threading

from assistant.conversation import Conversation
from assistant.settings import Settings
from assistant.wiring import build_conversation, open_store
from flux_runtime.interface import Runtime


class Service:
    """The history and the conversation that the settings describe. May be used by any number of threads.

    Args:
        settings: where the history is, and which model loads.
        runtime: a model that is there already, instead of the settings' one.
    """

    def __init__(self, settings: Settings, *, runtime: Runtime | None = None) -> None:
        self.store = open_store(settings)
        self._settings = settings
        self._runtime = runtime
        self._loading = threading.Lock()
        self._conversation: Conversation | None = None

    def conversation(self) -> Conversation:
        """The conversation, with its model loaded; blocks while it loads.

        Raises:
            FluxRuntimeError: the model is unknown or cannot be loaded.
        """
        with self._loading:  # those who come while the model loads must not load it again
            if self._conversation is None:
                self._conversation = build_conversation(
                    self._settings, store=self.store, runtime=self._runtime
                )
            return self._conversation

    def is_ready(self) -> bool:
        """Whether the model is loaded."""
        return self._conversation is not None

    def close(self) -> None:
        """Let turns in flight end, then free the model and close the history."""
        with self._loading:
            (self._conversation or self.store).close()
