"""Every script in tests/dialogs, played with the model that is shipped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.conversation import Conversation
from assistant.dialogs.script import find_scripts, play, read_script
from assistant.settings import Settings
from assistant.wiring import build_conversation
from flux_runtime.judging import find_judge

SCRIPTS = find_scripts([Path(__file__).parents[2] / "dialogs"])


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """One conversation over one loaded pocket for all scripts."""
    conversation = build_conversation(Settings(data_dir=tmp_path_factory.mktemp("dialogs"), model="pocket"))
    yield conversation
    conversation.close()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_dialog_goes_as_its_script_expects(path: Path, pocket: Conversation) -> None:
    played = asyncio.run(play(read_script(path), pocket, session=path.stem, judge=find_judge("pocket")))
    assert played.reader == "judge"
    assert played.passed, "\n".join(played.failures)


def test_there_are_ten_dialogs_or_more_in_both_languages() -> None:
    texts = [turn.user for path in SCRIPTS for turn in read_script(path).turns]
    assert len(SCRIPTS) >= 10
    assert any(text.isascii() for text in texts)
    assert any(not text.isascii() for text in texts)
