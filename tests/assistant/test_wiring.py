from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assistant.settings import Settings
from assistant.turn import Turn
from assistant.wiring import UnusableHistory, build_conversation, open_store

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


def test_settings_come_from_the_environment_and_values_in_code_win(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLUX_ASSISTANT_DATA_DIR", str(tmp_path / "env"))
    monkeypatch.setenv("FLUX_ASSISTANT_MODEL", "some/folder")
    assert Settings().data_dir == tmp_path / "env"
    assert Settings(data_dir=tmp_path).data_dir == tmp_path
    assert Settings(data_dir=tmp_path).model == "some/folder"


def test_without_settings_it_is_pocket_on_loopback_in_the_platforms_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DATA_DIR", "MODEL", "HOST", "PORT"):
        monkeypatch.delenv(f"FLUX_ASSISTANT_{name}", raising=False)
    settings = Settings()
    assert (settings.model, settings.host, settings.port) == ("pocket", "127.0.0.1", 8000)
    assert settings.data_dir.name == "flux-assistant"


def test_a_conversation_is_built_in_an_empty_folder_and_its_history_can_be_read_alone(
    tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "folder")
    conversation = build_conversation(settings, runtime=scripted)
    scripted.will_draw("a cat")
    asyncio.run(conversation.take_turn(Turn(text="draw a cat")))
    conversation.close()
    store = open_store(settings)
    assert store.history("local", "default").head == 1
    store.close()


def test_a_history_that_was_lost_is_told_as_an_error_with_what_to_do(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    open_store(settings).close()
    (tmp_path / "store.db").write_bytes(b"")
    with pytest.raises(UnusableHistory, match=r"store\.db is empty.*Put store\.db back from a backup"):
        open_store(settings)
