"""What pocket's Qwen3-VL learns from: questions over pictures, plans and rewritings, as text and tokens."""

from __future__ import annotations

import random
import unicodedata
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from flux_runtime.pocket.changes import random_change
from flux_runtime.pocket.instructions import canonical_instruction, instruction
from flux_runtime.pocket.language import canonical_prompt, caption
from flux_runtime.pocket.plan_labels import held_out_letters, letters
from flux_runtime.pocket.planning import PlanExample, partial, plan_example, state_line, tool_call
from flux_runtime.pocket.questions import answer, ask, random_question
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.vocabulary import LANGUAGES, plain
from flux_runtime.pocket.world import COLORS, KINDS, SIDES, Scene, Thing

GRID = 8  # patches a side of a 256 px picture, one visual token each


def loosen(rng: random.Random, text: str) -> str:
    """Inputs as they may arrive: screened text has half-width punctuation."""
    return unicodedata.normalize("NFKC", text) if rng.random() < 0.7 else text


def exchange(rng: random.Random, scene: Scene, about: str) -> tuple[str, str]:
    """A question of one kind about the scene, in either language, and its answer."""
    language = rng.choice(LANGUAGES)
    question = random_question(rng, scene, about)
    return loosen(rng, ask(rng, question, language, scene)), answer(scene, question, language)


def rewriting_example(rng: random.Random) -> PlanExample:
    """A bare caption or instruction and its canonical English: keeps attributes alive in prompt features."""
    scene, language = training_scene(rng), rng.choice(LANGUAGES)
    if rng.random() < 0.5:
        stated = partial(rng, scene)
        return PlanExample("", caption(rng, stated, language), canonical_prompt(stated))
    change = random_change(rng, scene)
    text = instruction(rng, change, language, scene if rng.random() < 0.6 else None)
    if rng.random() >= 0.8:
        text = f"edit the image: {text}"
    return PlanExample("", text, canonical_instruction(change))


def plain_two_objects_example(rng: random.Random) -> PlanExample:
    """Two objects in the simplest of words, and their canonical English.

    Which colour and which side belong to which object is not learned at all from people's captions, where
    too much varies at once; after some hundred steps with these it is, and then from the captions as well.
    """
    kinds = rng.sample(KINDS, 2)
    things = {side: Thing(kind, rng.choice(COLORS)) for side, kind in zip(SIDES, kinds, strict=True)}
    language, place_first = rng.choice(LANGUAGES), rng.random() < 0.5
    parts = []
    for side, thing in things.items():
        color, kind = plain(thing.color, language), plain(thing.kind, language)
        if language == "zh":
            where = {"left": "左边", "right": "右边"}[side]
            parts.append(f"{where}有{color}的{kind}" if place_first else f"{color}的{kind}在{where}")
        else:
            noun = f"a {color} {kind}"
            parts.append(f"on the {side} {noun}" if place_first else f"{noun} on the {side}")
    rng.shuffle(parts)
    message = ("，" if language == "zh" else ", ").join(parts)
    return PlanExample("", message, canonical_prompt(things))


def two_objects_example(rng: random.Random) -> PlanExample:
    """A short caption with two objects and its canonical English, bare or as a plan."""
    scene, language = training_scene(rng), rng.choice(LANGUAGES)
    while len(scene.things) < 2:
        scene = training_scene(rng)
    others = {key: value for key, value in partial(rng, scene).items() if isinstance(value, str)}
    kept = rng.sample(sorted(others), rng.randint(0, min(2, len(others))))
    stated = {**{key: others[key] for key in kept}, **scene.things}
    wanted = canonical_prompt(stated)
    message = wanted if rng.random() < 0.2 else caption(rng, stated, language)
    if rng.random() < 0.5:
        return PlanExample("", message, wanted)
    return PlanExample(state_line(rng.randint(0, 4)), message, tool_call("generate_image", prompt=wanted))


def text_example(rng: random.Random, *, beginner: bool = False) -> PlanExample:
    """A plan, two objects (plainly, for a beginner) or a rewriting (4 : 4 : 2); never a held-out message."""
    lessons = (
        plan_example,
        plain_two_objects_example if beginner else two_objects_example,
        rewriting_example,
    )
    while True:
        example = rng.choices(lessons, weights=(4, 4, 2))[0](rng)
        if letters(example.message) not in held_out_letters():
            break
    return PlanExample(example.system, loosen(rng, example.message), example.target)


def chat_tokens(tokenizer: PreTrainedTokenizerFast, example: PlanExample) -> tuple[list[int], int]:
    """Ids of a whole exchange and how many come before the target."""
    messages = [{"role": "system", "content": example.system}] if example.system else []
    messages.append({"role": "user", "content": example.message})
    chat = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    asked = tokenizer(chat).input_ids
    return asked + tokenizer(example.target + "<|im_end|>").input_ids, len(asked)


class Packed(NamedTuple):
    """Rows of tokens, each a picture and the exchanges about it."""

    ids: torch.Tensor
    """(B, L)"""
    labels: torch.Tensor
    """(B, L): the answers' tokens, -100 elsewhere"""
    mask: torch.Tensor
    """(B, 1, L, L) bool: which tokens see which; exchanges see the picture and themselves, not each other"""
    positions: torch.Tensor
    """(3, B, L) position ids (t, h, w)"""

    def to(self, device: torch.device) -> Packed:
        return Packed(*(tensor.to(device) for tensor in self))


class QuestionPacker:
    """Packs several exchanges about one picture into a row, where the picture's tokens are paid for once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        before = tokenizer("<|im_start|>user\n<|vision_start|>").input_ids
        after = tokenizer("<|vision_end|>").input_ids
        start, tokens = len(before), GRID * GRID
        self.prefix = [*before, *[tokenizer.get_vocab()["<|image_pad|>"]] * tokens, *after]
        self.image_at = slice(start, start + tokens)
        rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
        picture = torch.stack([torch.zeros(tokens, dtype=torch.long), rows.flatten(), columns.flatten()])
        self._next_position = start + GRID + 1
        self._prefix_positions = torch.cat(  # (3, prefix)
            [torch.arange(start).expand(3, -1), picture + start, torch.full((3, 1), start + GRID)], dim=1
        )

    def segment(self, question: str, reply: str) -> tuple[list[int], int]:
        """Token ids of one exchange after the picture, and how many of them are question."""
        asked = self.tokenizer(f"{question}<|im_end|>\n<|im_start|>assistant\n").input_ids
        return asked + self.tokenizer(f"{reply}<|im_end|>").input_ids, len(asked)

    def pack(self, exchanges: list[list[tuple[str, str]]]) -> Packed:
        """One row for each picture's list of (question, answer)."""
        rows = [[self.segment(*exchange) for exchange in row] for row in exchanges]
        prefix, size = len(self.prefix), len(rows)
        length = prefix + max(sum(len(ids) for ids, _ in row) for row in rows)
        ids = torch.full((size, length), self.tokenizer.pad_token_id)  # pyright: ignore
        labels = torch.full((size, length), -100)
        mask = torch.eye(length, dtype=torch.bool).repeat(size, 1, 1)
        positions = torch.zeros(3, size, length, dtype=torch.long)
        ids[:, :prefix] = torch.tensor(self.prefix)
        positions[:, :, :prefix] = self._prefix_positions[:, None]
        mask[:, :prefix, :prefix] = _causal(prefix)
        for i, row in enumerate(rows):
            at = prefix
            for tokens, asked in row:
                end = at + len(tokens)
                ids[i, at:end] = torch.tensor(tokens)
                labels[i, at + asked : end] = ids[i, at + asked : end]
                mask[i, at:end, :prefix] = True
                mask[i, at:end, at:end] = _causal(len(tokens))
                positions[:, i, at:end] = torch.arange(self._next_position, self._next_position + len(tokens))
                at = end
        return Packed(ids, labels, mask[:, None], positions)


def _causal(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()
