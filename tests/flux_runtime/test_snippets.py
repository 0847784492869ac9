"""The two snippets that the README promises, run as written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from flux_runtime.catalogue import find_model
from flux_runtime.errors import UnknownModel

MULTITASK = """
from flux_runtime import FluxMultiTaskModel
model = FluxMultiTaskModel.from_pretrained("pocket")
img = model(instruction="Generate an image", input_text="A robot watering plants in a greenhouse, sunny day")
said = model.generate_text(
    instruction="Answer the question based on the image", image=img, input_text="What is the robot doing?"
)
img2 = model.edit_image(instruction="Edit the image: change the weather to rainy", image=img,
                        input_text="Change lighting and add raindrops")
"""

TRIO = """
from flux_runtime import FluxDevModel, FluxTokenizer, FluxImageProcessor
tokenizer = FluxTokenizer.from_pretrained("pocket")
model = FluxDevModel.from_pretrained("pocket", dtype=torch.float32)
image_processor = FluxImageProcessor()
inputs = tokenizer("a cat in a space suit playing guitar on Mars", return_tensors="pt", padding=True)
latents = model.generate(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask,
                         num_inference_steps=30, guidance_scale=7.5, flow_match_timesteps=True)
images = image_processor.decode(latents); image_processor.save_image(images[0], "cat.png")
"""


@pytest.fixture(autouse=True)
def _pocket_is_here() -> None:
    try:
        find_model("pocket")
    except UnknownModel:
        pytest.skip("the pocket model's weights are not in this checkout")


def test_one_object_draws_answers_and_edits() -> None:
    names: dict[str, object] = {}
    exec(MULTITASK, names)
    img, img2 = names["img"], names["img2"]
    assert isinstance(img, Image.Image)
    assert isinstance(img2, Image.Image)
    assert img.size == img2.size == (256, 256)
    assert img.tobytes() != img2.tobytes()
    assert isinstance(names["said"], str)
    assert names["said"]


def test_the_trio_saves_a_cat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(TRIO, {"torch": torch})
    with Image.open("cat.png") as saved:
        assert saved.size == (256, 256)
