"""Builds the store, the runtime and the conversation from settings; the one place that knows them all."""

from __future__ import annotations

from assistant.conversation import Conversation
from assistant.settings import Settings
from flux_runtime.interface import Runtime
from sessions.store import SessionStore


def open_store(settings: Settings) -> SessionStore:
    """The history alone, for those who only read it."""
    return SessionStore(settings.data_dir)


def build_conversation(
    settings: Settings, *, store: SessionStore | None = None, runtime: Runtime | None = None
) -> Conversation:
    """A conversation over the settings' data folder and model, or over a store and a runtime that are there.

    Raises:
        FluxRuntimeError: the model is unknown or cannot be loaded.
    """
    return Conversation(store or open_store(settings), runtime or build_runtime(settings), settings.data_dir)


def build_runtime(settings: Settings) -> Runtime:
    """The model that the settings name, loaded."""
    # Loading torch takes seconds, which those who only read the history should not wait for.
    from flux_runtime.runtime import LocalRuntime

    return LocalRuntime(settings.model)
