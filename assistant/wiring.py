"""Builds the store, the runtime and the conversation from settings; the one place that knows them all."""

from __future__ import annotations

from assistant.conversation import Conversation
from assistant.settings import Settings
from flux_runtime.errors import Broken
from flux_runtime.interface import Runtime
from sessions.data_folder import UnusableStore
from sessions.store import SessionStore
from tools.contract import DrawingOptions


class UnusableHistory(Broken):
    """The data folder cannot be opened without losing something of it."""

    code = "unusable_history"


def open_store(settings: Settings) -> SessionStore:
    """The history alone, for those who only read it.

    Raises:
        UnusableHistory: a part of the data folder is lost or damaged; the text says what to do.
    """
    try:
        return SessionStore(settings.data_dir)
    except UnusableStore as error:
        raise UnusableHistory(str(error), stage="history") from error


def build_conversation(
    settings: Settings, *, store: SessionStore | None = None, runtime: Runtime | None = None
) -> Conversation:
    """A conversation over the settings' data folder and model, or over a store and a runtime that are there.

    Raises:
        FluxRuntimeError: the model is unknown or cannot be loaded.
    """
    return Conversation(
        store or open_store(settings),
        runtime or build_runtime(settings),
        settings.data_dir,
        options=DrawingOptions(upsample=settings.upsample, check=settings.check),
    )


def build_runtime(settings: Settings) -> Runtime:
    """The model that the settings name, loaded."""
    # Loading torch takes seconds, which those who only read the history should not wait for.
    from flux_runtime.engine import EngineLimits
    from flux_runtime.runtime import LocalRuntime

    limits = EngineLimits(
        queue=settings.queue_limit,
        drawings=settings.drawings_at_once,
        deadline_seconds=settings.deadline_seconds,
    )
    return LocalRuntime(settings.model, limits=limits)
