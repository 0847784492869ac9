"""Dialog scripts: reading, playing, checking and reporting them, over a runtime without a model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from assistant.conversation import Conversation
from assistant.dialogs.report import write_report
from assistant.dialogs.script import (
    BadScript,
    DialogScript,
    PlayedScript,
    answer_means,
    find_scripts,
    pass_rates,
    play,
    read_script,
)

if TYPE_CHECKING:
    from ...conftest import ScriptedRuntime

SCRIPT = """
name: a drawing and a question
seed: 7
turns:
  - user: /generate a robot
    expect: {tool: generate, reply: "#1"}
  - user: /ask what is it
    expect: {tool: ask, source: 1, answer: COLOUR}
"""


def _play(conversation: Conversation, text: str, folder: Path) -> PlayedScript:
    return asyncio.run(play(_script(text, folder), conversation, session="s"))


def _script(text: str, folder: Path) -> DialogScript:
    file = folder / "script.yaml"
    file.write_text(text, encoding="utf-8")
    return read_script(file)


def test_a_script_whose_expectations_are_met_passes(conversation: Conversation, tmp_path: Path) -> None:
    played = _play(conversation, SCRIPT, tmp_path)
    assert played.passed
    assert [len(turn.checks) for turn in played.turns] == [2, 3]


def test_the_scripts_seed_is_used(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    _play(conversation, SCRIPT, tmp_path)
    assert getattr(scripted.requests[0], "seed", None) == 7


@pytest.mark.parametrize(
    ("expected", "named"),
    [
        ("tool: edit", "tool"),
        ("reply: giraffe", "reply"),
        ("answer: giraffe", "answer"),
        ("source: 2", "source"),
        ("shows: {weather: rainy}", "weather"),
    ],
)
def test_an_expectation_that_is_not_met_fails_and_is_named(
    conversation: Conversation, tmp_path: Path, expected: str, named: str
) -> None:
    text = f"name: x\nturns: [{{user: /generate a robot, expect: {{{expected}}}}}]"
    played = _play(conversation, text, tmp_path)
    assert not played.passed
    (failure,) = played.failures
    assert f": {named} should be" in failure


def test_an_expectation_is_met_by_whole_words_only(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    scripted.know_only_declared_words()
    scripted.will_say("a red balloon, 蓝色的气球")
    text = "name: x\nturns: [{user: hello, expect: {reply: %s}}]"
    assert not _play(conversation, text % "red ball", tmp_path).passed
    scripted.will_say("a red balloon, 蓝色的气球")
    played = asyncio.run(play(_script(text % "red balloon", tmp_path), conversation, session="other"))
    assert played.passed


def test_the_judge_says_what_is_shown_where_there_is_one(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    text = "name: x\nturns: [{user: /generate a robot, expect: {shows: {left: Red Ball, right: ball}}}]"
    script = _script(text, tmp_path)
    seen: list[tuple[int, int]] = []

    def judge(picture: Image.Image) -> dict[str, str]:
        seen.append(picture.size)
        return {"left": "red ball", "right": "red ball"}

    played = asyncio.run(play(script, conversation, session="s", judge=judge))
    assert (played.reader, seen, len(scripted.requests)) == ("judge", [(16, 16)], 1)
    assert [check.passed for check in played.turns[0].checks] == [True, False]
    write_report([played], tmp_path / "report.html")
    assert "by a judge that was trained apart" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert _play(conversation, text, tmp_path).reader == "model"


def test_the_pass_rate_counts_every_seed_of_a_script(conversation: Conversation, tmp_path: Path) -> None:
    script = _script("name: x\nturns: [{user: /generate a robot, expect: {tool: generate}}]", tmp_path)
    fails = _script("name: x\nturns: [{user: /generate a robot, expect: {tool: edit}}]", tmp_path)
    played = [
        asyncio.run(play(each, conversation, session=f"s{seed}", seed=seed))
        for seed, each in enumerate((script, fails, script))
    ]
    assert [each.seed for each in played] == [0, 1, 2]
    assert pass_rates(played) == (("x", 2, 3),)


def test_what_a_picture_shows_is_asked_of_its_pixels(
    conversation: Conversation, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    # The double answers with the colour of the first pixel, which the prompt does not say.
    played = _play(
        conversation,
        "name: x\nturns: [{user: /generate a robot, expect: {shows: {weather: colour}}}]",
        tmp_path,
    )
    assert played.passed
    asked = scripted.requests[-1]
    assert getattr(asked, "question", None) == "How is the weather?"
    assert len(getattr(asked, "images", ())) == 1


def test_expecting_to_see_something_where_there_is_no_picture_fails(
    conversation: Conversation, tmp_path: Path
) -> None:
    played = _play(
        conversation, "name: x\nturns: [{user: /undo, expect: {shows: {weather: rainy}}}]", tmp_path
    )
    assert not played.passed


@pytest.mark.parametrize(
    ("wanted", "answer", "means"),
    [
        ("rainy", "it is raining.", True),
        ("rainy", "it is snowing.", False),
        ("space suit", "the cat is wearing a space suit.", True),
        ("space suit", "the cat is not wearing a space suit.", False),
        ("none", "the cat is not wearing a space suit.", True),
        ("none", "the cat is wearing a space suit.", False),
        ("nothing", "there is nothing on the left.", True),
        ("red balloon", "a red balloon is on the left.", True),
        ("red balloon", "a blue balloon is on the left.", False),
        ("night", "it isn't night", False),
        ("red ball", "a red balloon is on the left.", False),
        ("sunny", "it looks unclear.", False),
    ],
)
def test_an_answer_is_read_for_what_it_affirms(wanted: str, answer: str, means: bool) -> None:
    assert answer_means(wanted, answer) is means


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: x", "turns"),
        ("name: x\nturns: []", "turns"),
        ("name: x\nturns: [{user: hi, expect: {tol: generate}}]", "tol"),
        ("name: x\nturns: [{user: hi, expect: {shows: {colour: red}}}]", "colour"),
        ("name: x\nturns: [{user: hi, expect: {tool: genrate}}]", "generate, ask, edit, undo"),
        ("name: [", "script.yaml"),
    ],
)
def test_a_file_that_is_no_script_is_refused_by_what_is_wrong(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadScript, match=named):
        _script(text, tmp_path)


def test_a_folder_stands_for_its_scripts_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in find_scripts([tmp_path])] == ["a.yaml", "b.yaml"]
    with pytest.raises(BadScript):
        find_scripts([tmp_path / "nowhere.yaml"])


def test_the_report_holds_the_pictures_and_every_check(conversation: Conversation, tmp_path: Path) -> None:
    played = _play(conversation, SCRIPT.replace("COLOUR", "<giraffe>"), tmp_path)
    write_report([played], tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("data:image/png;base64,") == 1
    assert "4 of 5 expectations met" in report
    assert "&lt;giraffe&gt;" in report
    assert "<giraffe>" not in report
