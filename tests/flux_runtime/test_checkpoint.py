"""A model folder is loaded strictly: whole, matching and without pickles, or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from flux_runtime.catalogue import find_model, model_names, read_entry, read_vocabulary
from flux_runtime.checkpoint import load_part, load_shift
from flux_runtime.errors import BadCheckpoint, UnknownModel
from flux_runtime.families.flux3.entry import Flux3Entry
from flux_runtime.families.flux3.model import Flux3Model
from flux_runtime.families.flux3.parts import CLASSES

CPU = torch.device("cpu")


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    """A model folder of one's own to break."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def _load(folder: Path) -> Flux3Model:
    return Flux3Model(folder, Flux3Entry.model_validate(read_entry(folder)), device=CPU, dtype=torch.float32)


def _edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "missing",
    [
        "transformer/config.json",
        "vae/config.json",
        "text_encoder/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "processor/tokenizer.json",
        "processor/preprocessor_config.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_missing_part_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(BadCheckpoint) as caught:
        _load(copy)
    named = missing.split("/")[0]
    assert named in str(caught.value)
    assert "no " in str(caught.value)
    assert caught.value.stage == "load"


@pytest.mark.parametrize(
    "damaged",
    [
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder/config.json",
        "processor/tokenizer.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_damaged_file_is_a_bad_checkpoint(copy: Path, damaged: str) -> None:
    data = (copy / damaged).read_bytes()
    (copy / damaged).write_bytes(data[: len(data) // 2])
    with pytest.raises(BadCheckpoint) as caught:
        _load(copy)
    assert caught.value.stage == "load"


def test_a_device_that_is_not_there_is_said(tiny_model: Path) -> None:
    with pytest.raises(BadCheckpoint, match="cuda"):
        load_part(CLASSES["vae"], tiny_model, "vae", device=torch.device("cuda:99"), dtype=torch.float32)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_a_pickle_is_refused_even_beside_good_weights(copy: Path, part: str) -> None:
    (copy / part / "weights.bin").write_bytes(b"never read")
    with pytest.raises(BadCheckpoint, match=r"weights\.bin.*run code"):
        _load(copy)


def _change_weights(file: Path, *, drop: str = "", add: str = "", reshape: str = "") -> None:
    weights = load_file(file)
    if drop:
        del weights[drop]
    if add:
        weights[add] = torch.zeros(3)
    if reshape:
        weights[reshape] = torch.zeros(3, 3)
    save_file(weights, file, metadata={"format": "pt"})


FILES = {
    "transformer": ("transformer/diffusion_pytorch_model.safetensors", "proj_out.weight"),
    "vae": ("vae/diffusion_pytorch_model.safetensors", "decoder.conv_in.weight"),
    "text_encoder": ("text_encoder/model.safetensors", "model.language_model.layers.0.mlp.up_proj.weight"),
}


@pytest.mark.parametrize("part", FILES)
def test_a_missing_weight_is_an_error(copy: Path, part: str) -> None:
    file, name = FILES[part]
    _change_weights(copy / file, drop=name)
    with pytest.raises(BadCheckpoint, match=r"missing|cannot be loaded"):
        load_part(CLASSES[part], copy, part, device=CPU, dtype=torch.float32)


@pytest.mark.parametrize("part", FILES)
def test_a_weight_too_many_is_an_error(copy: Path, part: str) -> None:
    _change_weights(copy / FILES[part][0], add="surprise.weight")
    with pytest.raises(BadCheckpoint, match=r"surprise\.weight"):
        load_part(CLASSES[part], copy, part, device=CPU, dtype=torch.float32)


@pytest.mark.parametrize("part", FILES)
def test_a_weight_of_another_shape_is_an_error(copy: Path, part: str) -> None:
    file, name = FILES[part]
    _change_weights(copy / file, reshape=name)
    with pytest.raises(BadCheckpoint):
        load_part(CLASSES[part], copy, part, device=CPU, dtype=torch.float32)


def test_weights_stored_in_bfloat16_run_in_float32(copy: Path) -> None:
    file = copy / FILES["transformer"][0]
    save_file({name: w.bfloat16() for name, w in load_file(file).items()}, file, metadata={"format": "pt"})
    loaded = load_part(CLASSES["transformer"], copy, "transformer", device=CPU, dtype=torch.float32)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_parts_that_do_not_fit_together_are_refused(copy: Path) -> None:
    _edit_json(copy / "entry.json", text_encoder_out_layers=[0, 2])
    with pytest.raises(BadCheckpoint, match="prompt embeds of width 96"):
        _load(copy)


def test_a_scheduler_of_another_kind_is_refused(copy: Path) -> None:
    assert load_shift(copy) == 1.5
    _edit_json(copy / "scheduler" / "scheduler_config.json", use_dynamic_shifting=True)
    with pytest.raises(BadCheckpoint, match="use_dynamic_shifting"):
        load_shift(copy)


def test_the_entry_is_read_strictly_and_says_what_is_wrong(copy: Path) -> None:
    _edit_json(copy / "entry.json", default_steps="many")
    with pytest.raises(BadCheckpoint, match="default_steps"):
        read_entry(copy)
    _edit_json(copy / "entry.json", default_steps=8, surprise=1)
    with pytest.raises(BadCheckpoint, match="surprise"):
        read_entry(copy)


def test_a_declared_word_list_is_read(copy: Path) -> None:
    assert read_vocabulary(copy, read_entry(copy)) == "open"
    _edit_json(copy / "entry.json", vocabulary="vocabulary.json")
    with pytest.raises(BadCheckpoint, match=r"vocabulary\.json"):
        read_vocabulary(copy, read_entry(copy))
    (copy / "vocabulary.json").write_text(json.dumps({"groups": {}, "words": ["robot"]}))
    vocabulary = read_vocabulary(copy, read_entry(copy))
    assert vocabulary != "open"
    assert vocabulary.unknown("robot cat") == ("cat",)


def test_models_are_listed_without_loading_torch_or_any_family_whole(copy: Path) -> None:
    (copy / "entry.json").unlink()
    script = f"""
import pathlib, sys
from flux_runtime.catalogue import capabilities_of, find_model, read_entry
for folder in (find_model("pocket"), pathlib.Path({str(copy)!r})):
    capabilities_of(folder, read_entry(folder))
print({{"torch", "diffusers", "transformers"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_model_is_found_by_name_path_or_environment(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "pocket" in model_names()
    assert find_model(copy) == copy
    monkeypatch.setenv("FLUX_ASSISTANT_MODEL", str(copy))
    assert find_model() == copy
    with pytest.raises(UnknownModel, match="pocket"):
        find_model(tmp_path / "nothing")
