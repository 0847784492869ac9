"""First come, first served, in one conversation: within a process and across several."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from assistant.arrivals import Arrivals
from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

TESTS = Path(__file__).resolve().parent.parent


def test_messages_of_one_conversation_run_in_the_order_in_which_they_came(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.capabilities = scripted.capabilities.model_copy(update={"plan": False})
    names = [f"cat {n}" for n in range(40)]

    async def all_at_once() -> list[Reply]:
        turns = (Turn(text=name, command="generate") for name in names)
        return await asyncio.gather(*(conversation.take_turn(turn) for turn in turns))

    replies = asyncio.run(all_at_once())
    assert [reply.text for reply in replies] == [f"Drew #{n}." for n in range(1, 41)]
    history = conversation.store.history("local", "default")
    assert [turn.text for turn in history.turns] == names
    assert [image.prompt_used for image in history.images] == names


def test_a_message_has_its_place_in_the_history_while_it_waits(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    drawing, go_on = threading.Event(), threading.Event()

    def wait(_cancel: object) -> None:
        drawing.set()
        assert go_on.wait(30)

    scripted.before = wait

    async def two() -> list[str]:
        tasks = [
            asyncio.create_task(conversation.take_turn(Turn(text=name, command="generate")))
            for name in ("cat", "dog")
        ]
        await asyncio.to_thread(drawing.wait, 30)
        listed = []
        while len(listed) < 2:
            listed = [turn.text for turn in conversation.store.history("local", "default").turns]
            await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*tasks)
        return listed

    assert asyncio.run(asyncio.wait_for(two(), 30)) == ["cat", "dog"]


def test_who_gives_up_waiting_lets_nobody_pass_those_before(conversation: Conversation) -> None:
    async def three() -> list[str]:
        line, gone = Arrivals(), []
        first, second, third = (line.join("a") for _ in range(3))
        waiting = asyncio.create_task(third.reached())
        second.leave()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        gone.append("first")
        first.leave()
        await waiting
        gone.append("third")
        return gone

    assert asyncio.run(asyncio.wait_for(three(), 30)) == ["first", "third"]


def test_a_turn_waits_for_an_earlier_one_that_another_process_works_on(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    """That other process has only its place yet: it does not hold the conversation's lock."""
    store = conversation.store
    session = store.session("local", "default")
    lock = FileLock(
        tmp_path / "data" / "locks" / f"{store.turn_id(session, 'k')}.turn", thread_local=False
    ).acquire()
    earlier = store.begin_turn(session, key="k", fingerprint="", text="draw a dog", channel="test")
    scripted.will_draw("a cat")

    async def both() -> Reply:
        waiting = asyncio.create_task(conversation.take_turn(Turn(text="draw a cat")))
        while len(store.history("local", "default").turns) < 2:
            await asyncio.sleep(0)
        assert scripted.plan_requests == []
        reply = Reply(text="Drew.", tool="chat", session="default", turn=earlier.id, seconds=0.0)
        store.finish_turn(
            "local", earlier.id, status="replied", plan=None, reply=reply.model_dump(), seconds=0.0
        )
        lock.lock.release()
        return await waiting

    assert asyncio.run(asyncio.wait_for(both(), 30)).text == "Drew #1."
    first, second = store.history("local", "default").turns
    assert (first.text, first.status) == ("draw a dog", "replied"), (
        "it was not taken for one that was cut short"
    )
    assert second.text == "draw a cat"


_SENDS = """
import asyncio, json, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import ScriptedRuntime
from assistant.conversation import Conversation
from assistant.turn import Turn
from sessions.store import SessionStore

folder, name, count = Path(sys.argv[1]), sys.argv[3], int(sys.argv[4])
runtime = ScriptedRuntime()
conversation = Conversation(SessionStore(folder), runtime, folder)

def completed(_):
    with open(folder / "completed", "a") as file:
        file.write(runtime.requests[-1].prompt + "\\n")

runtime.before = completed

async def send():
    sys.stdin.readline()
    for first in range(0, count, 2):
        turns = [Turn(text=f"{name} {i}", command="generate") for i in (first, first + 1)]
        for reply in await asyncio.gather(*(conversation.take_turn(turn) for turn in turns)):
            assert reply.error is None, reply

print("ready", flush=True)
asyncio.run(send())
conversation.close()
"""


@pytest.mark.parametrize(("processes", "turns"), [(2, 40), (4, 80)])
def test_the_order_in_the_store_is_the_order_of_completion_whoever_sends(
    tmp_path: Path, processes: int, turns: int
) -> None:
    count = turns // processes
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", _SENDS, str(tmp_path), str(TESTS), f"process {n}", str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    for sender in senders:
        assert sender.stdout
        assert sender.stdout.readline() == "ready\n"
    for sender in senders:
        assert sender.stdin
        sender.stdin.write("go\n")
        sender.stdin.flush()
    for sender in senders:
        _, errors = sender.communicate(timeout=300)
        assert sender.returncode == 0, errors
    completed = (tmp_path / "completed").read_text().splitlines()
    store = SessionStore(tmp_path)
    history = store.history("local", "default")
    store.close()
    assert len(completed) == turns
    assert [turn.text for turn in history.turns] == completed
    assert [image.prompt_used for image in history.images] == completed
    for n in range(processes):
        own = [text for text in completed if text.startswith(f"process {n} ")]
        assert own == [f"process {n} {i}" for i in range(count)]
    assert {turn.status for turn in history.turns} == {"replied"}
    assert list((tmp_path / "locks").glob("*.turn")) == []
