"""The third course: pocket's Qwen3-VL, grown by two layers, learns the lessons of this folder.

The new layers begin as the identity, so that nothing is lost. Eyes and embeddings are frozen; the hidden
states that condition the drawing are held to the first edition's by a loss, so that the flow transformer that
was trained on them goes on. The course is boxed in minutes, not steps. What it came to is in
docs/pocket-log.md.

    python -m flux_runtime.pocket.trust.course runs/pocket 90
"""

from __future__ import annotations

import copy
import json
import math
import random
import sys
import time
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.pocket.answers import WEIGHTS, conditioning_drift
from flux_runtime.pocket.language_model import picture_batch, question_loss, see, text_loss
from flux_runtime.pocket.lessons import QuestionPacker, exchange, rewriting_example, text_example
from flux_runtime.pocket.progress import on_training_device, training_device
from flux_runtime.pocket.trust.lessons import conditioning_text, told_example, trust_example
from flux_runtime.pocket.trust.pictures import (
    absence_exchange,
    foreign_exchange,
    foreign_pictures,
    missing_exchange,
)
from flux_runtime.pocket.vae import fit_basis
from flux_runtime.pocket.world import Scene

WEIGHTS_FOLDER = Path(__file__).parent.parent / "weights"
LAYERS = 8
"""Of the language model after this course; the first edition has six."""
_CONDITIONING = 4  # layers whose output the flow transformer is given
_SLOW = 0.4  # of the learning rate, for those layers
_DRIFT = 10.0  # weight of the loss that holds them


def shipped_language_model() -> tuple[Qwen3VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """The weights in the repository, float32, on the CPU."""
    model = Qwen3VLForConditionalGeneration.from_pretrained(
        WEIGHTS_FOLDER / "text_encoder", dtype=torch.float32
    )
    return model, PreTrainedTokenizerFast.from_pretrained(WEIGHTS_FOLDER / "processor")


@torch.no_grad()
def grow(model: Qwen3VLForConditionalGeneration, layers: int = LAYERS) -> Qwen3VLForConditionalGeneration:
    """The model with copies of its last layer on top, which add nothing to the residual yet."""
    text = model.model.language_model
    while len(text.layers) < layers:
        layer = copy.deepcopy(text.layers[-1])
        layer.self_attn.layer_idx = len(text.layers)
        layer.self_attn.o_proj.weight.zero_()  # pyright: ignore
        layer.mlp.down_proj.weight.zero_()  # pyright: ignore
        text.layers.append(layer)
    model.config.get_text_config().num_hidden_layers = layers
    return model


def train(
    folder: Path, minutes: float, *, texts: int = 56, images: int = 5, learning_rate: float = 1.5e-3
) -> None:
    """Train for so many minutes in all; `folder/trust/last.pt` holds weights, average and time spent."""
    run = folder / "trust"
    run.mkdir(parents=True, exist_ok=True)
    device = training_device()
    first, tokenizer = shipped_language_model()
    first = on_training_device(first.requires_grad_(False))
    model = on_training_device(grow(copy.deepcopy(first)))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_is_trained(name))
    average = {name: p.detach().clone() for name, p in model.named_parameters() if _is_trained(name)}
    basis, packer = fit_basis(folder), QuestionPacker(tokenizer)
    trained = [p for p in model.parameters() if p.requires_grad]
    muon = torch.optim.Muon(
        [
            {"params": [p for name, p in model.named_parameters() if _is_matrix(name, p, slow)], "of": of}
            for slow, of in ((True, _SLOW), (False, 1.0))
        ],
        lr=learning_rate,
        weight_decay=0.01,
        ns_steps=4,
        adjust_lr_fn="match_rms_adamw",
    )
    adamw = torch.optim.AdamW(
        [{"params": [p for p in trained if p.ndim < 2], "of": 1.0}], lr=learning_rate, weight_decay=0.0
    )
    spent, step = 0.0, 0
    if (run / "last.pt").exists():
        saved = torch.load(run / "last.pt", weights_only=True, map_location=device)
        model.load_state_dict(saved["model"], strict=False)
        average = saved["average"]
        muon.load_state_dict(saved["muon"])
        adamw.load_state_dict(saved["adamw"])
        spent, step = saved["spent"], saved["step"]
    rng = random.Random(f"trust from {step}")
    began, kept = time.monotonic() - spent, time.monotonic()
    while (spent := time.monotonic() - began) < minutes * 60:
        part = spent / (minutes * 60)
        rate = learning_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * part)))
        for optimizer in (muon, adamw):
            for group in optimizer.param_groups:
                group["lr"] = rate * group["of"]
            optimizer.zero_grad()
        old = [text_example(rng) for _ in range(texts // 4)]
        told = [told_example(rng) for _ in range(texts * 5 // 16)]
        new = [trust_example(rng) for _ in range(texts - len(old) - len(told))]
        scenes, pictures = picture_batch(rng, basis, images)
        asked = [_exchanges(rng, scene) for scene in scenes]
        pictures = torch.cat([pictures, foreign_pictures(rng, 1)])
        asked.append([foreign_exchange(rng) for _ in range(4)])
        prompts = [conditioning_text(rng) for _ in range(5)] + [
            rewriting_example(rng).message for _ in range(3)
        ]
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            tokens = see(model, pictures.to(device))
        with torch.autocast(device.type, torch.bfloat16):
            losses = {
                "answers": question_loss(model, packer, tokens, asked),
                "old": text_loss(model, tokenizer, old),
                "told": text_loss(model, tokenizer, told),
                "new": text_loss(model, tokenizer, new),
            }
        losses["drift"] = conditioning_drift(model, first, tokenizer, prompts)
        weights = {"old": 0.6, "drift": _DRIFT}
        sum(weights.get(name, 1.0) * loss for name, loss in losses.items()).backward()  # pyright: ignore
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        muon.step()
        adamw.step()
        step += 1
        decay = min(0.997, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in average:
                    average[name].lerp_(parameter, 1 - decay)
        if step % 25 == 0:
            shown = {name: round(loss.item(), 5) for name, loss in losses.items()}
            line = json.dumps({"step": step, "minutes": round(spent / 60, 2), **shown})
            with (run / "log.jsonl").open("a") as log:
                log.write(line + "\n")
            print(line, flush=True)
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
    return "language_model.layers." in name or "language_model.norm." in name


def _is_matrix(name: str, parameter: torch.nn.Parameter, slow: bool) -> bool:
    """Whether it is a trained matrix, of the layers that condition the drawing or of the others."""
    if not _is_trained(name) or parameter.ndim != 2:
        return False
    return (int(name.split("layers.")[1].split(".")[0]) < _CONDITIONING) == slow


def _save(
    run: Path, model: torch.nn.Module, average: dict, muon: object, adamw: object, spent: float, step: int
) -> None:
    trained = {name: p.detach() for name, p in model.named_parameters() if _is_trained(name)}
    state = {"model": trained, "average": average, "muon": muon.state_dict(), "adamw": adamw.state_dict()}  # pyright: ignore
    torch.save({**state, "spent": spent, "step": step}, run / "last.partial")
    (run / "last.partial").replace(run / "last.pt")


if __name__ == "__main__":
    train(Path(sys.argv[1]), float(sys.argv[2]))
