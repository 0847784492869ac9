"""Let the vision-language model continue a conversation: decoding with `generate` and its KV cache.

Knows chat messages and images, not what they are for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from transformers import (
    DynamicCache,
    GenerationConfig,
    Qwen3VLForConditionalGeneration,
    StoppingCriteria,
    StoppingCriteriaList,
)

from flux_runtime.errors import BadCheckpoint, BadSetting
from flux_runtime.families.flux3.processor import VisionLanguageProcessor
from flux_runtime.families.protocol import Message, Said, Stop, Talk

BURST = 16
"""Tokens in one go: in between, a step of a drawing may be taken."""

TOP_P = 0.95
"""A sampled text is drawn from the likeliest tokens of this share (nucleus sampling, Holtzman 2020)."""


class ChatModel:
    """Qwen3-VL as a partner in conversation; the same weights that encode prompts.

    `max_prompt_tokens` is how many a conversation may have, its images included.

    Raises:
        BadCheckpoint: no token is declared to end a turn.
    """

    def __init__(
        self,
        text_encoder: Qwen3VLForConditionalGeneration,
        processor: VisionLanguageProcessor,
        max_prompt_tokens: int,
    ) -> None:
        self._max_prompt_tokens = max_prompt_tokens
        self._text_encoder = text_encoder
        self._processor = processor
        ends: Any = text_encoder.generation_config.eos_token_id  # pyright: ignore[reportOptionalMemberAccess]
        tokenizer: Any = processor.tokenizer
        both = [*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id]
        self._ends: list[int] = sorted({end for end in both if end is not None})
        if not self._ends:
            raise BadCheckpoint("The tokenizer does not say which token ends a turn.", stage="load")

    def inputs(
        self,
        messages: Sequence[Message],
        images: Sequence[Image.Image] = (),
        tools: Sequence[dict[str, Any]] | None = None,
    ) -> dict[str, torch.Tensor]:
        """What the network is fed for a conversation, on its device.

        Raises:
            BadSetting: the conversation is too long.
        """
        text = self._processor.apply_chat_template(messages, tools=tools, add_generation_prompt=True)
        inputs = self._processor(text, images)
        length = inputs["input_ids"].shape[1]
        if length > self._max_prompt_tokens:
            raise BadSetting(
                f"That is {length} tokens with its images.", remedy=f"At most {self._max_prompt_tokens} fit."
            )
        if images:
            inputs["pixel_values"] = inputs["pixel_values"].to(self._text_encoder.dtype)
        return {name: tensor.to(self._text_encoder.device) for name, tensor in inputs.items()}

    def continue_from(
        self, inputs: dict[str, torch.Tensor], *, max_new_tokens: int, stop: Stop, seed: int | None = None
    ) -> Talk:
        """The likeliest continuation of `inputs`, or with a seed a sampled one, of at most `max_new_tokens`.

        Yields after every burst of tokens; others may use the model before it goes on.
        """
        qwen: Any = self._text_encoder
        cache = DynamicCache(config=qwen.config.get_text_config())
        length, ids, positions, log_probability = inputs["input_ids"].shape[1], [], None, 0.0
        while True:
            burst = min(BURST, max_new_tokens - len(ids))
            # Where text goes on after images is all that the model remembers outside of its cache.
            qwen.model.rope_deltas = positions
            with _drawn_from(seed, len(ids), self._text_encoder.device):
                made = qwen.generate(
                    **inputs,
                    past_key_values=cache,
                    generation_config=self._decoding(burst, sampled=seed is not None),
                    stopping_criteria=StoppingCriteriaList([_Flag(stop)]),
                )
            positions = qwen.model.rope_deltas
            output, before = made.sequences, len(ids)
            ids = output[0, length:].tolist()
            log_probability += _log_probability(made.logits, ids[before:])
            if len(ids) - before < burst or len(ids) == max_new_tokens or ids[-1] in self._ends:
                break
            yield
            inputs = {"input_ids": output, "attention_mask": torch.ones_like(output)}
        said = [token for token in ids if token not in self._ends]
        return Said(str(self._processor.tokenizer.decode(said)), len(ids), math.exp(log_probability))

    def _decoding(self, max_new_tokens: int, *, sampled: bool) -> GenerationConfig:
        odds: dict[str, Any] = {"top_p": TOP_P, "top_k": 0} if sampled else {}
        return GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=sampled,
            **odds,
            return_dict_in_generate=True,
            output_logits=True,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
        )


def _log_probability(logits: Sequence[torch.Tensor], ids: Sequence[int]) -> float:
    """Of tokens, given the logits (1, V) that each was chosen from."""
    chosen = [each[0].float().log_softmax(-1)[token] for each, token in zip(logits, ids, strict=True)]
    return float(torch.stack(chosen).sum()) if chosen else 0.0


@contextmanager
def _drawn_from(seed: int | None, tokens: int, device: torch.device) -> Iterator[None]:
    """What is sampled in here depends on the seed and on how far the text is; no other draw changes."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        # Torch's generator on a CPU takes the low 32 bits; the golden ratio's spread neighbours far apart.
        torch.manual_seed((seed + tokens * 0x9E3779B1) & 0xFFFFFFFF)
        yield


class _Flag(StoppingCriteria):
    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((input_ids.shape[0],), self._stop(), device=input_ids.device, dtype=torch.bool)
