"""Settings as people write them in a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.settings import Settings
from flux_runtime.catalogue import find_model


@pytest.mark.parametrize("blank", ["", " ", "\t"])
@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_blank_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str, blank: str) -> None:
    unset = getattr(Settings(), name)
    monkeypatch.setenv(f"FLUX_ASSISTANT_{name}".upper(), blank)
    assert getattr(Settings(), name) == unset


@pytest.mark.parametrize("name", ["data_dir", "model"])
def test_the_home_folder_may_be_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"FLUX_ASSISTANT_{name}".upper(), "~/somewhere")
    assert Path(getattr(Settings(), name)) == Path.home() / "somewhere"


def test_space_around_a_setting_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_ASSISTANT_MODEL", " pocket ")
    monkeypatch.setenv("FLUX_ASSISTANT_PORT", " 8001 ")
    assert (Settings().model, Settings().port) == ("pocket", 8001)


def test_the_library_reads_the_model_setting_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLUX_ASSISTANT_MODEL", "  ")
    assert find_model() == find_model("pocket")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "entry.json").write_text("{}")
    monkeypatch.setenv("FLUX_ASSISTANT_MODEL", "~/mine")
    assert find_model() == (tmp_path / "mine").resolve()
