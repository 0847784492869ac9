"""A process is killed in the middle of a turn; the same turn is sent again to a new one."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from sessions.store import SessionStore

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

TESTS = Path(__file__).resolve().parent.parent
TURN = Turn(text="draw a cat, then make it rain", idempotency_key="k")
CUT_SHORT = (
    "This was cut short: the program ended before it was done. What was made until then is kept. Send it "
    "again if you still want it."
)

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
turn = Turn(text=sys.argv[4], session=sys.argv[5], idempotency_key="k")
asyncio.run(conversation.take_turn(turn))
"""


def kill_at(moment: str, folder: Path, text: str = TURN.text, *, session: str = "default") -> None:
    """Let a process die at that moment of a turn."""
    died = subprocess.run(
        [sys.executable, "-c", _DIES, str(folder), str(TESTS), moment, text, session],
        capture_output=True,
        timeout=300,
    )
    assert died.returncode == 9, died.stderr.decode()


def assert_nothing_is_left(folder: Path) -> None:
    """No graph checkpoint, no lock of a turn."""
    with closing(sqlite3.connect(folder / "turns.db")) as database:
        for table in ("checkpoints", "writes"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert list((folder / "locks").glob("*.turn")) == []


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
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("moment", "status", "text"),
    [
        ("while drawing", "stopped", CUT_SHORT),
        ("image stored", "stopped", CUT_SHORT),
        ("second image stored", "stopped", f"Drew #1.\n{CUT_SHORT}"),
        ("before the reply", "replied", "Drew #1.\nEdited #1 → #2: make it rain."),
        ("reply stored", "replied", "Drew #1.\nEdited #1 → #2: make it rain."),
    ],
)
def test_a_killed_turn_that_is_not_sent_again_gets_its_reply_on_the_next_start(
    tmp_path: Path, scripted: ScriptedRuntime, moment: str, status: str, text: str
) -> None:
    kill_at(moment, tmp_path)
    Conversation(SessionStore(tmp_path), scripted, tmp_path).close()
    store = SessionStore(tmp_path)
    (turn,) = store.history("local", "default").turns
    assert turn.reply is not None
    assert (turn.status, turn.reply["text"]) == (status, text)
    assert scripted.requests == []
    store.close()
    assert_nothing_is_left(tmp_path)


def test_a_killed_turn_in_chinese_says_so_in_chinese(tmp_path: Path, scripted: ScriptedRuntime) -> None:
    kill_at("while drawing", tmp_path, "画一只猫，然后改成下雨")
    Conversation(SessionStore(tmp_path), scripted, tmp_path).close()
    store = SessionStore(tmp_path)
    (turn,) = store.history("local", "default").turns
    assert turn.reply is not None
    assert turn.reply["text"].startswith("程序中途结束")
    store.close()


def test_a_killed_turn_of_a_deleted_conversation_leaves_nothing_either(
    tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    kill_at("image stored", tmp_path)
    store = SessionStore(tmp_path)
    store.delete_session("local", "default")
    Conversation(store, scripted, tmp_path).close()
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("sent_again", [False, True])
def test_a_damaged_graph_checkpoint_keeps_nothing_from_starting_or_being_done(
    tmp_path: Path, scripted: ScriptedRuntime, sent_again: bool
) -> None:
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path) if sent_again else None
    kill_at("image stored", tmp_path)
    with closing(sqlite3.connect(tmp_path / "turns.db")) as database:
        database.execute("UPDATE checkpoints SET checkpoint = x'c1c1c1'")
        database.execute("UPDATE writes SET value = x'c1c1c1'")
        database.commit()
    conversation = conversation or Conversation(SessionStore(tmp_path), scripted, tmp_path)
    scripted.will_call(
        ("generate_image", {"prompt": "a cat"}),
        ("edit_image", {"image": "$1", "instruction": "make it rain"}),
    )
    reply = asyncio.run(conversation.take_turn(TURN))
    assert reply.text == "Drew #1.\nEdited #1 → #2: make it rain."
    conversation.close()
    assert_nothing_is_left(tmp_path)


def test_a_turn_that_is_killed_while_others_go_on_is_closed_by_its_conversations_next_turn(
    tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    conversation = Conversation(SessionStore(tmp_path), scripted, tmp_path)
    kill_at("image stored", tmp_path)
    scripted.will_draw("a dog")
    reply = asyncio.run(conversation.take_turn(Turn(text="draw a dog")))
    assert reply.text == "Drew #2."
    turns = conversation.store.history("local", "default").turns
    assert [turn.status for turn in turns] == ["stopped", "replied"]
    conversation.close()
    assert_nothing_is_left(tmp_path)


def test_a_start_closes_the_oldest_ones_only_and_the_next_start_the_others(
    tmp_path: Path, scripted: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.conversation.MAX_CLOSED_AT_START", 2)
    store = SessionStore(tmp_path)
    for name in ("a", "b", "c"):
        session = store.session("local", name)
        store.begin_turn(session, key="k", fingerprint="", text="draw a cat", channel="test")
    store.close()
    for names in (["c"], []):
        Conversation(SessionStore(tmp_path), scripted, tmp_path).close()
        store = SessionStore(tmp_path)
        assert [session.name for session, _ in store.unfinished(10)] == names
        store.close()


_LIVES = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import ScriptedRuntime
from assistant.conversation import Conversation
from assistant.turn import Turn
from sessions.store import SessionStore

def wait(_):
    print("drawing", flush=True)
    sys.stdin.readline()

folder = Path(sys.argv[1])
runtime = ScriptedRuntime()
runtime.before = wait
runtime.will_draw("a cat")
conversation = Conversation(SessionStore(folder), runtime, folder)
print(asyncio.run(conversation.take_turn(Turn(text="draw a cat"))).text, flush=True)
conversation.close()
"""


def test_a_turn_of_a_process_that_lives_is_left_alone(tmp_path: Path, scripted: ScriptedRuntime) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _LIVES, str(tmp_path), str(TESTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "drawing\n"
        Conversation(SessionStore(tmp_path), scripted, tmp_path).close()
        store = SessionStore(tmp_path)
        (turn,) = store.history("local", "default").turns
        assert (turn.status, turn.reply) == ("started", None)
        checkpoints = sqlite3.connect(tmp_path / "turns.db").execute("SELECT count(*) FROM checkpoints")
        assert checkpoints.fetchone() != (0,)
        other.stdin.write("go on\n")
        other.stdin.flush()
        assert other.stdout.readline() == "Drew #1.\n"
    (turn,) = store.history("local", "default").turns
    assert turn.status == "replied"
    store.close()
    assert_nothing_is_left(tmp_path)


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
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DRAWS, str(tmp_path), str(TESTS), str(count)], stderr=subprocess.PIPE
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
