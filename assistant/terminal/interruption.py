"""Signals that ask a command to end: the model stops between two steps, and the turn is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Ctrl-C, `kill`, and a terminal that was closed; Windows has no SIGHUP.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def interruption_sets(cancel: threading.Event) -> Iterator[None]:
    """While inside, a signal sets `cancel` instead of tearing the process down in the middle of a turn.

    One that is ignored stays so: `nohup` means it.
    """
    before = {each: signal.getsignal(each) for each in SIGNALS}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, lambda *_: cancel.set())
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
