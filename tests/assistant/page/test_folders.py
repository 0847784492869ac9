"""Folders of pages: each has its own, and those of killed pages are removed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from assistant.page.folders import UNLOCKED_SECONDS, PageFolder

_HOLDS_ONE = """
import sys
from pathlib import Path
from assistant.page.folders import PageFolder

held = PageFolder(Path(sys.argv[1]))
print(held.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "words").write_text("hello")
    return folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_folder_of_a_killed_page_is_removed_and_that_of_a_live_one_is_not(
    assets: Path, temporary: Path
) -> None:
    command = [sys.executable, "-c", _HOLDS_ONE, str(assets)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        theirs = Path(other.stdout.readline().strip())
        (theirs / ".files" / "session").mkdir(parents=True)
        mine = PageFolder(assets)
        assert (theirs / "words").read_text() == "hello"
        other.kill()
        other.wait(30)
    again = PageFolder(assets)
    assert not theirs.exists()
    assert (mine.path / "words").read_text() == (again.path / "words").read_text() == "hello"
    mine.close()
    again.close()
    assert list(temporary.iterdir()) == []


def test_what_is_no_left_over_folder_of_a_page_is_left_alone(
    assets: Path, temporary: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    old = time.time() - 2 * UNLOCKED_SECONDS
    for name in ("another-program", "flux-assistant-page-just-made", "flux-assistant-page-old"):
        (temporary / name).mkdir()
    (temporary / "flux-assistant-page-link").symlink_to(elsewhere)
    (temporary / "flux-assistant-page-file").write_text("")
    for name in ("another-program", "flux-assistant-page-old"):
        os.utime(temporary / name, (old, old))
    os.utime(elsewhere, (old, old))
    PageFolder(assets).close()
    left = {each.name.removeprefix("flux-assistant-page-") for each in temporary.iterdir()}
    assert left == {"another-program", "just-made", "link", "file"}
    assert elsewhere.is_dir()
