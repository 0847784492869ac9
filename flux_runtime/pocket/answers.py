"""Second course for pocket's Qwen3-VL: better answers, while what it tells the flow transformer stays.

Embeddings are frozen, and the hidden states that condition the drawing are held to those of the first course
by a loss: a flow transformer that was trained on the first course goes on with the second. Object and yes/no
questions, which lag, are asked more often.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration

from flux_runtime.pocket.flow import OUT_LAYERS, encode_text
from flux_runtime.pocket.language_model import (
    COURSES,
    answer_accuracy,
    load_language_model,
    picture_batch,
    question_loss,
    see,
    text_loss,
)
from flux_runtime.pocket.lessons import QuestionPacker, exchange, rewriting_example, text_example
from flux_runtime.pocket.progress import (
    Average,
    TrainingRun,
    on_training_device,
    training_device,
    warmup_cosine,
)
from flux_runtime.pocket.questions import OBJECT_QUESTIONS, SCENE_QUESTIONS, YES_NO_QUESTIONS
from flux_runtime.pocket.splits import held_out_composition_scenes, held_out_scenes
from flux_runtime.pocket.tokenizer import load_tokenizer
from flux_runtime.pocket.vae import fit_basis

# How often each kind of question is drawn; what lags after the first course is drawn most.
WEIGHTS = {
    **dict.fromkeys(SCENE_QUESTIONS, 1.0),
    **dict.fromkeys(OBJECT_QUESTIONS, 3.0),
    **dict.fromkeys(YES_NO_QUESTIONS, 2.5),
    "exists": 5.0,
    "color": 5.0,
    "side": 4.0,
    "is_color": 4.0,
    "count": 1.0,
    "describe": 2.0,
}


def _abouts(rng: random.Random, count: int) -> list[str]:
    """Kinds of questions for one picture, drawn by WEIGHTS."""
    return rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=count)


def conditioning_drift(
    model: Qwen3VLForConditionalGeneration,
    first: Qwen3VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[str],
) -> torch.Tensor:
    """Relative squared distance of the prompt features from the first course's, averaged over the layers."""
    with torch.no_grad():
        wanted = encode_text(first, tokenizer, prompts)
    ours = encode_text(model, tokenizer, prompts)
    shape = (len(OUT_LAYERS), -1)
    error = (ours - wanted).square().unflatten(-1, shape).mean((0, 1, 3))
    return (error / wanted.square().unflatten(-1, shape).mean((0, 1, 3))).mean()


def train_answers(
    folder: Path,
    steps: int,
    images: int = 12,
    texts: int = 24,
    learning_rate: float = 8e-4,
    beginner_steps: int = 300,
) -> None:
    """Questions and plans as in the first course, plus the loss that holds the conditioning still."""
    device = training_device()
    tokenizer, basis = load_tokenizer(folder), fit_basis(folder)
    first, model, copy = (
        on_training_device(load_language_model(folder, tokenizer, COURSES[0])) for _ in range(3)
    )
    model.train().requires_grad_(True)
    model.model.language_model.embed_tokens.requires_grad_(False)
    average = Average(model, copy, 0.998)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in trained if p.ndim == 2 and ("blocks" in name or "layers" in name)]
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in trained if id(p) not in chosen]
    muon = torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    run = TrainingRun(folder / COURSES[1], {"model": model, "average": average, "muon": muon, "adamw": adamw})
    rng = random.Random(f"answers from {run.step}")
    packer = QuestionPacker(tokenizer)
    for step in run.steps(steps):
        for optimizer in (muon, adamw):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * warmup_cosine(step, steps, warmup=100)
            optimizer.zero_grad()
        scenes, pictures = picture_batch(rng, basis, images)
        asked = [[exchange(rng, scene, about) for about in _abouts(rng, 7)] for scene in scenes]
        messages = [text_example(rng, beginner=step < beginner_steps) for _ in range(texts)]
        prompts = [rewriting_example(rng).message for _ in range(12)]
        with torch.autocast(device.type, torch.bfloat16):
            tokens = see(model, pictures.to(device))
            answered = question_loss(model, packer, tokens, asked)
            planned = text_loss(model, tokenizer, messages)
        drift = conditioning_drift(model, first, tokenizer, prompts)
        (answered + planned + 10 * drift).backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in trained], 1.0)
        muon.step()
        adamw.step()
        average.update(model, step)
        if step % 50 == 49:
            scores = {}
            if step % 250 == 249:
                scores = answer_accuracy(average.model, tokenizer, held_out_scenes()[:40]) | {
                    "unseen": answer_accuracy(average.model, tokenizer, held_out_composition_scenes()[:20])
                }
            losses = {"answers": answered, "plans": planned, "drift": drift}
            run.log(**{name: round(loss.item(), 5) for name, loss in losses.items()}, **scores)
