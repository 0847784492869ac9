"""The command as a process of its own: its streams' encodings, and signals in the middle of a turn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"

COMMAND = """
import importlib.util, sys, threading
spec = importlib.util.spec_from_file_location("standins", sys.argv.pop(1))
standins = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standins)
runtime = standins.ScriptedRuntime()

def until_stopped(cancel):
    print("drawing", file=sys.stderr, flush=True)
    cancel.wait(60)

if sys.argv.pop(1) == "waits":
    runtime.before = until_stopped
import assistant.wiring
assistant.wiring.build_runtime = lambda settings: runtime
from assistant.terminal.command_line import main
main()
"""


def _command(tmp_path: Path, *words: str, waits: bool = False, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(CONFTEST), "waits" if waits else "draws", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FLUX_ASSISTANT_DATA_DIR": str(tmp_path / "data"), **environment},
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-8"])
def test_json_is_valid_on_an_output_of_any_encoding(tmp_path: Path, encoding: str) -> None:
    words = ("say", "/画 一只猫", "--session", "猫", "--json")
    out, err = _command(tmp_path, *words, PYTHONIOENCODING=encoding, PYTHONUTF8="0").communicate()
    assert b"Traceback" not in err
    assert json.loads(out.decode("utf-8" if encoding == "utf-8" else "ascii"))["session"] == "猫"


@pytest.mark.parametrize("words", [("say", "/画 一只猫"), ("history",), ("say", "/问 这是什么")])
def test_a_sentence_that_the_output_cannot_take_never_ends_a_command(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    for each in (("say", "/画 一只猫"), words):
        command = _command(tmp_path, *each, PYTHONIOENCODING="ascii:strict", PYTHONUTF8="0")
        out, err = command.communicate()
        assert (command.returncode, b"Traceback" in err) == (0, False)
    assert b"\\u" in out


def test_a_line_that_is_no_text_is_refused_and_the_next_one_is_done(tmp_path: Path) -> None:
    command = _command(tmp_path, "say", "-", "--json", PYTHONIOENCODING="utf-8")
    out, _ = command.communicate(b"/generate a \xff cat\n/generate a dog\n")
    refused, done = map(json.loads, out.decode().splitlines())
    assert refused["error"]["code"] == "bad_message"
    assert done["images"][0]["n"] == 1
    assert command.returncode == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_the_middle_of_a_turn_stops_it_and_keeps_it(tmp_path: Path, name: str) -> None:
    command = _command(tmp_path, "say", "/generate a cat", "--json", waits=True)
    assert command.stderr
    assert command.stderr.readline() == b"drawing\n"
    command.send_signal(getattr(signal, name))
    out, _ = command.communicate(timeout=60)
    assert json.loads(out)["error"]["code"] == "cancelled"
    kept, _ = _command(tmp_path, "history", "--json").communicate()
    assert [turn["status"] for turn in json.loads(kept)["turns"]] == ["stopped"]


def test_a_command_that_ignores_hangups_goes_on_ignoring_them(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` starts it
    try:
        command = _command(tmp_path, "say", "/generate a cat", "--json", waits=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert command.stderr
    assert command.stderr.readline() == b"drawing\n"
    command.send_signal(signal.SIGHUP)
    assert command.poll() is None
    command.send_signal(signal.SIGTERM)
    out, _ = command.communicate(timeout=60)
    assert json.loads(out)["error"]["code"] == "cancelled"
