"""Signals that end the page: it goes in good order, and leaves no folder behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import ServedPage


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_page_in_good_order(served: ServedPage, name: str) -> None:
    served.process.send_signal(getattr(signal, name))
    served.process.wait(timeout=60)
    assert not served.files.parent.exists()
