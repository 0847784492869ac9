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
    load_language_model,
    picture_batch,
    question_loss,
    quick_look,
    see,
    text_loss,
)
from flux_runtime.pocket.lessons import QuestionPacker, exchange, rewriting_example, text_example
from flux_runtime.pocket.progress import TrainingRun, muon_and_adamw, on_training_device, training_device
from flux_runtime.pocket.questions import OBJECT_QUESTIONS, SCENE_QUESTIONS, YES_NO_QUESTIONS
from flux_runtime.pocket.tokenizer import load_tokenizer
from flux_runtime.pocket.vae import fit_basis

# How much each kind of question is drawn; what lags after the first course is drawn most.
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


def _in_a_layer(name: str) -> bool:
    return "blocks" in name or "layers" in name


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
    first, model = (on_training_device(load_language_model(folder, tokenizer, COURSES[0])) for _ in range(2))
    model.train().requires_grad_(True)
    model.model.language_model.embed_tokens.requires_grad_(False)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and _in_a_layer(name)]
    optimizers = muon_and_adamw(model, matrices, learning_rate)
    run = TrainingRun(folder / COURSES[1], model, optimizers, steps, warmup=100, averaged=model)
    rng, packer = run.rng, QuestionPacker(tokenizer)
    for step in run.steps():
        scenes, pictures = picture_batch(rng, basis, images)
        asked = [[exchange(rng, scene, about) for about in _abouts(rng, 7)] for scene in scenes]
        messages = [text_example(rng, beginner=step < beginner_steps) for _ in range(texts)]
        prompts = [rewriting_example(rng).message for _ in range(12)]
        with torch.autocast(device.type, torch.bfloat16):
            tokens = see(model, pictures.to(device))
            answered = question_loss(model, packer, tokens, asked)
            planned = text_loss(model, tokenizer, messages)
        drift = conditioning_drift(model, first, tokenizer, prompts)
        run.descend(answered + planned + 10 * drift)
        if step % 50 == 49:
            scores = quick_look(run.average, tokenizer) if step % 250 == 249 else {}
            losses = {"answers": answered, "plans": planned, "drift": drift}
            run.log(**{name: round(loss.item(), 5) for name, loss in losses.items()}, **scores)
