"""What we measure ourselves against does the same work as we do, also where a request leaves things open."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from flux_runtime.catalogue import read_entry
from flux_runtime.families.registry import family
from flux_runtime.interface import AnswerRequest
from flux_runtime.runtime import LocalRuntime


def test_an_answer_has_the_models_own_limit_on_both_sides(runtime: LocalRuntime, tiny_model: Path) -> None:
    entry = read_entry(tiny_model)
    reference = family(entry.family).reference_pipeline(tiny_model, entry, torch.device("cpu"), torch.float32)
    ask = AnswerRequest(question="what is it?", images=(Image.new("RGB", (64, 64), "teal"),))
    ours = runtime.answer(ask)
    assert ours.tokens > 20, "transformers' own limit would not show"
    assert runtime.instance.model.plain(reference.answer(ask)).strip() == ours.text
