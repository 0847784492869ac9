"""The README says what is: its file tree, its commands and its pictures."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.terminal.command_line import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = re.search(r"```text\n(assistant/.*?)```", README, re.DOTALL)

#: Folders that the tree names as one, with a gloss for the whole.
WHOLE = (
    *("tests/assistant/", "tests/tools/", "tests/flux_runtime/", "tests/sessions/", "tests/dialogs/"),
    *(
        "assistant/page/assets/",
        "flux_runtime/pocket/held_out/",
        "flux_runtime/pocket/weights/",
        "flux_runtime/pocket/plans/",
        "flux_runtime/pocket/wordings/",
        "public/",
        ".chainlit/",
        "docs/images/",
    ),
)


def _tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return {path for path in listed.stdout.splitlines() if (ROOT / path).exists()}


def _tree() -> dict[str, str]:
    """Path -> gloss, from indented lines such as `  turn.py   a message and its reply`."""
    assert TREE, "the README has no file tree"
    folders: list[str] = []
    found = {}
    for line in TREE[1].splitlines():
        name, _, gloss = line.strip().partition("  ")
        if not name:
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        folders = folders[:depth]
        path = "/".join([*(folder.rstrip("/") for folder in folders), name])
        found[path] = gloss.strip()
        if name.endswith("/"):
            folders.append(name)
    return found


def test_every_file_is_in_the_tree_and_everything_in_the_tree_is_there() -> None:
    tree = _tree()
    named = {path for path in tree if not path.endswith("/") or path in WHOLE}
    there = {next((whole for whole in WHOLE if path.startswith(whole)), path) for path in _tracked()}
    quiet = {path for path in there if path.endswith(("__init__.py", "conftest.py"))}
    assert named - there == set(), "in the README, not on disk"
    assert there - quiet - named == set(), "on disk, not in the README"


def test_every_line_of_the_tree_has_a_gloss() -> None:
    assert [path for path, gloss in _tree().items() if not gloss] == []


def test_the_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wanted = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"chat", "test"} <= wanted <= targets


def test_the_command_lines_are_real() -> None:
    lines = re.findall(r"^(?:\$ )?flux-assistant ?([a-z]*)(.*)$", README, re.MULTILINE)
    assert lines
    for command, rest in lines:
        shown = CliRunner().invoke(app, [*([command] if command else []), "--help"])
        assert shown.exit_code == 0, command
        for option in re.findall(r"--[a-z]+", rest):
            assert option in shown.output, f"{command} has no {option}"


def test_every_command_is_in_the_readme() -> None:
    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    assert {command for command in commands if f"flux-assistant {command}" not in README} == set()


def test_its_seconds_and_megabytes_are_those_that_bench_wrote() -> None:
    rows = json.loads((ROOT / "docs" / "benchmark.json").read_text(encoding="utf-8"))["rows"]
    found = {row["name"]: row["value"] for row in rows}
    seconds = [found[name] for name in ("generate 256x256", "edit 256x256", "answer")]
    picture, edit, answer = (f"{value:.2f} s" for value in seconds)
    memory = f"{found['peak memory of one process']:.0f} MB"
    assert f"a picture takes {picture}, an edit {edit}, an answer {answer}" in " ".join(README.split())
    assert f"the process {memory}" in " ".join(README.split())


def test_the_pictures_and_pages_it_links_to_exist() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
