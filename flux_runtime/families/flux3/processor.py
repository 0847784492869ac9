"""Words and images to the inputs of Qwen3-VL, as transformers' `Qwen3VLProcessor` makes them.

That class needs torchvision for its video branch; this one has images only and needs none. It knows the chat
template, not what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from flux_runtime.errors import BadCheckpoint, BadImage
from flux_runtime.families.protocol import Message

PROCESSOR_FOLDERS = ("processor", "tokenizer")
IMAGE_PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
"""The second is how transformers 5 saves a whole processor."""


class VisionLanguageProcessor:
    """A tokenizer with a chat template, and the image processor that goes with it.

    `tokenizer` and `apply_chat_template` are all that diffusers' FLUX.3 pipeline asks of its tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, image_processor: Qwen2VLImageProcessorPil) -> None:
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self._image_token: str = getattr(tokenizer, "image_token", None) or "<|image_pad|>"
        # Tokens that were added to a vocabulary, special or not, stand for structure such as parts of calls.
        self._control_tokens = [str(token) for token in tokenizer.added_tokens_decoder.values()]

    @classmethod
    def from_pretrained(cls, folder: Path) -> VisionLanguageProcessor:
        """Read `processor/` of a model folder, or `tokenizer/`, where diffusers' pipeline keeps it.

        Raises:
            BadCheckpoint: a file is missing or damaged, or the tokenizer has no chat template.
        """
        found = (folder / name for name in PROCESSOR_FOLDERS if (folder / name / "tokenizer.json").is_file())
        where = next(found, folder / PROCESSOR_FOLDERS[0])
        for names in (("tokenizer.json",), ("tokenizer_config.json",), IMAGE_PROCESSOR_FILES):
            if not any((where / name).is_file() for name in names):
                raise BadCheckpoint(f"The model in {folder} has no {where.name}/{names[0]}.", stage="load")
        try:
            tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
            image_processor = Qwen2VLImageProcessorPil.from_pretrained(where, local_files_only=True)
        except Exception as error:  # tokenizers raises bare exceptions
            raise BadCheckpoint(f"The processor in {where} cannot be read: {error}", stage="load") from error
        if not tokenizer.chat_template:
            raise BadCheckpoint(f"The tokenizer in {where} has no chat template.", stage="load")
        return cls(tokenizer, image_processor)

    def apply_chat_template(
        self, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]] | None = None, **options: Any
    ) -> str:
        """Render messages as one string; `options` go to the tokenizer's own `apply_chat_template`."""
        options["tokenize"] = False
        text = self.tokenizer.apply_chat_template(
            list(messages), tools=list(tools) if tools else None, **options
        )
        assert isinstance(text, str)
        return text

    def plain(self, text: str) -> str:
        """A person's words without control tokens: they never open a turn or stand for an image."""
        while token := next((token for token in self._control_tokens if token in text), None):
            text = text.replace(token, "")
        return text

    def __call__(self, text: str, images: Sequence[Image.Image] = ()) -> dict[str, torch.Tensor]:
        """Inputs for one rendered conversation whose image tokens stand for `images`, in order.

        Returns:
            `input_ids`, `attention_mask` and `mm_token_type_ids` (1, L); with images also `pixel_values`
            (patches, 3 * temporal * patch * patch) and `image_grid_thw` (images, 3).

        Raises:
            BadImage: an image is more than 200 times longer than wide, or the other way round.
        """
        vision: dict[str, torch.Tensor] = {}
        if images:
            if any(max(image.size) > 200 * min(image.size) for image in images):
                raise BadImage("An image is too long and thin to be read.", remedy="Crop it first.")
            vision = dict(self.image_processor(images=list(images), return_tensors="pt"))
            merged = vision["image_grid_thw"].prod(dim=1) // self.image_processor.merge_size**2
            before, *after = text.split(self._image_token)
            text = before + "".join(
                self._image_token * int(count) + rest for count, rest in zip(merged, after, strict=True)
            )
        inputs = self.tokenizer(text, return_tensors="pt")
        ids = inputs["input_ids"]
        assert isinstance(ids, torch.Tensor)
        image_id = int(self.tokenizer.convert_tokens_to_ids(self._image_token))  # pyright: ignore
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": torch.eq(ids, image_id).to(ids.dtype),
            **vision,
        }
