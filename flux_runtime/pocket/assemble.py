"""From training checkpoints to the shipped model folder: bf16 safetensors in diffusers layout, and word list.

The trained models, the tokenizer and the judge become `weights/`, which the runtime loads like any FLUX.3.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from flux_runtime.pocket.flow import (
    OUT_LAYERS,
    PAD_MULTIPLE,
    ROPE_SCALE,
    SHIFT,
    load_transformer,
    text_scale,
)
from flux_runtime.pocket.judge import save_judge
from flux_runtime.pocket.language_model import PATCH, load_language_model
from flux_runtime.pocket.lessons import loosen
from flux_runtime.pocket.planning import PLANNER_TEMPLATE, plan_example
from flux_runtime.pocket.tokenizer import load_tokenizer
from flux_runtime.pocket.vae import assemble_vae
from flux_runtime.pocket.vocabulary import LANGUAGES, NAMES
from flux_runtime.pocket.world import SIZE

SHARD = "14MB"
_HAN = re.compile(r"[\u3400-\u9fff]+")

# Words that carry no content of their own: knowing them is no claim about what can be drawn.
_FILLERS = (Path(__file__).parent / "wordings" / "fillers.txt").read_text(encoding="utf-8").split()


def grammar_message(rng: random.Random) -> str | None:
    """A message of the first courses; None for one that is about what the model does not know."""
    example = plan_example(rng, slips=False)
    return None if '"clarify"' in example.target else loosen(rng, example.message)


def declared_vocabulary(
    *further: Callable[[random.Random], str | None], sentences: int = 40000
) -> dict[str, Any]:
    """Declared words: all spellings, the words of the grammar's sentences and of `further` ones, and fillers.

    A Chinese character counts as a word of its own when it has many neighbours on both sides (的, 画); one
    that lives in a single word (西 of 东西) does not, so that 西瓜 is still reported whole.
    """
    rng = random.Random("declared words")
    words = set(_FILLERS)
    before: dict[str, set[str]] = defaultdict(set)
    after: dict[str, set[str]] = defaultdict(set)
    pairs: Counter[str] = Counter()
    for message in (message for _ in range(sentences) for message in (grammar_message, *further)):
        text = (message(rng) or "").lower()
        words.update(re.findall(r"[a-z]+(?:'[a-z]+)?", text))
        for run in _HAN.findall(text):
            for left, right in pairwise(run):
                before[right].add(left)
                after[left].add(right)
                pairs[left + right] += 1
    groups: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for group, names in NAMES.items():
        for name, spelled in names.items():
            groups[group][name] = list(dict.fromkeys(s for language in LANGUAGES for s in spelled[language]))
            for spelling in groups[group][name]:
                words.update(spelling.split() if spelling.isascii() else [spelling])
                if group in ("characters", "objects") and spelling.isascii():
                    words.add(f"{spelling.split()[-1]}s")
    words |= {pair for pair, count in pairs.items() if count >= 3}
    words |= {character for character in before if len(before[character]) >= 6 and len(after[character]) >= 6}
    return {"groups": groups, "words": sorted(words)}


def assemble(folder: Path, target: Path) -> None:
    """Write the model folder `target` from the checkpoints in `folder`."""
    target.mkdir(parents=True, exist_ok=True)
    for part in ("transformer", "vae", "text_encoder", "processor", "scheduler", "judge"):
        shutil.rmtree(target / part, ignore_errors=True)
    tokenizer = load_tokenizer(folder)
    language_model = load_language_model(folder, tokenizer)
    models = {
        "transformer": load_transformer(folder, text_scale(language_model, tokenizer)),
        "text_encoder": language_model,
        "vae": assemble_vae(folder),
    }
    for part, model in models.items():
        model.to(torch.bfloat16).save_pretrained(target / part, max_shard_size=SHARD)  # pyright: ignore
    tokenizer.save_pretrained(target / "processor")
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        temporal_patch_size=1,
        merge_size=1,
        size={"shortest_edge": SIZE * SIZE, "longest_edge": SIZE * SIZE},  # areas, despite their names
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    image_processor.save_pretrained(target / "processor")
    FlowMatchEulerDiscreteScheduler(shift=SHIFT).save_pretrained(target / "scheduler")
    (target / "judge").mkdir()
    save_judge(folder, target / "judge" / "model.safetensors")
    entry = {
        "name": "pocket",
        "family": "flux3",
        "license": "Apache-2.0",
        "languages": list(LANGUAGES),
        "tasks": ["generate", "edit", "answer", "plan"],
        "default_size": [SIZE, SIZE],
        "sizes": [[SIZE, SIZE]],
        "default_steps": 8,
        "default_guidance": 1.5,
        "max_references": 1,
        "text_encoder_out_layers": list(OUT_LAYERS),
        "text_pad_multiple": PAD_MULTIPLE,
        "image_rope_scale": ROPE_SCALE,
        "planner_template": PLANNER_TEMPLATE,
        "planner_images": 4,  # as most lessons had: of eighty, it takes hardly any message for what it is
        "planner_history": 0,
        "plan_tokens": 160,
        "vocabulary": "vocabulary.json",
    }
    (target / "entry.json").write_text(json.dumps(entry, indent=2) + "\n")
    (target / "vocabulary.json").write_text(
        json.dumps(declared_vocabulary(), ensure_ascii=False, indent=0) + "\n"
    )
