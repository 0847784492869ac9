"""What every test may rely on: no network beyond this machine, and a store of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.store import SessionStore

_connect = socket.socket.connect
_HERE = {"127.0.0.1", "::1", "localhost"}


def _connect_to_this_machine_only(self: socket.socket, address: object) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and (
        not isinstance(address, tuple) or address[0] not in _HERE
    ):
        raise PermissionError(f"Tests must not reach the network, but one tried {address!r}.")
    _connect(self, address)  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect_to_this_machine_only)
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    """A real store in a folder of its own."""
    opened = SessionStore(tmp_path / "data")
    yield opened
    opened.close()
