"""A process is killed in the middle of a turn; the same turn is sent again to a new one."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

TURN = Turn(text="draw a cat, then make it rain", idempotency_key="k")

_DIES = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import ScriptedRuntime
from assistant import graph
from assistant.conversation import Conversation
from assistant.turn import Turn
from sessions.images import StoredImages
from sessions.store import SessionStore

def die(*_, **__):
    print(sum(1 for _ in runtime.requests), flush=True)
    os._exit(9)

def dying_after(function):
    def run(*arguments, **options):
        function(*arguments, **options)
        die()
    return run

folder, moment = Path(sys.argv[1]), sys.argv[3]
runtime = ScriptedRuntime()
runtime.will_call(
    ("generate_image", {"prompt": "a cat"}), ("edit_image", {"image": "$1", "instruction": "make it rain"})
)
if moment == "while drawing":
    runtime.before = die
elif moment == "image stored":
    StoredImages.add = dying_after(StoredImages.add)
elif moment == "second image stored":
    runtime.before = lambda _: len(runtime.requests) == 2 and setattr(
        StoredImages, "add", dying_after(StoredImages.add)
    )
elif moment == "before the reply":
    SessionStore.finish_turn = die
elif moment == "reply stored":
    SessionStore.finish_turn = dying_after(SessionStore.finish_turn)
conversation = Conversation(SessionStore(folder), runtime, folder)
turn = Turn(text="draw a cat, then make it rain", idempotency_key="k")
asyncio.run(conversation.take_turn(turn))
"""


def kill_at(moment: str, folder: Path) -> None:
    tests = Path(__file__).resolve().parent.parent
    died = subprocess.run(
        [sys.executable, "-c", _DIES, str(folder), str(tests), moment], capture_output=True, timeout=300
    )
    assert died.returncode == 9, died.stderr.decode()


def send_again(folder: Path, scripted: ScriptedRuntime) -> Reply:
    conversation = Conversation(SessionStore(folder), scripted, folder)
    try:
        return asyncio.run(conversation.take_turn(TURN))
    finally:
        conversation.close()


@pytest.mark.parametrize(
    ("moment", "model_runs"),
    [
        ("while drawing", 2),
        ("image stored", 1),
        ("second image stored", 0),
        ("before the reply", 0),
        ("reply stored", 0),
    ],
)
def test_a_killed_turn_is_taken_up_where_it_was(
    tmp_path: Path, scripted: ScriptedRuntime, moment: str, model_runs: int
) -> None:
    kill_at(moment, tmp_path)
    reply = send_again(tmp_path, scripted)
    assert reply.text == "Drew #1.\nEdited #1 → #2: make it rain."
    assert scripted.plan_requests == [], "the plan was made before the crash"
    assert len(scripted.requests) == model_runs
    store = SessionStore(tmp_path)
    history = store.history("local", "default")
    assert [turn.status for turn in history.turns] == ["replied"]
    assert [image.n for image in history.images] == [1, 2]
    assert (history.images[1].seed or 0) - (history.images[0].seed or 0) in (1, 1 - 2**32)
    store.close()
    for name in ("store.db", "turns.db"):
        assert sqlite3.connect(tmp_path / name).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    left = sqlite3.connect(tmp_path / "turns.db").execute("SELECT count(*) FROM checkpoints").fetchone()
    assert left == (0,) or moment == "reply stored"


def test_another_turn_after_a_kill_is_not_held_up(tmp_path: Path, scripted: ScriptedRuntime) -> None:
    kill_at("image stored", tmp_path)
    scripted.will_draw("a dog")
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    reply = asyncio.run(conversation.take_turn(Turn(text="draw a dog")))
    assert reply.text == "Drew #2."
    conversation.close()


_DRAWS = """
import asyncio, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import ScriptedRuntime
from assistant.conversation import Conversation
from assistant.turn import Turn
from sessions.store import SessionStore

folder, count = Path(sys.argv[1]), int(sys.argv[3])

def alone(_):
    marker = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)
    time.sleep(0.01)
    os.close(marker)
    os.unlink(folder / "inside")

runtime = ScriptedRuntime()
runtime.before = alone
conversation = Conversation(SessionStore(folder), runtime, folder)
for i in range(count):
    runtime.will_draw(f"cat {i}")
    reply = asyncio.run(conversation.take_turn(Turn(text=f"draw cat {i}")))
    assert reply.error is None, reply
conversation.close()
"""


def test_two_processes_take_turns_of_one_session_one_after_the_other(tmp_path: Path) -> None:
    count = 6
    tests = Path(__file__).resolve().parent.parent
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DRAWS, str(tmp_path), str(tests), str(count)], stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
    store = SessionStore(tmp_path)
    history = store.history("local", "default")
    assert [image.n for image in history.images] == list(range(1, 2 * count + 1))
    assert {turn.status for turn in history.turns} == {"replied"}
    assert history.head == 2 * count
    store.close()
    for name in ("store.db", "turns.db"):
        assert sqlite3.connect(tmp_path / name).execute("PRAGMA integrity_check").fetchone() == ("ok",)
