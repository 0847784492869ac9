"""What the third course learned, into the shipped model folder: language model, entry and declared words.

    python -m flux_runtime.pocket.trust.pack runs/pocket

The other parts of the folder, which the course does not touch, stay as they are.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from flux_runtime.pocket.assemble import SHARD, declared_vocabulary
from flux_runtime.pocket.trust.course import WEIGHTS_FOLDER, grow, shipped_language_model
from flux_runtime.pocket.trust.lessons import WHOLE_SCENE, known_message
from flux_runtime.pocket.trust.phrases import TRUST
from flux_runtime.pocket.trust.pictures import MISSING, NOTHING
from flux_runtime.pocket.vocabulary import LANGUAGES

SURE_FROM = 0.6
"""Of a plan's probability; from there on it is done without asking. `measure.sureness` shows why."""


def _answer(sentence: str) -> str:
    """An answer as `PictureCheck` compares it."""
    return sentence.rstrip(".。").casefold()


ENTRY: dict[str, Any] = {
    "upsampler_template": WHOLE_SCENE,
    "upsampler_tokens": 96,
    "check": {
        "questions": {language: MISSING[language] + "{wanted}" for language in LANGUAGES},
        "nothing": [_answer(NOTHING[language]) for language in LANGUAGES],
        "unsure": [_answer(TRUST[language]["cannot_tell"]) for language in LANGUAGES],
    },
    "planner_gaps": False,
    "sure_from": SURE_FROM,
}
"""What the course adds to the model's entry."""


def pack(folder: Path, target: Path = WEIGHTS_FOLDER) -> None:
    """Write the averaged weights of `folder/trust/last.pt`, bf16, and what goes with them, into `target`."""
    model = grow(shipped_language_model()[0])
    saved = torch.load(folder / "trust" / "last.pt", weights_only=True, map_location="cpu")
    model.load_state_dict(saved["average"], strict=False)
    shutil.rmtree(target / "text_encoder", ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(target / "text_encoder", max_shard_size=SHARD)  # pyright: ignore
    entry = json.loads((target / "entry.json").read_text("utf-8"))
    (target / "entry.json").write_text(json.dumps({**entry, **ENTRY}, indent=2, ensure_ascii=False) + "\n")
    words = declared_vocabulary(known_message)
    (target / "vocabulary.json").write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
