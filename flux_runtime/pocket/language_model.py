"""Pocket's Qwen3-VL: one tiny model that sees, answers, plans, and whose hidden states condition the drawing.

Vision: 32 px patches, no merging, so that its 64 tokens of a 256 px picture sit one to one on the flow
transformer's 64 image tokens (it later teaches that transformer, see flow.py). Trained before the flow, then
frozen.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from flux_runtime.pocket.lessons import GRID, QuestionPacker, chat_tokens, exchange, text_example
from flux_runtime.pocket.planning import PlanExample
from flux_runtime.pocket.progress import TrainingRun, averaged_weights, on_training_device, training_device
from flux_runtime.pocket.questions import (
    OBJECT_QUESTIONS,
    SCENE_QUESTIONS,
    YES_NO_QUESTIONS,
    answer,
    ask,
    random_question,
)
from flux_runtime.pocket.splits import held_out_composition_scenes, held_out_scenes, training_scene
from flux_runtime.pocket.tokenizer import load_tokenizer
from flux_runtime.pocket.vae import LatentBasis, fit_basis, rendered
from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, Scene, random_layout

PATCH = 32  # pixels
_ROWS_TOGETHER = 12
COURSES = ("language-model", "answers")  # runs, each going on from the one before; the second is answers.py
# Kinds of questions that a picture's six are drawn from; those about objects stand twice or more.
_ABOUTS = (
    *SCENE_QUESTIONS,
    *OBJECT_QUESTIONS,
    *OBJECT_QUESTIONS,
    *YES_NO_QUESTIONS,
    *("color", "side", "describe"),
)


def build_language_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLForConditionalGeneration:
    """The unmodified class, tiny and untrained."""
    ids = tokenizer.get_vocab()
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 256,
            "intermediate_size": 640,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "max_position_embeddings": 1024,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [12, 10, 10],
                "mrope_interleaved": True,
            },
            "pad_token_id": ids["<|endoftext|>"],
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 4,
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_heads": 4,
            "patch_size": PATCH,
            "spatial_merge_size": 1,
            "temporal_patch_size": 1,
            "out_hidden_size": 256,
            "num_position_embeddings": GRID * GRID,
            "deepstack_visual_indexes": [],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    return model


def patches(images: torch.Tensor) -> torch.Tensor:
    """(B, 3, 256, 256) in [-1, 1] -> (B * 64, 3 * 32 * 32), as the Qwen2-VL image processor lays them out."""
    cells = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # (B, 3, 8, 8, 32, 32)
    return cells.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * PATCH * PATCH)


def see(model: Qwen3VLForConditionalGeneration, images: torch.Tensor) -> torch.Tensor:
    """Visual tokens (B, 64, 256) of pictures (B, 3, 256, 256) in [-1, 1]."""
    grid = torch.tensor([[1, GRID, GRID]], device=images.device).expand(len(images), 3)
    tokens = model.model.visual(patches(images), grid_thw=grid).pooler_output
    return tokens.unflatten(0, (len(images), GRID * GRID))


def load_language_model(
    folder: Path, tokenizer: PreTrainedTokenizerFast, course: str | None = None
) -> Qwen3VLForConditionalGeneration:
    """The averaged weights of a course, by default of the last one there is; frozen, on the CPU."""
    if course is None:
        course = next(name for name in reversed(COURSES) if (folder / name / "last.pt").exists())
    model = build_language_model(tokenizer)
    model.load_state_dict(averaged_weights(folder / course))
    return model.eval().requires_grad_(False)


class AttributeHeads(torch.nn.Module):
    """Auxiliary classifiers on the visual tokens; they teach the eyes early and are dropped afterwards."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.scene = torch.nn.ModuleDict(
            {key: torch.nn.Linear(width, len(values)) for key, values in ATTRIBUTES.items()}
        )
        self.kind = torch.nn.Linear(width, len(KINDS) + 1)
        self.color = torch.nn.Linear(width, len(COLORS) + 1)

    def forward(self, tokens: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
        """Mean cross entropy over all heads; tokens (B, 64, width)."""

        def loss(head: torch.nn.Module, states: torch.Tensor, wanted: list[int]) -> torch.Tensor:
            return F.cross_entropy(head(states), torch.tensor(wanted, device=states.device))

        grid = tokens.unflatten(1, (GRID, GRID))
        losses = [
            loss(head, tokens.mean(1), [ATTRIBUTES[key].index(getattr(scene, key)) for scene in scenes])
            for key, head in self.scene.items()
        ]
        for side, half in (("left", grid[:, :, :3]), ("right", grid[:, :, -3:])):
            pooled = half.flatten(1, 2).mean(1)
            things = [scene.things.get(side) for scene in scenes]
            losses.append(loss(self.kind, pooled, [KINDS.index(t.kind) + 1 if t else 0 for t in things]))
            losses.append(loss(self.color, pooled, [COLORS.index(t.color) + 1 if t else 0 for t in things]))
        return torch.stack(losses).mean()


def text_loss(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, examples: list[PlanExample]
) -> torch.Tensor:
    """Cross entropy of the examples' targets after their messages."""
    # Rows of like length go together: among all of them half of the work would be padding.
    rows = sorted((chat_tokens(tokenizer, example) for example in examples), key=lambda row: len(row[0]))
    losses, counts = [], []
    for at in range(0, len(rows), _ROWS_TOGETHER):
        group = rows[at : at + _ROWS_TOGETHER]
        ids = torch.full((len(group), len(group[-1][0])), tokenizer.pad_token_id)  # pyright: ignore
        labels = torch.full_like(ids, -100)
        for i, (tokens, asked) in enumerate(group):
            ids[i, : len(tokens)] = torch.tensor(tokens)
            labels[i, asked : len(tokens)] = torch.tensor(tokens[asked:])
        # Padding is on the right, so a causal model needs no mask.
        hidden = model.model.language_model(input_ids=ids.to(model.device)).last_hidden_state
        losses.append(_token_loss(model, hidden, labels.to(model.device)))
        counts.append(int((labels != -100).sum()))
    return sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)  # pyright: ignore


def question_loss(
    model: Qwen3VLForConditionalGeneration,
    packer: QuestionPacker,
    tokens: torch.Tensor,
    asked: list[list[tuple[str, str]]],
) -> torch.Tensor:
    """Cross entropy of the answers to all questions about pictures with visual tokens (B, 64, 256)."""
    packed = packer.pack(asked).to(tokens.device)
    embeds = model.model.language_model.embed_tokens(packed.ids)
    before, after = embeds[:, : packer.image_at.start], embeds[:, packer.image_at.stop :]
    hidden = model.model.language_model(
        inputs_embeds=torch.cat([before, tokens.to(embeds.dtype), after], dim=1),
        attention_mask=packed.mask,
        position_ids=packed.positions,
    ).last_hidden_state
    return _token_loss(model, hidden, packed.labels)


def _token_loss(
    model: Qwen3VLForConditionalGeneration, hidden: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Mean cross entropy of the labels (B, L) that are not -100, predicted from the token before."""
    wanted = labels[:, 1:] != -100
    return F.cross_entropy(model.lm_head(hidden[:, :-1][wanted]).float(), labels[:, 1:][wanted])


def picture_batch(rng: random.Random, basis: LatentBasis, count: int) -> tuple[list[Scene], torch.Tensor]:
    """Scenes and their pictures (count, 3, 256, 256) in [-1, 1].

    Half of them are blurred by the latent and its noise, as the model's own pictures will be.
    """
    scenes = [training_scene(rng) for _ in range(count)]
    images = rendered((scene, random_layout(rng)) for scene in scenes)
    blurred = torch.tensor([rng.random() < 0.5 for _ in scenes])
    if blurred.any():
        codes = basis.encode(images[blurred])
        codes = codes + 0.25 * torch.rand(len(codes), 1, 1, 1) * torch.randn_like(codes)
        images[blurred] = basis.decode(codes).clamp(-1, 1)
    return scenes, images


def train_language_model(
    folder: Path, steps: int, images: int = 16, texts: int = 24, learning_rate: float = 1.2e-3
) -> None:
    """Questions over pictures, plans and rewriting together, in one loss."""
    tokenizer, basis = load_tokenizer(folder), fit_basis(folder)
    torch.manual_seed(0)
    device = training_device()
    model, heads = on_training_device(build_language_model(tokenizer)), AttributeHeads().to(device)
    trained = torch.nn.ModuleList([model, heads])
    parameters = list(trained.parameters())
    matrices = {"params": [p for p in parameters if p.ndim >= 2]}
    others = {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}
    optimizer = torch.optim.AdamW([matrices, others], learning_rate, betas=(0.9, 0.98), weight_decay=0.02)
    run = TrainingRun(folder / COURSES[0], trained, [optimizer], steps, averaged=model)
    rng, packer = run.rng, QuestionPacker(tokenizer)
    for step in run.steps():
        scenes, pictures = picture_batch(rng, basis, images)
        asked = [[exchange(rng, scene, about) for about in rng.sample(_ABOUTS, 6)] for scene in scenes]
        messages = [text_example(rng) for _ in range(texts)]
        with torch.autocast(device.type, torch.bfloat16):
            tokens = see(model, pictures.to(device))
            answered = question_loss(model, packer, tokens, asked)
            planned = text_loss(model, tokenizer, messages)
            seen = heads(tokens.float(), scenes)
        run.descend(answered + planned + 0.5 * seen)
        if step % 50 == 49:
            scores = quick_look(run.average, tokenizer) if step % 500 == 499 else {}
            losses = {"answers": answered, "plans": planned, "heads": seen}
            run.log(**{name: round(loss.item(), 4) for name, loss in losses.items()}, **scores)


def quick_look(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Accuracy of a model in training on some held-out scenes, for the log."""
    assert isinstance(model, Qwen3VLForConditionalGeneration)
    return answer_accuracy(model, tokenizer, held_out_scenes()[:40]) | {
        "unseen": answer_accuracy(model, tokenizer, held_out_composition_scenes()[:20])
    }


@torch.no_grad()
def answer_accuracy(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, scenes: tuple[Scene, ...]
) -> dict[str, float]:
    """By type, the share of answers whose every token is the likeliest."""
    rng, packer = random.Random("quick look"), QuestionPacker(tokenizer)
    abouts = (*SCENE_QUESTIONS, *OBJECT_QUESTIONS, "is_action", "is_color", "describe")
    right: dict[str, list[bool]] = {}
    for scene in scenes:
        asked = [random_question(rng, scene, about) for about in abouts]
        languages: list[Language] = [rng.choice(LANGUAGES) for _ in asked]
        spoken = list(zip(asked, languages, strict=True))
        row = [(ask(rng, what, language, scene), answer(scene, what, language)) for what, language in spoken]
        packed = packer.pack([row]).to(model.device)
        image = rendered([(scene, random_layout(rng))]).to(model.device)
        embeds = model.model.language_model.embed_tokens(packed.ids)
        embeds[:, packer.image_at] = see(model, image)
        hidden = model.model.language_model(
            inputs_embeds=embeds, attention_mask=packed.mask, position_ids=packed.positions
        ).last_hidden_state
        wanted = packed.labels[:, 1:]
        hits = (model.lm_head(hidden[:, :-1]).argmax(-1) == wanted) | (wanted == -100)
        at = len(packer.prefix)
        for question, (words, reply) in zip(asked, row, strict=True):
            end = at + len(packer.segment(words, reply)[0])
            right.setdefault(question.about, []).append(bool(hits[0, at - 1 : end - 1].all()))
            at = end
    return {about: round(sum(hits) / len(hits), 3) for about, hits in right.items()}
