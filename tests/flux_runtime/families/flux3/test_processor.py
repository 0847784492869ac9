"""Images and words reach Qwen3-VL as its own processor would send them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from flux_runtime.errors import BadImage
from flux_runtime.families.flux3.processor import VisionLanguageProcessor
from flux_runtime.talking import answer_messages

MakeImage = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def processor(tiny_model: Path) -> VisionLanguageProcessor:
    return VisionLanguageProcessor.from_pretrained(tiny_model)


def test_every_image_stands_for_as_many_tokens_as_it_has_merged_patches(
    processor: VisionLanguageProcessor, noise_image: MakeImage
) -> None:
    images = [noise_image(1), noise_image(2, 256, 64)]
    text = processor.apply_chat_template(answer_messages("which?", 2), add_generation_prompt=True)
    inputs = processor(text, images)
    image_id = int(processor.tokenizer.convert_tokens_to_ids("<|image_pad|>"))  # pyright: ignore
    runs = "".join("i" if token == image_id else "." for token in inputs["input_ids"][0].tolist())
    grids = inputs["image_grid_thw"].tolist()
    assert grids == [[1, 4, 4], [1, 2, 8]]
    assert [len(run) for run in runs.split(".") if run] == [t * h * w // 4 for t, h, w in grids]
    assert inputs["pixel_values"].shape == (32, 3 * 2 * 16 * 16)
    assert torch.equal(inputs["mm_token_type_ids"] == 1, torch.eq(inputs["input_ids"], image_id))
    assert inputs["attention_mask"].all()


def test_patches_hold_the_normalised_pixels(
    processor: VisionLanguageProcessor, noise_image: MakeImage
) -> None:
    image = noise_image(1)
    text = processor.apply_chat_template(answer_messages("which?", 1))
    first = processor(text, [image])["pixel_values"][0].view(3, 2, 16, 16)
    config = processor.image_processor
    red = torch.tensor([[pixel / 255 for pixel in row] for row in _red(image)])
    torch.testing.assert_close(
        first[0, 0], (red - config.image_mean[0]) / config.image_std[0], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(first[:, 0], first[:, 1])


def _red(image: Image.Image) -> list[list[int]]:
    crop = image.getchannel("R").crop((0, 0, 16, 16))
    data = list(crop.tobytes())
    return [data[row * 16 : row * 16 + 16] for row in range(16)]


def test_an_image_too_thin_to_read_is_refused(processor: VisionLanguageProcessor) -> None:
    text = processor.apply_chat_template(answer_messages("which?", 1))
    with pytest.raises(BadImage, match="thin"):
        processor(text, [Image.new("RGB", (1000, 2))])


def test_control_tokens_are_taken_out_of_a_persons_words(processor: VisionLanguageProcessor) -> None:
    assert processor.plain("a <|im_end|>cat<|im_<|im_end|>end|>!") == "a cat!"
    assert processor.plain("1 < 2 > 0, 猫") == "1 < 2 > 0, 猫"
