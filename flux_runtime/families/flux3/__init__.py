"""FLUX.3 over diffusers' and transformers' own classes. Importing this loads neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flux_runtime.families.flux3.entry import Flux3Entry
from flux_runtime.families.protocol import Family, FamilyDefinition, PromptTokenizer, ReferencePipeline

if TYPE_CHECKING:
    import torch


def _snapshot_entry(folder: Path) -> Flux3Entry | None:
    from flux_runtime.families.flux3.snapshot import snapshot_entry

    return snapshot_entry(folder)


def _load(folder: Path, entry: Flux3Entry, device: torch.device, dtype: torch.dtype) -> Family:
    from flux_runtime.families.flux3.model import Flux3Model

    return Flux3Model(folder, entry, device=device, dtype=dtype)


def _tokenizer(folder: Path, entry: Flux3Entry) -> PromptTokenizer:
    from flux_runtime.families.flux3.processor import VisionLanguageProcessor
    from flux_runtime.families.flux3.prompt_encoding import PromptTokenizer

    processor = VisionLanguageProcessor.from_pretrained(folder)
    return PromptTokenizer(processor, entry.text_pad_multiple, entry.max_prompt_tokens)


def _reference_pipeline(
    folder: Path, entry: Flux3Entry, device: torch.device, dtype: torch.dtype
) -> ReferencePipeline:
    from flux_runtime.families.flux3.reference_pipeline import ReferencePipeline

    return ReferencePipeline(folder, entry, device=device, dtype=dtype)


FAMILY = FamilyDefinition(
    name="flux3",
    entry=Flux3Entry,
    snapshot_entry=_snapshot_entry,
    load=_load,
    tokenizer=_tokenizer,
    reference_pipeline=_reference_pipeline,
)
