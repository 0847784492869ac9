"""Every tab of a conversation shows what the store says: other tabs', other processes', missed turns."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from assistant.page.history import ChatHistory
from assistant.page.live import Live
from assistant.page.shown_turn import ShownTurn
from assistant.page.words import words_for
from assistant.service import Service
from assistant.settings import Settings
from assistant.turn import LOCAL_OWNER, Turn
from flux_runtime.errors import BadCheckpoint, QueueFull
from flux_runtime.interface import Step

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime
    from .conftest import Tab

OpenTab = Callable[..., "Tab"]

BUTTONS = ["Ask about #1", "Edit #1", "Vary #1", "Undo"]


@pytest.fixture
def live(service: Service) -> Live:
    return Live(service.store)


@pytest.fixture
def take(service: Service, live: Live) -> Callable[..., Coroutine[Any, Any, None]]:
    """A turn begun in a tab, shown to its end."""

    async def take(tab: Tab, key: str = "first", **what: Any) -> None:
        asked: dict[str, Any] = {"text": "a cat", "command": "generate", "session": "one", **what}
        turn = Turn(**asked, idempotency_key=key)
        await ShownTurn(turn, tab.session, live, words_for("en")).run(service.conversation)

    return take


async def _until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


async def _join(live: Live, *tabs: Tab) -> None:
    for tab in tabs:
        await live.join(tab.session)


async def _lose(live: Live, tab: Tab) -> None:
    tab.connected = False
    live.leave(tab.session)


async def _return(live: Live, tab: Tab) -> None:
    tab.connected = True
    await live.join(tab.session)


def test_a_turn_is_shown_in_every_tab_of_its_conversation_and_in_no_other(
    live: Live, take: Callable[..., Coroutine[Any, Any, None]], open_tab: OpenTab
) -> None:
    async def scene() -> None:
        here, beside = open_tab(), open_tab()
        elsewhere, foreign = open_tab("two"), open_tab("one", owner="someone")
        await _join(live, here, beside, elsewhere, foreign)
        await take(here)
        for tab in (here, beside):
            assert tab.screen.texts == ["a cat", "Drew #1."]
            assert len(tab.screen.pictures) == 1
            assert tab.screen.buttons == BUTTONS
            assert not tab.screen.running
        assert not elsewhere.screen.events
        assert not foreign.screen.events

    asyncio.run(scene())


def test_a_reply_finished_while_the_connection_was_lost_arrives_when_it_is_back(
    live: Live, take: Callable[..., Coroutine[Any, Any, None]], open_tab: OpenTab, scripted: ScriptedRuntime
) -> None:
    async def scene() -> None:
        tab, drawing, go_on = open_tab(), threading.Event(), threading.Event()

        def wait(_: object) -> None:
            drawing.set()
            assert go_on.wait(30)

        scripted.before = wait
        await _join(live, tab)
        turn = asyncio.create_task(take(tab))
        assert await asyncio.to_thread(drawing.wait, 30)
        assert tab.screen.texts == ["a cat", "Thinking…"]
        await _lose(live, tab)
        go_on.set()
        await turn
        assert tab.screen.texts == ["a cat", "Thinking…"]
        await _return(live, tab)
        assert tab.screen.texts == ["a cat", "Drew #1."]
        assert len(tab.screen.pictures) == 1
        assert tab.screen.buttons == BUTTONS

    asyncio.run(scene())


def test_what_was_sent_before_the_loss_was_noticed_is_sent_again_and_not_doubled(
    live: Live, take: Callable[..., Coroutine[Any, Any, None]], open_tab: OpenTab
) -> None:
    async def scene() -> None:
        tab = open_tab()
        await _join(live, tab)
        await take(tab)
        tab.connected = False  # and nobody knows
        await take(tab, key="second")
        await _return(live, tab)
        assert tab.screen.replies == ["Drew #1.", "Drew #2."]
        assert len(tab.screen.pictures) == 2
        assert tab.screen.buttons == [*BUTTONS, *(label.replace("#1", "#2") for label in BUTTONS)]

    asyncio.run(scene())


def test_what_a_person_typed_stays_as_it_was_typed_where_it_was_typed(
    live: Live, take: Callable[..., Coroutine[Any, Any, None]], open_tab: OpenTab
) -> None:
    """The history keeps one spelling of full-width letters and the like."""

    async def scene() -> None:
        tab = open_tab()
        await _join(live, tab)
        await take(tab, text="ａ cat，晴天", command="generate")
        await _lose(live, tab)
        await _return(live, tab)
        assert tab.screen.texts == ["ａ cat，晴天", "画好了 #1。"]

    asyncio.run(scene())


def test_a_tab_that_comes_back_in_the_middle_of_a_turn_sees_how_far_it_is_and_can_stop_it(
    live: Live, take: Callable[..., Coroutine[Any, Any, None]], open_tab: OpenTab, scripted: ScriptedRuntime
) -> None:
    async def scene() -> None:
        tab, drawing = open_tab(), threading.Event()

        def wait(cancel: threading.Event | None) -> None:
            drawing.set()
            assert cancel
            assert cancel.wait(30)

        scripted.before = wait
        await _join(live, tab)
        turn = asyncio.create_task(take(tab))
        assert await asyncio.to_thread(drawing.wait, 30)
        reloaded = open_tab()
        await _join(live, reloaded)
        assert reloaded.screen.texts == ["a cat", "Thinking…"]
        assert reloaded.screen.running
        live.stop(reloaded.session)
        await turn
        for each in (tab, reloaded):
            assert each.screen.texts[-1].startswith("Stopped.")
            assert not each.screen.running

    asyncio.run(scene())


def test_a_conversation_that_is_opened_again_is_sent_once_and_has_its_last_buttons(
    live: Live,
    take: Callable[..., Coroutine[Any, Any, None]],
    open_tab: OpenTab,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assistant.page.live.BUTTONED_TURNS", 2)
    history = ChatHistory(service.store, LOCAL_OWNER)

    async def scene() -> None:
        here, later = open_tab(), open_tab()
        await _join(live, here)
        for key in ("first", "second", "third"):
            await take(here, key=key)
        thread = await history.get_thread("one")
        assert thread
        await live.has(later.session, thread["steps"])
        later.screen.take("resume_thread", thread)
        opened = len(later.screen.events)
        await _join(live, later)
        assert later.screen.events[opened:] == []
        assert later.screen.texts == here.screen.texts
        assert later.screen.buttons == [label.replace("#1", f"#{n}") for n in (2, 3) for label in BUTTONS]

    asyncio.run(scene())


def test_turns_of_another_process_appear_while_a_tab_is_open(
    live: Live, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    monkeypatch.setattr("assistant.page.live.LOOK_SECONDS", 0.01)
    other = Service(Settings(data_dir=tmp_path / "data"), runtime=scripted)

    async def scene() -> None:
        tab, drawing, go_on = open_tab(), threading.Event(), threading.Event()

        def wait(_: object) -> None:
            drawing.set()
            assert go_on.wait(30)

        scripted.before = wait
        await _join(live, tab)
        watching = asyncio.create_task(live.watch())
        turn = Turn(text="a cat", command="generate", session="one")
        taking = asyncio.create_task(other.conversation().take_turn(turn))
        await _until(lambda: tab.screen.texts == ["a cat", "No reply yet: still running, or cut short."])
        go_on.set()
        await taking
        await _until(lambda: tab.screen.texts == ["a cat", "Drew #1."] and tab.screen.buttons == BUTTONS)
        assert len(tab.screen.pictures) == 1
        watching.cancel()

    asyncio.run(scene())
    other.close()


def test_a_turn_that_failed_and_was_done_again_elsewhere_shows_its_new_reply(
    live: Live,
    service: Service,
    take: Callable[..., Coroutine[Any, Any, None]],
    open_tab: OpenTab,
    monkeypatch: pytest.MonkeyPatch,
    scripted: ScriptedRuntime,
) -> None:
    monkeypatch.setattr("assistant.page.live.LOOK_SECONDS", 0.01)

    def fail(_: object) -> None:
        raise QueueFull("Too many wait.", stage="queue")

    async def scene() -> None:
        tab = open_tab()
        await _join(live, tab)
        watching = asyncio.create_task(live.watch())
        scripted.before = fail
        await take(tab)
        assert tab.screen.texts[0] == "a cat"
        assert "Drew" not in tab.screen.texts[1]
        scripted.before = lambda _: None
        again = Turn(text="a cat", command="generate", session="one", idempotency_key="first")
        await service.conversation().take_turn(again)
        await _until(lambda: tab.screen.texts == ["a cat", "Drew #1."])
        watching.cancel()
        monkeypatch.setattr("assistant.page.live.DOUBTFUL_SECONDS", -1.0)  # all that was sent has arrived
        await _lose(live, tab)
        await _return(live, tab)
        assert tab.screen.texts == ["a cat", "Drew #1."]

    asyncio.run(scene())


def test_an_upload_is_shown_in_the_other_tabs_and_once_in_its_own(
    live: Live, take: Callable[..., Coroutine[Any, Any, None]], open_tab: OpenTab
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, "PNG")

    async def scene() -> None:
        here, beside = open_tab(), open_tab()
        await _join(live, here, beside)
        await take(here, text="what is it?", command="ask", attachments=(file.getvalue(),))
        assert here.screen.pictures == []  # Chainlit shows in it what was uploaded from it
        assert len(beside.screen.pictures) == 1
        await _lose(live, here)
        await _return(live, here)
        assert here.screen.pictures == []

    asyncio.run(scene())


def test_a_failure_that_no_store_knows_is_said_again_to_a_tab_that_missed_it(
    live: Live, open_tab: OpenTab
) -> None:
    def load() -> Any:
        raise BadCheckpoint("The weights are not here.", stage="load")

    async def scene() -> None:
        tab = open_tab()
        await _join(live, tab)
        await _lose(live, tab)
        turn = Turn(text="a cat", session="one", idempotency_key="first")
        await ShownTurn(turn, tab.session, live, words_for("en")).run(load)
        await _return(live, tab)
        assert tab.screen.replies == ["The weights are not here."]

    asyncio.run(scene())


def test_previews_are_no_more_than_a_page_can_paint_and_the_picture_takes_their_place(
    live: Live, service: Service, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps a model takes in no time, the page is sent one of them and the end."""
    runtime: Any = service.conversation().runtime
    generate = runtime.generate

    def many_steps(request: Any, *, on_event: Any, **rest: Any) -> Any:
        for step in range(1, 201):
            on_event(Step(step=step, of=200, preview=Image.new("RGB", (1024, 1024), "red")))
        return generate(request, on_event=on_event, **rest)

    monkeypatch.setattr(runtime, "generate", many_steps)
    monkeypatch.setattr("assistant.page.shown_turn.PAINT_SECONDS", 60.0)

    async def scene() -> None:
        tab = open_tab()
        await _join(live, tab)
        turn = Turn(text="a cat", command="generate", session="one", idempotency_key="k")
        await ShownTurn(turn, tab.session, live, words_for("en")).run(service.conversation)
        sent = [data for event, data in tab.screen.events if event == "element"]
        assert len(sent) <= 2
        assert tab.screen.texts == ["a cat", "Drew #1."]
        (picture,) = tab.screen.pictures
        assert picture.startswith("/images/")

    asyncio.run(scene())
