"""The commands as a person or a script meets them: what is printed where, and with which exit status."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from assistant.terminal.command_line import app
from assistant.trust_evaluation import Judged
from assistant.turn import Reply
from flux_runtime.errors import OutOfMemory
from flux_runtime.pocket.evaluation import PARTS, Sizes

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, scripted: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command over the scripted runtime and a data folder of the test's own."""
    monkeypatch.setenv("FLUX_ASSISTANT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("assistant.wiring.build_runtime", lambda settings: scripted)
    runner = CliRunner()
    return lambda *words, typed="": runner.invoke(app, list(words), input=typed)


def _json(result: Result) -> Any:
    """All of standard output as one JSON value."""
    return json.loads(result.stdout)


def _error(result: Result) -> Any:
    assert result.exit_code == 1
    found = _json(result)
    assert set(found) == {"error"}
    assert set(found["error"]) == {"code", "stage", "message"}
    return found["error"]


def test_say_prints_the_reply_and_where_the_picture_is(run: Run) -> None:
    result = run("say", "/generate a robot")
    assert result.exit_code == 0
    assert "#1" in result.stdout
    assert Path(result.stdout.split()[-1]).is_file()


def test_say_with_json_has_the_agreed_shape(run: Run) -> None:
    run("say", "/generate a robot", "--session", "s", "--seed", "3")
    found = _json(run("say", "/edit make it rainy", "--session", "s", "--seed", "5", "--json"))
    assert set(found) == {"reply", "tool", "steps", "answer", "images", "head", "session", "seconds"}
    assert (found["tool"], found["head"], found["session"], found["answer"]) == ("edit", 2, "s", None)
    assert found["steps"] == [{"tool": "edit", "sources": [1], "text": "make it rainy", "region": None}]
    (image,) = found["images"]
    assert set(image) == {
        *("n", "id", "path", "op", "parents", "seed", "width", "height", "outside_change"),
    }
    assert (image["n"], image["op"], image["seed"]) == (2, "edit", 5)
    assert image["parents"] == [{"n": 1, "role": "base"}]
    assert Path(image["path"]).is_file()


def test_a_dash_takes_one_turn_a_line_and_prints_one_object_a_line(run: Run) -> None:
    result = run("say", "-", "--json", typed="/generate a robot\n/ask what is it\n")
    assert [json.loads(line)["tool"] for line in result.stdout.splitlines()] == ["generate", "ask"]
    assert result.exit_code == 0


def test_after_a_bad_line_the_next_one_is_taken_and_the_status_is_1(run: Run) -> None:
    result = run("say", "-", "--json", typed="\n/generate a robot\n")
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["error"]["code"] == "bad_message"
    assert second["tool"] == "generate"
    assert result.exit_code == 1


def test_a_picture_is_attached_to_the_first_message_only(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    Image.new("RGB", (16, 16), "red").save(file)
    result = run("say", "-", "--json", "--image", str(file), typed="/ask what is it\n/ask what is it\n")
    assert [json.loads(line)["steps"][0]["sources"] for line in result.stdout.splitlines()] == [[1], [1]]
    assert len(_json(run("history", "--json"))["images"]) == 1


def test_a_failure_is_json_with_json_and_a_sentence_on_standard_error_without(
    run: Run, scripted: ScriptedRuntime
) -> None:
    def fail(_: threading.Event | None) -> None:
        raise OutOfMemory("There is not enough memory for that.", stage="denoise")

    scripted.before = fail
    assert _error(run("say", "/generate a robot", "--json"))["code"] == "out_of_memory"
    result = run("say", "/generate a robot")
    assert result.exit_code == 1
    assert "not enough memory" in result.output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("say", "what is it", "--image", "nowhere.png"), "bad_image"),
        (("say", ""), "bad_message"),
        (("plan", ""), "bad_message"),
        (("history", "--session", "nobody"), "not_found"),
    ],
)
def test_what_cannot_be_done_says_so(run: Run, words: tuple[str, ...], code: str) -> None:
    assert _error(run(*words, "--json"))["code"] == code


def test_a_file_of_no_bytes_and_a_text_named_png_are_refused(run: Run, tmp_path: Path) -> None:
    for name, content in (("empty.png", b""), ("text.png", b"hello")):
        (tmp_path / name).write_bytes(content)
        found = _error(run("say", "/ask what is it", "--image", str(tmp_path / name), "--json"))
        assert found["code"] == "bad_upload"


def test_plan_neither_draws_nor_records(run: Run, scripted: ScriptedRuntime) -> None:
    scripted.will_draw("a robot")
    found = _json(run("plan", "draw a robot", "--json"))
    assert found == {
        "tool": "generate",
        "steps": [{"tool": "generate", "sources": [], "text": "a robot", "region": None}],
        "clarify": None,
    }
    assert scripted.requests == []
    assert _error(run("history", "--json"))["code"] == "not_found"


def test_plan_for_people_numbers_the_steps(run: Run) -> None:
    run("say", "/generate a robot")
    assert run("plan", "/edit make it rainy").stdout == "1. edit #1 make it rainy\n"


def test_history_tells_what_was_said_and_which_picture_came_from_which(run: Run) -> None:
    run("say", "/generate a robot")
    run("say", "/edit make it rainy")
    found = _json(run("history", "--json"))
    assert [turn["tool"] for turn in found["turns"]] == ["generate", "edit"]
    assert [image["parents"] for image in found["images"]] == [[], [{"n": 1, "role": "base"}]]
    assert found["head"] == 2
    shown = run("history").stdout
    assert "> /edit make it rainy" in shown
    assert "*  #2  edit" in shown


def test_dialog_reports_and_exits_by_what_was_expected(run: Run, tmp_path: Path) -> None:
    file, report = tmp_path / "x.yaml", tmp_path / "report.html"
    file.write_text("name: x\nturns: [{user: /generate a robot, expect: {tool: generate}}]")
    result = run("dialog", str(file), "--report", str(report))
    assert (result.exit_code, report.is_file()) == (0, True)
    file.write_text("name: x\nturns: [{user: /generate a robot, expect: {tool: edit}}]")
    result = run("dialog", str(file))
    assert result.exit_code == 1
    assert "tool should be 'edit', but is 'generate'" in result.stdout


def test_dialog_prints_the_pass_rate_over_several_seeds(
    run: Run, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\nseed: 7\nturns: [{user: /generate a robot, expect: {tool: generate}}]")
    result = run("dialog", str(file), "--seeds", "3")
    assert [getattr(request, "seed", None) for request in scripted.requests] == [7, 8, 9]
    assert "3 of 3  x\n3 of 3 passed (100%)." in result.stdout
    assert "read by a judge" in result.stdout


def test_dialog_leaves_the_persons_own_history_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: x\nturns: [{user: /generate a robot}]")
    assert run("dialog", str(tmp_path)).exit_code == 0
    assert not (tmp_path / "data").exists()


def test_doctor_names_what_is_wrong_and_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLUX_ASSISTANT_DATA_DIR", str(tmp_path / "file" / "data"))
    monkeypatch.setenv("FLUX_ASSISTANT_MODEL", "no-such-model")
    result = run("doctor", "--json")
    problems = {each["what"]: each for each in _json(result)["findings"] if each["state"] == "problem"}
    assert set(problems) == {"data folder", "model"}
    assert all(each["remedy"] for each in problems.values())
    assert result.exit_code == 1


@pytest.mark.parametrize("words", [("say", "hello"), ("plan", "hello"), ("history",)])
def test_a_data_folder_that_is_a_file_gets_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLUX_ASSISTANT_DATA_DIR", str(tmp_path / "file"))
    found = _error(run(*words, "--json"))
    assert (found["code"], found["stage"]) == ("cannot_store", "files")
    assert str(tmp_path / "file") in found["message"]
    assert "FLUX_ASSISTANT_DATA_DIR" in found["message"]


@pytest.mark.parametrize("words", [("say", "hello"), ("history",), ("models",), ("doctor",)])
def test_a_setting_that_cannot_be_used_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FLUX_ASSISTANT_PORT", "abc")
    found = _error(run(*words, "--json"))
    assert (found["code"], found["stage"]) == ("bad_setting", "settings")
    assert "FLUX_ASSISTANT_PORT is 'abc'" in found["message"]


def test_a_database_that_another_program_holds_gets_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("say", "/generate a robot")
    monkeypatch.setattr("sessions.connection.BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "data" / "store.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    found = _error(run("say", "/generate a robot", "--json"))
    holder.close()
    assert (found["code"], found["stage"]) == ("cannot_store", "database")
    assert "locked" in found["message"]


def test_a_report_that_cannot_be_written_is_known_before_the_dialog_is_played(
    run: Run, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    (tmp_path / "x.yaml").write_text("name: x\nturns: [{user: /generate a robot}]")
    result = run("dialog", str(tmp_path / "x.yaml"), "--report", str(tmp_path / "nowhere" / "report.html"))
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert scripted.requests == []


def test_the_page_is_not_opened_to_other_machines(run: Run) -> None:
    result = run("chat", "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert "127.0.0.1" in result.output


def test_version_and_help_need_no_torch() -> None:
    script = (
        "import sys, typer.testing as t; from assistant.terminal.command_line import app; r = t.CliRunner();"
        "print(r.invoke(app, ['--version']).output, r.invoke(app, ['say', '--help']).output);"
        "assert 'torch' not in sys.modules and 'chainlit' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "0.1.0" in done.stdout


def test_evaluate_measures_only_the_parts_that_are_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def model_figures(model: str, **how: Any) -> dict[str, Any]:
        asked.append((how["quick"], list(how["parts"])))
        return {**dict.fromkeys(how["parts"], 0.5), "n": {}, "model": model, "seconds": 1.0}

    def turn_figures(settings: object, *, turns: int, on_judged: Callable[..., None], **_: Any) -> Any:
        asked.append(turns)
        reply = Reply(text="Hello.", tool="chat", session="s", turn="t", seconds=0.0)
        on_judged({"kind": "noise", "say": "?", "tool": ["clarify"]}, reply, Judged(False, False))
        return {"right": 0.75, "n": {"trust en": turns}, "seconds": 2.0}

    monkeypatch.setattr("flux_runtime.pocket.evaluation.evaluate", model_figures)
    monkeypatch.setattr("assistant.trust_evaluation.measure_trust", turn_figures)
    file = tmp_path / "turns.jsonl"

    found = _json(run("evaluate", "--only", "everyday, trust", "--quick", "--turns", str(file), "--json"))
    assert asked == [(True, ["everyday"]), Sizes.of(quick=True).trust]
    assert (found["everyday"], found["trust"], found["seconds"]) == (0.5, {"right": 0.75}, 3.0)
    (line,) = map(json.loads, file.read_text("utf-8").splitlines())
    assert (line["say"], line["tool"], line["right"]) == ("?", "chat", False)

    asked.clear()
    assert "trust" not in _json(run("evaluate", "--only", "plans", "--json"))
    assert asked == [(False, ["plans"])]
    asked.clear()
    run("evaluate", "--json")
    assert asked == [(False, list(PARTS)), Sizes().trust]
    asked.clear()
    refused = run("evaluate", "--only", "plans,trsut")
    assert refused.exit_code == 2
    assert "everyday" in refused.output
    assert not asked
