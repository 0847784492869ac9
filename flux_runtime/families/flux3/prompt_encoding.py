"""Text to prompt embeds: stacked hidden states of the text encoder, exactly as diffusers' FLUX.3 makes them.

The model's recipe includes the padding: text is padded on the right to a multiple of so many tokens, masked
in the text encoder and attended to by the transformer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers import Qwen3VLForConditionalGeneration

from flux_runtime.errors import BadSetting
from flux_runtime.families.flux3.processor import VisionLanguageProcessor


class PromptTokenizer:
    """A prompt to padded token ids; needs no weights."""

    def __init__(self, processor: VisionLanguageProcessor, pad_multiple: int, max_tokens: int) -> None:
        self._processor = processor
        self.pad_multiple = pad_multiple
        self._max_tokens = max_tokens

    def __call__(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """`input_ids` and `attention_mask`, each (B, L), L the longest prompt rounded up to the pad multiple.

        Raises:
            BadSetting: a prompt has more than `max_tokens` tokens.
        """
        texts = [
            self._processor.apply_chat_template(
                [{"role": "user", "content": self._processor.plain(prompt)}], add_generation_prompt=True
            )
            for prompt in prompts
        ]
        inputs = self._processor.tokenizer(
            texts,
            return_tensors="pt",
            padding=True,
            pad_to_multiple_of=self.pad_multiple,
            padding_side="right",
        )
        input_ids, attention_mask = inputs["input_ids"], inputs["attention_mask"]
        assert isinstance(input_ids, torch.Tensor)
        assert isinstance(attention_mask, torch.Tensor)
        if (length := int(attention_mask.sum(dim=1).max())) > self._max_tokens:
            raise BadSetting(
                f"The prompt has {length} tokens.", remedy=f"It may have at most {self._max_tokens}."
            )
        return input_ids, attention_mask


class PromptEncoder:
    """Prompt embeds from the text encoder's hidden states `out_layers` (0 = its embeddings)."""

    def __init__(
        self,
        text_encoder: Qwen3VLForConditionalGeneration,
        tokenizer: PromptTokenizer,
        out_layers: Sequence[int],
    ) -> None:
        self._text_encoder = text_encoder
        self._tokenizer = tokenizer
        self._out_layers = tuple(out_layers)
        self._unconditional: torch.Tensor | None = None

    @property
    def unconditional(self) -> torch.Tensor:
        """Embeds of the empty prompt (1, L, D), computed once."""
        if self._unconditional is None:
            self._unconditional = self.encode("")
        return self._unconditional

    def encode(self, prompt: str) -> torch.Tensor:
        """Embeds (1, L, layers * hidden) of one prompt."""
        return self.encode_ids(*self._tokenizer([prompt]))

    def encode_ids(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The same from ids and mask (1, any L): padding beyond the prompt's own window is cut off first."""
        multiple = self._tokenizer.pad_multiple
        window = math.ceil(int(attention_mask.sum()) / multiple) * multiple
        device = self._text_encoder.device
        input_ids, attention_mask = input_ids[:, :window].to(device), attention_mask[:, :window].to(device)
        # Padding takes position 1 as in the model's training, whatever transformers would choose by itself.
        positions = torch.arange(input_ids.shape[1], device=device)[None].masked_fill(attention_mask == 0, 1)
        output = self._text_encoder.model(  # without the language head: its logits are not needed
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=positions,
            output_hidden_states=True,
            use_cache=False,
        )
        return torch.cat([output.hidden_states[layer] for layer in self._out_layers], dim=-1)
