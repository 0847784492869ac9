"""Turns while they run: heard of, stopped, given up; one by one in a session, side by side in several."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def test_events_reach_the_caller(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    seen: list[str] = []
    scripted.will_draw("a cat")
    asyncio.run(conversation.take_turn(Turn(text="draw"), on_event=lambda event: seen.append(event.kind)))
    assert seen == ["started"]


def test_stop_ends_the_turn_and_says_so(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    cancel = threading.Event()
    scripted.before = lambda _cancel: cancel.set()
    scripted.will_draw("a cat")
    stopped = asyncio.run(conversation.take_turn(Turn(text="draw a cat"), cancel=cancel))
    assert stopped.text == "Stopped. What was not finished is not kept."
    assert stopped.error is not None
    assert stopped.error.code == "cancelled"
    history = conversation.store.history("local", "default")
    assert ([turn.status for turn in history.turns], history.images) == (["stopped"], ())


def test_stopping_a_retry_of_a_turn_that_has_its_reply_changes_nothing(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    retry, cancel = Turn(text="draw a cat", idempotency_key="k"), threading.Event()
    scripted.will_draw("a cat")
    drawn = asyncio.run(conversation.take_turn(retry))
    session = conversation.store.session("local", "default")
    cancel.set()
    with FileLock(tmp_path / "data" / "locks" / f"{session.id}.lock", thread_local=False):
        assert asyncio.run(conversation.take_turn(retry, cancel=cancel)) == drawn
    assert asyncio.run(conversation.take_turn(retry)) == drawn


def test_stopping_a_turn_that_another_process_has_just_done_gives_its_reply(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    session = conversation.store.session("local", "default")
    turn = Turn(text="draw a cat", idempotency_key="k")
    done = conversation.store.begin_turn(
        session, key="k", fingerprint=turn.fingerprint(), text=turn.text, channel="cli"
    )
    reply = Reply(text="Drew #1.", tool="generate", session="default", turn=done.id, seconds=1.0)
    kept = reply.model_dump(mode="json")

    class Flag(threading.Event):
        """Looked at while the turn waits; by then the other process has finished it."""

        def is_set(self) -> bool:
            conversation.store.finish_turn(
                "local", done.id, status="replied", plan=None, reply=kept, seconds=1.0
            )
            return True

    with FileLock(tmp_path / "data" / "locks" / f"{session.id}.lock", thread_local=False):
        assert asyncio.run(conversation.take_turn(turn, cancel=Flag())) == reply
    stored = conversation.store.get_turn("local", done.id)
    assert (stored.status, stored.reply) == ("replied", kept)


def test_giving_up_on_a_turn_stops_the_model(conversation: Conversation, scripted: ScriptedRuntime) -> None:
    begun = threading.Event()

    def wait_for_stop(cancel: threading.Event | None) -> None:
        begun.set()
        assert cancel is not None
        assert cancel.wait(30)

    scripted.before = wait_for_stop
    scripted.will_draw("a cat")

    async def give_up() -> None:
        task = asyncio.create_task(conversation.take_turn(Turn(text="draw a cat")))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    deadline = time.monotonic() + 30
    while conversation.store.history("local", "default").turns[0].status == "started":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert conversation.store.history("local", "default").turns[0].status == "stopped"


@pytest.mark.parametrize(
    ("text", "command", "told"),
    [
        ("a cat", "generate", "This conversation was deleted meanwhile"),
        ("一只猫", "generate", "这个对话在处理过程中被删除了"),
        ("wet?", "ask", "This conversation was deleted meanwhile"),
        ("rain", "edit", "This conversation was deleted meanwhile"),
    ],
)
def test_deleting_a_conversation_in_the_middle_of_its_turn_ends_the_turn_and_leaves_nothing(
    conversation: Conversation,
    scripted: ScriptedRuntime,
    tmp_path: Path,
    text: str,
    command: str,
    told: str,
) -> None:
    store, folder = conversation.store, tmp_path / "data"
    asyncio.run(conversation.take_turn(Turn(text="a dog", command="generate", seed=1)))
    pictures = set(folder.rglob("*.png"))
    scripted.before = lambda _cancel: store.delete_session("local", "default")
    turn = Turn(text=text, command=command, seed=2, idempotency_key="k")
    reply = asyncio.run(conversation.take_turn(turn))
    assert reply.text.startswith(told)
    assert reply.error is not None
    assert reply.error.code == "conversation_deleted"
    assert (reply.images, reply.head) == ((), None)
    assert set(folder.rglob("*.png")) == pictures
    assert store.unfinished(10) == ()
    assert list((folder / "locks").glob("*.turn")) == []
    for table in ("checkpoints", "writes"):
        rows = sqlite3.connect(folder / "turns.db").execute(f"SELECT count(*) FROM {table}")
        assert rows.fetchone() == (0,)
    assert store.list_sessions("local") == ()
    scripted.before = lambda _cancel: None
    anew = asyncio.run(conversation.take_turn(Turn(text="a cat", command="generate", seed=2)))
    assert anew.text == "Drew #1."


def test_deleting_a_conversation_while_a_turn_waits_ends_that_turn_too(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    store = conversation.store

    def delete(_cancel: object) -> None:
        while len(store.history("local", "default").turns) < 2:
            time.sleep(0.001)
        store.delete_session("local", "default")
        scripted.before = lambda _cancel: None

    scripted.before = delete

    async def two() -> list[Reply]:
        turns = [Turn(text=text, command="generate") for text in ("a cat", "a dog")]
        return await asyncio.gather(*(conversation.take_turn(turn) for turn in turns))

    codes = [reply.error.code for reply in asyncio.run(two()) if reply.error]
    assert codes == ["conversation_deleted"] * 2
    assert store.unfinished(10) == ()


def test_after_closing_a_turn_is_told_that_it_was_not_begun(
    tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    conversation.close()
    reply = asyncio.run(conversation.take_turn(Turn(text="draw a cat")))
    assert reply.error is not None
    assert (reply.error.code, reply.text) == (
        "engine_closed",
        "I am shutting down, so this was not begun. Send it again after the next start.",
    )


def test_turns_of_one_session_run_one_after_the_other_and_keep_every_image(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    inside = threading.Semaphore(1)

    def alone(_cancel: object) -> None:
        assert inside.acquire(blocking=False), "two turns of one session ran at once"
        time.sleep(0.02)
        inside.release()

    scripted.before = alone
    for i in range(4):
        scripted.will_draw(f"cat {i}")

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(conversation.take_turn(Turn(text=f"draw {i}")) for i in range(4)))

    replies = asyncio.run(all_at_once())
    assert [reply.error for reply in replies] == [None] * 4
    assert sorted(reply.images[0].n for reply in replies) == [1, 2, 3, 4]
    assert len(conversation.store.history("local", "default").images) == 4


def test_turns_of_different_sessions_run_side_by_side(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(_cancel: object) -> None:
        both.wait()

    scripted.before = meet
    for _ in range(2):
        scripted.will_draw("a cat")

    async def all_at_once() -> list[Reply]:
        turns = [Turn(text="draw", session=name) for name in ("a", "b")]
        return await asyncio.gather(*(conversation.take_turn(turn) for turn in turns))

    assert [reply.error for reply in asyncio.run(all_at_once())] == [None, None]


def test_closing_closes_the_runtime(tmp_path: Path, scripted: ScriptedRuntime) -> None:
    Conversation(SessionStore(tmp_path), scripted, tmp_path).close()
    assert scripted.closed
