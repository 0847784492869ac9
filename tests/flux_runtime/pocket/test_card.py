"""The model card and the page say what was measured, and nothing in them is typed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from flux_runtime.pocket import card

WEIGHTS = Path(card.__file__).parent / "weights"
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """What the card is written from, to be changed."""
    for name in ("evaluation.json", "recipe.json"):
        shutil.copy(WEIGHTS / name, tmp_path)
    return tmp_path


def test_the_shipped_card_and_page_are_what_the_command_writes(weights: Path) -> None:
    card.write_card(weights, weights)
    assert (weights / "README.md").read_text("utf-8") == (WEIGHTS / "README.md").read_text("utf-8")
    assert (weights / "pocket.md").read_text("utf-8") == (DOCS / "pocket.md").read_text("utf-8")


def test_figures_come_from_the_files_that_commands_wrote(weights: Path) -> None:
    report = json.loads((weights / "evaluation.json").read_text())
    report["plans"]["en"], report["n"]["plans en"], report["edits"]["types"]["add"] = 0.123, 77, 0.1
    (weights / "evaluation.json").write_text(json.dumps(report))
    card.write_card(weights, weights)
    for name in ("README.md", "pocket.md"):
        text = (weights / name).read_text("utf-8")
        assert "| plans · en | 0.95 | 0.123 | **no** |" in text
        assert "77 messages in English" in text
        assert re.search(r"below their goal: .*\badd\b", text.replace("\n", " "))


def test_no_number_is_typed_in_what_the_card_says() -> None:
    names = re.compile(r"FLUX\.3|Flux3\w+|Flux2|Qwen3VL\w+|KLFlux2|Apache-2\.0|apache-2\.0|\{[^}]*\}")
    source = Path(card.__file__).read_text("utf-8")
    said = re.findall(r'^_[A-Z]+ = f?"""\\\n(.*?)"""', source, re.DOTALL | re.MULTILINE)
    assert len(said) == 7
    for text in said:
        assert not re.search(
            r"\d|\b(two|three|four|five|six|ten|forty) (?!CPU|parts|objects)", names.sub("", text)
        )


def test_a_part_that_is_measured_again_replaces_only_itself(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((weights / "evaluation.json").read_text())
    measured = {"plans": {"en": 0.5, "zh": 0.25}, "n": {"plans en": 4, "plans zh": 4}, "seconds": 3.0}
    monkeypatch.setattr(card, "evaluate", lambda folder, parts: measured)
    card.measure_again(weights, ["plans"])
    after = json.loads((weights / "evaluation.json").read_text())
    assert after["plans"] == {"en": 0.5, "zh": 0.25}
    assert after["n"] == {**before["n"], "plans en": 4, "plans zh": 4}
    assert after["again"] == {**before.get("again", {}), "plans": 3.0}
    assert after["edits"] == before["edits"]
