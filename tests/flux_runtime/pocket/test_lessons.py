"""Packed lessons teach what single ones would, and training feeds the models what the runtime will."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from flux_runtime.families.flux3.processor import VisionLanguageProcessor
from flux_runtime.families.flux3.prompt_encoding import PromptEncoder, PromptTokenizer
from flux_runtime.pocket import lessons
from flux_runtime.pocket.flow import OUT_LAYERS, PAD_MULTIPLE, encode_text
from flux_runtime.pocket.language_model import PATCH, build_language_model, patches, question_loss, see
from flux_runtime.pocket.lessons import QuestionPacker, exchange, rewriting_example, text_example
from flux_runtime.pocket.plan_labels import held_out_letters
from flux_runtime.pocket.planning import PlanExample
from flux_runtime.pocket.questions import ABOUTS
from flux_runtime.pocket.splits import training_scene

EXCHANGES = [("who is it?", "it is a cat."), ("它在做什么？", "猫在火星上弹吉他。")]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(tiny_model / "processor")


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLForConditionalGeneration:
    torch.manual_seed(0)
    return build_language_model(tokenizer).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def image() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1


def test_labels_are_the_answers_and_nothing_else(tokenizer: PreTrainedTokenizerFast) -> None:
    packed = QuestionPacker(tokenizer).pack([EXCHANGES, EXCHANGES[:1]])
    answers = ["".join(reply + "<|im_end|>" for _, reply in row) for row in (EXCHANGES, EXCHANGES[:1])]
    assert [tokenizer.decode(row[row != -100]) for row in packed.labels] == answers
    assert packed.ids.shape == packed.labels.shape == packed.positions.shape[1:]


def test_an_exchange_sees_the_picture_and_no_other_exchange(tokenizer: PreTrainedTokenizerFast) -> None:
    packer = QuestionPacker(tokenizer)
    packed = packer.pack([EXCHANGES])
    first = len(packer.segment(*EXCHANGES[0])[0])
    prefix, mask = len(packer.prefix), packed.mask[0, 0]
    assert mask[prefix:, :prefix].all()
    assert not mask[prefix + first :, prefix : prefix + first].any()
    assert not mask.triu(1).any()


def test_packed_exchanges_cost_what_they_cost_alone(
    tokenizer: PreTrainedTokenizerFast, model: Qwen3VLForConditionalGeneration, image: Image.Image
) -> None:
    packer, tokens = QuestionPacker(tokenizer), see(model, _tensor(image))
    together = question_loss(model, packer, tokens, [EXCHANGES])
    costs, lengths = [], []
    for alone in EXCHANGES:
        ids, asked = packer.segment(*alone)
        costs.append(question_loss(model, packer, tokens, [[alone]]))
        lengths.append(len(ids) - asked)
    expected = torch.stack(costs) @ torch.tensor(lengths).float() / sum(lengths)
    torch.testing.assert_close(together, expected, atol=1e-5, rtol=1e-5)


def test_pictures_reach_the_eyes_as_the_image_processor_sends_them(image: Image.Image) -> None:
    area = {"shortest_edge": 256 * 256, "longest_edge": 256 * 256}
    processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        temporal_patch_size=1,
        merge_size=1,
        size=area,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    sent = processor(images=[image], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(patches(_tensor(image)), sent, atol=1e-5, rtol=0)


def test_prompts_condition_the_training_as_they_will_the_drawing(
    tiny_model: Path, tokenizer: PreTrainedTokenizerFast, model: Qwen3VLForConditionalGeneration
) -> None:
    processor = VisionLanguageProcessor.from_pretrained(tiny_model)
    runtime = PromptEncoder(model, PromptTokenizer(processor, PAD_MULTIPLE, 8192), OUT_LAYERS)
    for prompt in ("a cat on mars", ""):
        torch.testing.assert_close(
            encode_text(model, tokenizer, [prompt]), runtime.encode(prompt), atol=1e-5, rtol=1e-5
        )


def test_lessons_are_exchanges_plans_and_rewritings() -> None:
    rng = random.Random(0)
    for about in ABOUTS:
        question, reply = exchange(rng, training_scene(rng), about)
        assert question
        assert reply
    assert all(example.system == "" for example in (rewriting_example(rng) for _ in range(50)))
    assert {bool(text_example(rng).system) for _ in range(50)} == {True, False}


def test_no_held_out_message_is_ever_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter(["Scratch THAT last edit!", "＂scratch that last edit＂", "undo the rain"])
    for lesson in ("plan_example", "two_objects_example", "rewriting_example"):
        monkeypatch.setattr(lessons, lesson, lambda _: PlanExample("", next(told), ""))
    assert "scratchthatlastedit" in held_out_letters()
    assert lessons.text_example(random.Random(0)).message == "undo the rain"


def test_a_beginner_tells_two_objects_apart_in_plain_words() -> None:
    rng = random.Random(0)
    lessons_told = [lessons.plain_two_objects_example(rng) for _ in range(200)]
    assert {lesson.message.isascii() for lesson in lessons_told} == {True, False}
    for lesson in lessons_told:
        words = lesson.message.replace("，", " ").replace(",", " ").split()
        if lesson.message.isascii():  # "a red ball on the left" or "on the left a red ball", for either side
            left, right = lesson.target.removeprefix("someone, ").split(", ")
            assert sorted(words) == sorted(f"{left} {right}".split())
