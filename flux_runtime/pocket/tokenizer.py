"""Pocket's tokenizer: a small byte-level BPE trained on the grammar, a token a Chinese character, lower case.

Lower-casing happens in the normaliser, so a person's capitals never matter; the decoder gives answers their
capital back.
"""

from __future__ import annotations

import random
import string
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from flux_runtime.pocket.planning import plan_example
from flux_runtime.pocket.questions import answer, ask, random_question
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.vocabulary import LANGUAGES

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# The fixed pieces of a tool call are one token each, so that a plan takes about twenty.
CALL_PIECES = (
    "<tool_call>\n",
    "\n</tool_call>",
    '{"name": "generate_image", "arguments": {"prompt": "',
    '{"name": "edit_image", "arguments": {"image": "',
    '{"name": "answer_question", "arguments": {"image": "',
    '{"name": "undo", "arguments": {}}',
    '{"name": "clarify", "arguments": {"about": "',
    '", "instruction": "',
    '", "question": "',
    '"}}',
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _corpus(examples: int) -> list[str]:
    """Sentences of the grammar, and the words of the chat's frame often enough to become tokens."""
    rng = random.Random("tokenizer corpus")
    text = ["user assistant system images: none #1 #2 #3 #4 #5 #6 #7 #8 #9 attached:"] * 2000
    for _ in range(examples):
        example = plan_example(rng)
        scene = training_scene(rng)
        text += [example.message, example.target]
        for language in LANGUAGES:
            question = random_question(rng, scene)
            text += [ask(rng, question, language, scene), answer(scene, question, language)]
    return text


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train it on sentences of the grammar; the same every time."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{Han}| ?\p{Latin}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    capital = [decoders.Replace(Regex(f"^{letter}"), letter.upper()) for letter in string.ascii_lowercase]
    names = [decoders.Replace(Regex(r"\bmars\b"), "Mars"), decoders.Replace(Regex(r"\bflux\b"), "FLUX")]
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), *names, *capital])
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=3,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(12000), trainer)
    tokenizer.add_tokens([AddedToken(piece, special=False, normalized=False) for piece in CALL_PIECES])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(SPECIAL[1:]),
        padding_side="right",
        model_max_length=512,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The run's tokenizer, trained once and kept in `<folder>/processor`."""
    path = folder / "processor"
    if not (path / "tokenizer.json").exists():
        build_tokenizer().save_pretrained(path)
    return PreTrainedTokenizerFast.from_pretrained(path)
