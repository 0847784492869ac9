"""The third course: two layers of pocket's Qwen3-VL learn the lessons of this folder, all else stands still.

Hidden states up to the fourth layer condition the drawing, so that a flow transformer trained before it goes
on as it is, bit for bit; eyes and embeddings are frozen too. The course is boxed in minutes, not steps.
What it came to so far is in docs/pocket-log.md.

    python -m flux_runtime.pocket.trust.course runs/pocket 70
"""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.pocket.answers import WEIGHTS
from flux_runtime.pocket.language_model import picture_batch, question_loss, see, text_loss
from flux_runtime.pocket.lessons import QuestionPacker, exchange, text_example
from flux_runtime.pocket.trust.lessons import trust_example
from flux_runtime.pocket.trust.pictures import (
    absence_exchange,
    foreign_exchange,
    foreign_pictures,
    missing_exchange,
)
from flux_runtime.pocket.vae import fit_basis
from flux_runtime.pocket.world import Scene

WEIGHTS_FOLDER = Path(__file__).parent.parent / "weights"
TRAINED = ("language_model.layers.4.", "language_model.layers.5.", "language_model.norm.")


def shipped_language_model() -> tuple[Qwen3VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """The weights in the repository, float32, on the CPU."""
    model = Qwen3VLForConditionalGeneration.from_pretrained(
        WEIGHTS_FOLDER / "text_encoder", dtype=torch.float32
    )
    return model, PreTrainedTokenizerFast.from_pretrained(WEIGHTS_FOLDER / "processor")


def train(
    folder: Path, minutes: float, *, texts: int = 56, images: int = 5, learning_rate: float = 1.5e-3
) -> None:
    """Train for so many minutes in all; `folder/trust/last.pt` holds weights, average and time spent."""
    run = folder / "trust"
    run.mkdir(parents=True, exist_ok=True)
    model, tokenizer = shipped_language_model()
    average = {name: p.detach().clone() for name, p in model.named_parameters() if _is_trained(name)}
    basis, packer = fit_basis(folder), QuestionPacker(tokenizer)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_is_trained(name))
    trained = [p for p in model.parameters() if p.requires_grad]
    muon = torch.optim.Muon(
        [p for p in trained if p.ndim == 2],
        lr=learning_rate,
        weight_decay=0.01,
        adjust_lr_fn="match_rms_adamw",
    )
    adamw = torch.optim.AdamW([p for p in trained if p.ndim < 2], lr=learning_rate, weight_decay=0.0)
    spent, step = 0.0, 0
    if (run / "last.pt").exists():
        saved = torch.load(run / "last.pt", weights_only=True)
        model.load_state_dict(saved["model"], strict=False)
        average = saved["average"]
        muon.load_state_dict(saved["muon"])
        adamw.load_state_dict(saved["adamw"])
        spent, step = saved["spent"], saved["step"]
    rng = random.Random(f"trust from {step}")
    began, kept = time.monotonic() - spent, time.monotonic()
    while (spent := time.monotonic() - began) < minutes * 60:
        part = spent / (minutes * 60)
        rate = (
            learning_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))
        )
        for optimizer in (muon, adamw):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
        old = [text_example(rng) for _ in range(texts // 3)]
        new = [trust_example(rng) for _ in range(texts - len(old))]
        scenes, pictures = picture_batch(rng, basis, images)
        asked = [_exchanges(rng, scene) for scene in scenes]
        pictures = torch.cat([pictures, foreign_pictures(rng, 1)])
        asked.append([foreign_exchange(rng) for _ in range(4)])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            tokens = see(model, pictures)
        with torch.autocast("cpu", torch.bfloat16):
            losses = {
                "answers": question_loss(model, packer, tokens, asked),
                "old": text_loss(model, tokenizer, old),
                "new": text_loss(model, tokenizer, new),
            }
        (losses["answers"] + 0.5 * losses["old"] + 1.5 * losses["new"]).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        muon.step()
        adamw.step()
        step += 1
        decay = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in average:
                    average[name].lerp_(parameter, 1 - decay)
        if step % 25 == 0:
            print(
                step, f"{spent / 60:.1f} min", {k: round(v.item(), 4) for k, v in losses.items()}, flush=True
            )
        if time.monotonic() - kept > 120:
            _save(run, model, average, muon, adamw, spent, step)
            kept = time.monotonic()
    _save(run, model, average, muon, adamw, spent, step)


def _exchanges(rng: random.Random, scene: Scene) -> list[tuple[str, str]]:
    abouts = rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=4)
    asked = [exchange(rng, scene, about) for about in abouts]
    asked += [missing_exchange(rng, scene) for _ in range(2)]
    return [*asked, *(absence_exchange(rng, scene) for _ in range(2))]


def _is_trained(name: str) -> bool:
    return any(part in name for part in TRAINED)


def _save(
    run: Path, model: torch.nn.Module, average: dict, muon: object, adamw: object, spent: float, step: int
) -> None:
    trained = {name: p.detach() for name, p in model.named_parameters() if _is_trained(name)}
    state = {"model": trained, "average": average, "muon": muon.state_dict(), "adamw": adamw.state_dict()}  # pyright: ignore
    torch.save({**state, "spent": spent, "step": step}, run / "last.partial")
    (run / "last.partial").replace(run / "last.pt")


if __name__ == "__main__":
    train(Path(sys.argv[1]), float(sys.argv[2]))
