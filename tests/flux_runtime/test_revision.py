"""The revision names what makes a model's bytes, and naming it does not read the weights again and again."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from flux_runtime.catalogue import read_entry
from flux_runtime.families.protocol import Family
from flux_runtime.families.registry import family
from flux_runtime.interface import GenerateRequest
from flux_runtime.revision import CacheSettings
from flux_runtime.runtime import LocalRuntime

_opened: Counter[str] = Counter()
_listening = [False]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _listening[0] and event == "open" and str(arguments[0]).endswith(".safetensors"):
        _opened[Path(arguments[0]).parent.name] += 1


@pytest.fixture
def opened() -> Iterator[Counter[str]]:
    """How many times Python code opened the weights of each part. The loaders' own reading is native code."""
    if not _opened.total():
        sys.addaudithook(_hear)
    _opened.clear()
    _listening[0] = True
    yield _opened
    _listening[0] = False


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLUX_ASSISTANT_CACHE_DIR", str(tmp_path / "cache"))
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def _loaded(folder: Path) -> Family:
    entry = read_entry(folder)
    return family(entry.family).load(folder, entry, torch.device("cpu"), torch.float32)


def _drawn_revision(folder: Path) -> str:
    runtime = LocalRuntime(folder, device="cpu")
    try:
        return runtime.generate(GenerateRequest(prompt="", seed=1, num_inference_steps=1)).receipt.revision
    finally:
        runtime.close()


def test_loading_reads_no_weights_besides_the_loaders_and_a_second_start_hashes_none(
    copy: Path, opened: Counter[str]
) -> None:
    model = _loaded(copy)
    assert opened.total() == 0
    assert len(model.revision) == 12
    once = {"transformer": 1, "vae": 1, "text_encoder": 1}
    assert opened == once
    assert _drawn_revision(copy) == model.revision
    assert opened == once


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: _flip_last_byte(folder / "vae" / "diffusion_pytorch_model.safetensors"),
        lambda folder: _flip_last_byte(folder / "text_encoder" / "model.safetensors"),
        lambda folder: _edit(folder / "scheduler" / "scheduler_config.json", shift=2.0),
        lambda folder: _edit(folder / "processor" / "preprocessor_config.json", image_mean=[0.4] * 3),
        lambda folder: _edit(folder / "entry.json", image_rope_scale=1.0),
    ],
)
def test_the_revision_changes_with_what_makes_bytes(copy: Path, change: Callable[[Path], None]) -> None:
    before = _loaded(copy).revision
    assert _loaded(copy).revision == before
    change(copy)
    assert _loaded(copy).revision != before


@pytest.mark.parametrize("file", ["evaluation.json", "recipe.json", "README.md", "judge/model.safetensors"])
def test_the_revision_does_not_change_with_what_is_only_told_of_a_model(copy: Path, file: str) -> None:
    before = _loaded(copy).revision
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_text("{}")
    _edit(copy / "entry.json", license="MIT", plan_tokens=7)
    assert _loaded(copy).revision == before


def test_the_same_model_elsewhere_has_the_same_revision(copy: Path, tmp_path: Path) -> None:
    assert _loaded(copy).revision == _loaded(Path(shutil.copytree(copy, tmp_path / "moved"))).revision


def test_a_cache_that_cannot_be_written_or_is_damaged_changes_nothing(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = _loaded(copy).revision
    for digest in (tmp_path / "cache").rglob("*"):
        if digest.is_file():
            digest.write_bytes(b"damaged")
    assert _loaded(copy).revision == revision
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FLUX_ASSISTANT_CACHE_DIR", str(tmp_path / "file"))
    assert _loaded(copy).revision == revision


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_cache_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.delenv("FLUX_ASSISTANT_CACHE_DIR")
    usual = CacheSettings().cache_dir
    monkeypatch.setenv("FLUX_ASSISTANT_CACHE_DIR", blank)
    assert CacheSettings().cache_dir == usual
    monkeypatch.setenv("FLUX_ASSISTANT_CACHE_DIR", "~/mine")
    assert CacheSettings().cache_dir == Path.home() / "mine"


def test_nothing_is_written_into_the_model_folder(copy: Path) -> None:
    before = sorted(copy.rglob("*"))
    assert _loaded(copy).revision
    assert sorted(copy.rglob("*")) == before


def _flip_last_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
