"""Pocket's Qwen3-VL: one tiny model that reads pictures, answers, plans, and whose hidden states condition the drawing.

Vision: 32 px patches, no merging, so that its 64 tokens of a 256 px picture sit one to one on the flow transformer's 64
image tokens (it later teaches that transformer, see flow.py). Trained before the flow, then frozen.
"""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from flux_runtime.pocket.changes import random_change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import canonical_prompt, caption
from flux_runtime.pocket.planning import PlanExample, partial, plan_example
from flux_runtime.pocket.progress import Average, TrainingRun, training_device, warmup_cosine
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
from flux_runtime.pocket.vae import LatentBasis, fit_basis
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, Scene, draw_array, random_layout

PATCH = 32  # pixels
GRID = 8  # patches a side of a 256 px picture


def build_language_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLForConditionalGeneration:
    token = tokenizer.convert_tokens_to_ids
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
            "pad_token_id": token("<|endoftext|>"),
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
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
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = token("<|im_end|>")
    model.generation_config.pad_token_id = token("<|endoftext|>")
    return model


def patches(images: torch.Tensor) -> torch.Tensor:
    """(B, 3, 256, 256) in [-1, 1] -> (B * 64, 3 * 32 * 32), as the Qwen2-VL image processor lays them out."""
    cells = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # (B, 3, 8, 8, 32, 32)
    return cells.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * PATCH * PATCH)


def see(model: Qwen3VLForConditionalGeneration, images: torch.Tensor) -> torch.Tensor:
    """Visual tokens (B, 64, 256) of pictures (B, 3, 256, 256) in [-1, 1]."""
    grid = torch.tensor([[1, GRID, GRID]], device=images.device).expand(len(images), 3)
    return model.model.visual(patches(images), grid_thw=grid).pooler_output.unflatten(
        0, (len(images), GRID * GRID)
    )


class Batch:
    """Question batches: one picture, several question-answer segments that cannot see each other."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        image = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        before = tokenizer("<|im_start|>user\n<|vision_start|>").input_ids
        after = tokenizer("<|vision_end|>").input_ids
        self.prefix = [*before, *[image] * GRID * GRID, *after]
        self.image_at = slice(len(before), len(before) + GRID * GRID)
        start = len(before)
        rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
        text = torch.arange(start).expand(3, -1)
        picture = (
            torch.stack([torch.zeros(GRID * GRID, dtype=torch.long), rows.flatten(), columns.flatten()])
            + start
        )
        self.next_position = start + GRID + 1
        self.prefix_positions = torch.cat(
            [text, picture, torch.full((3, 1), start + GRID)], dim=1
        )  # (3, prefix)

    def segment(self, question: str, reply: str) -> tuple[list[int], int]:
        """Token ids of one exchange after the picture, and how many of them are question."""
        asked = self.tokenizer(f"{question}<|im_end|>\n<|im_start|>assistant\n").input_ids
        return asked + self.tokenizer(f"{reply}<|im_end|>").input_ids, len(asked)

    def pack(
        self, exchanges: list[list[tuple[str, str]]]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """ids (B, L), labels (B, L), mask (B, 1, L, L) bool, position ids (3, B, L)."""
        rows = [[self.segment(*exchange) for exchange in row] for row in exchanges]
        length = len(self.prefix) + max(sum(len(ids) for ids, _ in row) for row in rows)
        size = len(rows)
        ids = torch.full((size, length), self.tokenizer.pad_token_id)
        labels = torch.full((size, length), -100)
        mask = torch.eye(length, dtype=torch.bool).repeat(size, 1, 1)
        positions = torch.zeros(3, size, length, dtype=torch.long)
        prefix = len(self.prefix)
        ids[:, :prefix] = torch.tensor(self.prefix)
        positions[:, :, :prefix] = self.prefix_positions[:, None]
        mask[:, :prefix, :prefix] = torch.ones(prefix, prefix, dtype=torch.bool).tril()
        for i, row in enumerate(rows):
            at = prefix
            for tokens, asked in row:
                end = at + len(tokens)
                ids[i, at:end] = torch.tensor(tokens)
                labels[i, at + asked : end] = ids[i, at + asked : end]
                mask[i, at:end, :prefix] = True
                mask[i, at:end, at:end] = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
                positions[:, i, at:end] = torch.arange(self.next_position, self.next_position + len(tokens))
                at = end
        return ids, labels, mask[:, None], positions


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


def loosen(rng: random.Random, text: str) -> str:
    """Inputs as they may arrive: screened text has half-width punctuation."""
    return unicodedata.normalize("NFKC", text) if rng.random() < 0.7 else text


def exchanges(rng: random.Random, scene: Scene, count: int = 6) -> list[tuple[str, str]]:
    """Random questions with answers about one scene; objects, colours and sides drawn more often."""
    abouts = (
        *SCENE_QUESTIONS,
        *OBJECT_QUESTIONS,
        *OBJECT_QUESTIONS,
        *YES_NO_QUESTIONS,
        "color",
        "side",
        "describe",
    )
    rows = []
    for about in rng.sample(abouts, count):
        language = rng.choice(LANGUAGES)
        question = random_question(rng, scene, about)
        rows.append((loosen(rng, ask(rng, question, language, scene)), answer(scene, question, language)))
    return rows


def rewriting_example(rng: random.Random) -> PlanExample:
    """A bare caption or instruction and its canonical English: keeps attributes alive in the prompt features."""
    scene, language = training_scene(rng), rng.choice(LANGUAGES)
    if rng.random() < 0.5:
        stated = partial(rng, scene)
        return PlanExample("", caption(rng, stated, language), canonical_prompt(stated))
    change = random_change(rng, scene)
    text = instruction(rng, change, language, scene if rng.random() < 0.6 else None)
    return PlanExample(
        "", text if rng.random() < 0.8 else f"edit the image: {text}", canonical_instruction(change)
    )


def chat_tokens(tokenizer: PreTrainedTokenizerFast, example: PlanExample) -> tuple[list[int], int]:
    """Ids of a whole exchange and how many come before the target."""
    messages = ([{"role": "system", "content": example.system}] if example.system else []) + [
        {"role": "user", "content": example.message}
    ]
    asked = tokenizer(
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ).input_ids
    return asked + tokenizer(example.target + "<|im_end|>").input_ids, len(asked)


def text_loss(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, examples: list[PlanExample]
) -> torch.Tensor:
    rows = [chat_tokens(tokenizer, example) for example in examples]
    length = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), length), tokenizer.pad_token_id)
    labels = torch.full((len(rows), length), -100)
    for i, (tokens, asked) in enumerate(rows):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        labels[i, asked : len(tokens)] = torch.tensor(tokens[asked:])
    hidden = model.model.language_model(
        input_ids=ids.to(model.device)
    ).last_hidden_state  # right padding needs no mask in a causal model
    return _token_loss(model, hidden, labels.to(model.device))


def question_loss(
    model: Qwen3VLForConditionalGeneration,
    packer: Batch,
    tokens: torch.Tensor,
    asked: list[list[tuple[str, str]]],
) -> torch.Tensor:
    """Cross entropy of the answers to all questions about pictures with visual tokens (B, 64, 256)."""
    ids, labels, mask, positions = (tensor.to(tokens.device) for tensor in packer.pack(asked))
    embeds = model.model.language_model.embed_tokens(ids)
    before, after = embeds[:, : packer.image_at.start], embeds[:, packer.image_at.stop :]
    hidden = model.model.language_model(
        inputs_embeds=torch.cat([before, tokens.to(embeds.dtype), after], dim=1),
        attention_mask=mask,
        position_ids=positions,
    ).last_hidden_state
    return _token_loss(model, hidden, labels)


def _token_loss(
    model: Qwen3VLForConditionalGeneration, hidden: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    wanted = labels[:, 1:] != -100
    return F.cross_entropy(model.lm_head(hidden[:, :-1][wanted]).float(), labels[:, 1:][wanted])


def picture_batch(rng: random.Random, basis: LatentBasis, count: int) -> tuple[list[Scene], torch.Tensor]:
    """Scenes and their pictures; half of them blurred by the latent and its noise, as the model's own pictures will be."""
    scenes = [training_scene(rng) for _ in range(count)]
    images = (
        torch.stack([torch.from_numpy(draw_array(scene, random_layout(rng))) for scene in scenes]).permute(
            0, 3, 1, 2
        )
        * 2
        - 1
    )
    blurred = torch.tensor([rng.random() < 0.5 for _ in scenes])
    if blurred.any():
        codes = basis.encode(images[blurred])
        images[blurred] = basis.decode(
            codes + 0.25 * torch.rand(len(codes), 1, 1, 1) * torch.randn_like(codes)
        ).clamp(-1, 1)
    return scenes, images.contiguous()


def train_language_model(
    folder: Path, steps: int, images: int = 16, texts: int = 24, learning_rate: float = 1.2e-3
) -> None:
    """Questions over pictures, plans and rewriting together, in one loss."""
    tokenizer, basis = load_tokenizer(folder), fit_basis(folder)
    torch.manual_seed(0)
    device = training_device()
    model, copy = (build_language_model(tokenizer).to(device) for _ in range(2))
    heads = AttributeHeads().to(device)
    average = Average(model, copy, 0.998)
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.ndim >= 2]}, {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}],
        learning_rate, betas=(0.9, 0.98), weight_decay=0.02,
    )  # fmt: skip
    run = TrainingRun(
        folder / "language-model",
        {"model": model, "average": average, "heads": heads, "optimizer": optimizer},
    )
    rng = random.Random(f"language model from {run.step}")
    packer = Batch(tokenizer)
    for step in run.steps(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warmup_cosine(step, steps)
        scenes, pictures = picture_batch(rng, basis, images)
        with torch.autocast(device.type, torch.bfloat16):
            tokens = see(model, pictures.to(device))
            asked = question_loss(model, packer, tokens, [exchanges(rng, scene) for scene in scenes])
            seen = heads(tokens.float(), scenes)
            planned = text_loss(
                model,
                tokenizer,
                [
                    _loosened(rng, plan_example(rng) if rng.random() < 0.75 else rewriting_example(rng))
                    for _ in range(texts)
                ],
            )
        loss = asked + planned + 0.5 * seen
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(model, step)
        if step % 50 == 49:
            scores = {}
            if step % 500 == 499:
                scores = answer_accuracy(average.model, tokenizer, held_out_scenes()[:40]) | {
                    "unseen": answer_accuracy(average.model, tokenizer, held_out_composition_scenes()[:20])
                }
            run.log(
                answers=round(asked.item(), 4),
                plans=round(planned.item(), 4),
                heads=round(seen.item(), 4),
                **scores,
            )


def _loosened(rng: random.Random, example: PlanExample) -> PlanExample:
    return PlanExample(example.system, loosen(rng, example.message), example.target)


@torch.no_grad()
def answer_accuracy(
    model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, scenes: tuple[Scene, ...]
) -> dict[str, float]:
    """Teacher-forced exact match by question type: every answer token is the arg max. A quick look while training."""
    rng, packer = random.Random("quick look"), Batch(tokenizer)
    abouts = (*SCENE_QUESTIONS, *OBJECT_QUESTIONS, "is_action", "is_color", "describe")
    right: dict[str, list[bool]] = {}
    for scene in scenes:
        asked = [random_question(rng, scene, about) for about in abouts]
        languages = [rng.choice(LANGUAGES) for _ in asked]
        row = [
            (ask(rng, q, language, scene), answer(scene, q, language))
            for q, language in zip(asked, languages, strict=True)
        ]
        ids, labels, mask, positions = (tensor.to(model.device) for tensor in packer.pack([row]))
        image = torch.from_numpy(draw_array(scene, random_layout(rng))).permute(2, 0, 1)[None] * 2 - 1
        embeds = model.model.language_model.embed_tokens(ids)
        embeds[:, packer.image_at] = see(model, image.contiguous().to(model.device))
        hidden = model.model.language_model(
            inputs_embeds=embeds, attention_mask=mask, position_ids=positions
        ).last_hidden_state
        hits = (model.lm_head(hidden[:, :-1]).argmax(-1) == labels[:, 1:]) | (labels[:, 1:] == -100)
        at = len(packer.prefix)
        for question, exchange in zip(asked, row, strict=True):
            end = at + len(packer.segment(*exchange)[0])
            right.setdefault(question.about, []).append(bool(hits[0, at - 1 : end - 1].all()))
            at = end
    return {about: round(sum(hits) / len(hits), 3) for about, hits in right.items()}
