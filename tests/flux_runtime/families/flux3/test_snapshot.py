"""A folder as FLUX.3's makers publish it is served as it is: its entry is made from what it holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from flux_runtime.catalogue import find_model, read_entry
from flux_runtime.errors import BadCheckpoint, UnknownModel
from flux_runtime.families.flux3.entry import Flux3Entry
from flux_runtime.families.flux3.snapshot import _out_layers
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest, Region
from flux_runtime.runtime import LocalRuntime

CARD = "---\nlicense: other\nlanguage:\n- en\n- zh\n---\n# FLUX.3\n"


@pytest.fixture
def snapshot(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model as it would lie in a Hugging Face cache."""
    folder = tmp_path / "models--makers--flux-tiny" / "snapshots" / "0123abc"
    shutil.copytree(tiny_model, folder)
    (folder / "entry.json").unlink()
    (folder / "processor").rename(folder / "tokenizer")
    (folder / "README.md").write_text(CARD)
    (folder / "modular_model_index.json").write_text(json.dumps({"_class_name": "Flux3ModularPipeline"}))
    return folder


def test_a_published_folder_generates_edits_and_answers_and_nothing_is_written_into_it(
    snapshot: Path, noise_image: Callable[..., Image.Image]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in snapshot.rglob("*")}
    runtime = LocalRuntime(snapshot, device="cpu")
    try:
        drawn = runtime.generate(
            GenerateRequest(prompt="a robot", seed=1, num_inference_steps=2, width=64, height=64)
        )
        assert (drawn.image.size, drawn.receipt.model) == ((64, 64), "makers/flux-tiny")
        edited = runtime.edit(
            EditRequest(
                instruction="make it rainy",
                images=(drawn.image, noise_image(1)),
                region=Region(box=(0, 0, 32, 32)),
                seed=2,
                num_inference_steps=2,
            )
        )
        assert edited.outside_change == 0
        assert edited.image.tobytes() != drawn.image.tobytes()
        answer = runtime.answer(AnswerRequest(question="who?", images=(drawn.image,), max_new_tokens=3))
        assert 1 <= answer.tokens <= 3
    finally:
        runtime.close()
    assert {path: path.stat().st_mtime_ns for path in snapshot.rglob("*")} == before


def test_the_entry_comes_from_configs_model_card_and_the_familys_constants(snapshot: Path) -> None:
    assert find_model(snapshot) == snapshot
    entry = read_entry(snapshot)
    assert isinstance(entry, Flux3Entry)
    assert (entry.name, entry.license, entry.languages) == ("makers/flux-tiny", "other", ("en", "zh"))
    assert entry.tasks == ("generate", "edit", "answer", "plan")
    assert (entry.guidance, entry.default_guidance, entry.default_steps) == ("cfg", 3.5, 50)
    assert (entry.max_references, entry.text_pad_multiple, entry.image_rope_scale) == (10, 80, 0.5)


def test_a_distilled_model_is_known_by_its_transformer(snapshot: Path) -> None:
    config = snapshot / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"flow_map": True}))
    entry = read_entry(snapshot)
    assert (entry.guidance, entry.default_guidance, entry.default_steps) == ("none", 1.0, 16)


def test_the_layers_of_the_published_model_are_those_that_diffusers_takes() -> None:
    assert _out_layers(20480, 2560, 36) == (4, 8, 12, 16, 20, 24, 28, 32)


@pytest.mark.parametrize(
    ("language", "languages"), [("en", ("en",)), ("[en, no]", ("en", "False")), ("", ())]
)
def test_languages_of_a_model_card_are_one_or_several(
    snapshot: Path, language: str, languages: tuple[str, ...]
) -> None:
    """YAML takes Norwegian's code for a no; such a card is odd, but no reason to refuse the model."""
    (snapshot / "README.md").write_text(f"---\nlanguage: {language}\n---\n")
    assert read_entry(snapshot).languages == languages


@pytest.mark.parametrize("card", ["", "no dashes", "---\nlicense: [\n---\n", "---\njust words\n---\n"])
def test_a_model_card_that_says_nothing_is_no_obstacle(snapshot: Path, card: str) -> None:
    (snapshot / "README.md").write_text(card)
    entry = read_entry(snapshot)
    assert (entry.license, entry.languages) == ("not stated", ())


def test_a_folder_of_another_family_is_refused_by_name(snapshot: Path, tmp_path: Path) -> None:
    config = snapshot / "transformer" / "config.json"
    config.write_text(json.dumps({"_class_name": "SomethingElse"}))
    with pytest.raises(BadCheckpoint, match="no family") as caught:
        LocalRuntime(snapshot, device="cpu")
    assert "flux3" in caught.value.remedy
    with pytest.raises(UnknownModel, match=r"entry\.json"):
        find_model(tmp_path)
