"""What a browser makes of the page's events, and tabs without a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from chainlit.context import init_ws_context
from chainlit.session import WebsocketSession
from chainlit.user import User

from assistant.service import Service
from assistant.settings import Settings
from assistant.turn import LOCAL_OWNER

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime


@pytest.fixture
def service(tmp_path: Path, scripted: ScriptedRuntime) -> Iterator[Service]:
    opened = Service(Settings(data_dir=tmp_path / "data"), runtime=scripted)
    yield opened
    opened.close()


class Screen:
    """What Chainlit's page shows after these events: it does with them what its JavaScript does."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.elements: dict[str, dict[str, Any]] = {}
        self.actions: list[dict[str, Any]] = []
        self.running = False
        self.events: list[tuple[str, Any]] = []

    def take(self, event: str, data: Any) -> None:
        self.events.append((event, data))
        match event:
            case "new_message":
                self.messages[data["id"]] = self.messages.get(data["id"], {}) | data
            case "update_message" if data["id"] in self.messages:
                self.messages[data["id"]] |= data
            case "delete_message":
                self.messages.pop(data["id"], None)
            case "element":
                self.elements[data["id"]] = data
            case "remove_element":
                self.elements.pop(data["id"], None)
            case "action":
                self.actions.append(data)
            case "remove_action":
                ids = [each["id"] for each in self.actions]
                if data["id"] in ids:
                    del self.actions[ids.index(data["id"])]
            case "resume_thread":
                self.messages = {step["id"]: step for step in data["steps"]}
                self.elements = {each["id"]: each for each in data["elements"]}
            case "task_start" | "task_end":
                self.running = event == "task_start"

    @property
    def texts(self) -> list[str]:
        return [message["output"] for message in self.messages.values()]

    @property
    def replies(self) -> list[str]:
        return [each["output"] for each in self.messages.values() if each["type"] == "assistant_message"]

    @property
    def pictures(self) -> list[str]:
        return [each["url"] for each in self.elements.values()]

    @property
    def buttons(self) -> list[str]:
        return [action["label"] for action in self.actions]


class Tab:
    """A visitor with a real session of Chainlit, whose events go to a screen."""

    def __init__(self, thread: str = "one", owner: str = LOCAL_OWNER) -> None:
        self.screen = Screen()
        self.connected = True
        self.session = WebsocketSession(
            id=str(uuid4()),
            socket_id=str(uuid4()),
            emit=self._emit,  # pyright: ignore[reportArgumentType]
            emit_call=self._emit,  # pyright: ignore[reportArgumentType]
            user_env={},
            client_type="webapp",
            thread_id=thread,
            user=User(identifier=owner),
        )

    def enter(self) -> None:
        """Make it the tab that Chainlit's callbacks are about."""
        init_ws_context(self.session)

    async def _emit(self, event: str, data: Any) -> None:
        if self.connected:
            self.screen.take(event, data)


@pytest.fixture
def open_tab() -> Callable[..., Tab]:
    return Tab


@pytest.fixture
def new_screen() -> Callable[[], Screen]:
    return Screen
