"""What the chat page does with messages and buttons, in Chainlit's own context but without a browser."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import chainlit as cl
import pytest
from chainlit.auth.jwt import create_jwt
from chainlit.config import config
from starlette.datastructures import Headers

from assistant.conversation import Conversation
from assistant.page import served
from assistant.page.live import Live
from assistant.service import Service
from assistant.turn import LOCAL_OWNER, Action
from flux_runtime.errors import BadCheckpoint
from flux_runtime.interface import GenerateRequest

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime
    from .conftest import Tab

APP = Path(__file__).parents[3] / "assistant" / "page" / "app.py"


@pytest.fixture
def page(service: Service, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The app file as Chainlit runs it, over the test's service; what it registers is forgotten."""
    monkeypatch.setattr(served, "_given", [(service, Live(service.store))])
    monkeypatch.setattr(config, "code", copy.copy(config.code))
    monkeypatch.setattr("chainlit.data._data_layer", None)
    spec = importlib.util.spec_from_file_location("page_of_test", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def replies_to(open_tab: Callable[[], Tab]) -> Callable[..., list[str]]:
    """One visitor's doings in order, and what the page has answered after them."""

    def replies_to(*doings: Coroutine[Any, Any, None]) -> list[str]:
        async def visit() -> list[str]:
            tab = open_tab()
            tab.enter()
            for doing in doings:
                await doing
            return tab.screen.replies

        return asyncio.run(visit())

    return replies_to


async def _say(page: ModuleType, text: str, command: str | None = None) -> None:
    message = cl.Message(content=text, type="user_message")
    message.command = command
    await page.take(message)


async def _press(page: ModuleType, command: Any, image: int | None) -> None:
    action = Action(command=command, label="", image=image)
    await page.press(cl.Action(name="", label="", payload=action.model_dump()))


def test_a_button_that_needs_words_takes_them_from_the_next_message(
    page: ModuleType, replies_to: Callable[..., list[str]]
) -> None:
    drawn = [_say(page, f"/generate {what}") for what in ("a cat", "a dog")]
    replies = replies_to(*drawn, _press(page, "edit", 1), _say(page, "make it rain"), _say(page, "/ask wet?"))
    assert replies[2:4] == ["What should change in #1?", "Edited #1 → #3: make it rain."]
    assert replies[4].startswith("#3:")


def test_a_button_that_names_no_picture_is_about_the_current_one(
    page: ModuleType, replies_to: Callable[..., list[str]]
) -> None:
    replies = replies_to(_say(page, "/generate a cat"), _press(page, "edit", None))
    assert replies[-1] == "What should change in #1?"


def test_what_is_picked_from_the_menu_wins_over_a_button_pressed_before(
    page: ModuleType, replies_to: Callable[..., list[str]]
) -> None:
    replies = replies_to(
        _say(page, "/generate a cat"), _press(page, "edit", 1), _say(page, "a dog", command="generate")
    )
    assert replies[-1] == "Drew #2."


def test_another_button_makes_the_one_before_it_be_forgotten(
    page: ModuleType, scripted: ScriptedRuntime, replies_to: Callable[..., list[str]]
) -> None:
    scripted.will_say("Hello.")
    replies = replies_to(
        _say(page, "/generate a cat"), _press(page, "edit", 1), _press(page, "vary", 1), _say(page, "hello")
    )
    assert replies[-2:] == ["Drew #2, another take on #1.", "Hello."]


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (BadCheckpoint("The folder lacks its weights.", stage="load"), "The folder lacks its weights."),
        (RuntimeError("secret path /etc/shadow"), "Something went wrong on this side"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_under_the_message(
    page: ModuleType,
    service: Service,
    replies_to: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    part: str,
) -> None:
    def cannot_load() -> None:
        raise error

    monkeypatch.setattr(service, "conversation", cannot_load)
    (reply,) = replies_to(_say(page, "a robot"))
    assert reply.startswith(part)


def test_stop_is_answered_also_while_the_model_is_loaded(
    page: ModuleType,
    service: Service,
    replies_to: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading, loaded = threading.Event(), threading.Event()
    conversation = service.conversation()

    def load() -> Conversation:
        loading.set()
        assert loaded.wait(30)
        return conversation

    async def say_and_stop() -> None:
        saying = asyncio.create_task(_say(page, "/generate a robot"))
        await asyncio.to_thread(loading.wait, 30)
        saying.cancel()
        await asyncio.sleep(0)
        loaded.set()
        await saying

    monkeypatch.setattr(service, "conversation", load)
    (reply,) = replies_to(say_and_stop())
    assert reply.startswith("Stopped.")


def test_nobody_is_signed_in_without_a_cookie_that_this_page_gave(
    page: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAINLIT_AUTH_SECRET", "a" * 64)
    good = create_jwt(cl.User(identifier=LOCAL_OWNER))
    monkeypatch.setenv("CHAINLIT_AUTH_SECRET", "b" * 64)
    assert asyncio.run(page.sign_in(Headers())) is None
    assert asyncio.run(page.sign_in(Headers({"Cookie": "access_token=none"}))) is None
    assert asyncio.run(page.sign_in(Headers({"Cookie": f"access_token={good}"}))) is None
    monkeypatch.setenv("CHAINLIT_AUTH_SECRET", "a" * 64)
    assert asyncio.run(page.sign_in(Headers({"Cookie": f"access_token={good}"}))).identifier == LOCAL_OWNER


def test_few_previews_are_asked_for_however_many_steps_there_are(
    page: ModuleType, scripted: ScriptedRuntime, open_tab: Callable[[], Tab]
) -> None:
    async def visit() -> None:
        tab = open_tab()
        tab.session.chat_settings = {"steps": 50}
        tab.enter()
        await _say(page, "/generate a cat")

    asyncio.run(visit())
    (request,) = scripted.requests
    assert isinstance(request, GenerateRequest)
    assert request.previews == 4


def test_an_error_that_nobody_foresaw_is_told_with_a_reference_and_never_with_its_text(
    page: ModuleType,
    replies_to: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("/home/somebody/secret")

    monkeypatch.setattr(page, "_show", fail)
    for reply in replies_to(_say(page, "a cat"), _press(page, "vary", 1)):
        assert reply.startswith("Something went wrong on this side (reference ")
        assert reply.partition("(reference ")[2].partition(")")[0] in caplog.text
    assert "secret" in caplog.text
