"""The model as one object and as a trio: the same weights, the same images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import flux_runtime
from flux_runtime import FluxDevModel, FluxImageProcessor, FluxMultiTaskModel, FluxTokenizer, instances
from flux_runtime.errors import BadSetting
from flux_runtime.instruction import change_of, prompt_of, question_of, task_of
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest, Region
from flux_runtime.runtime import LocalRuntime

MakeImage = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> FluxMultiTaskModel:
    return FluxMultiTaskModel.from_pretrained(tiny_model, device="cpu")


@pytest.mark.parametrize(
    ("instruction", "text", "image", "task"),
    [
        ("Generate an image", "a robot", False, "generate"),
        ("Answer me", "Question: who?", False, "generate"),
        ("Answer the question based on the image", "who?", True, "answer"),
        ("", "Question: who?", True, "answer"),
        ("Edit the image: make it rainy", "", True, "edit"),
        ("", "make it rainy", True, "edit"),
        ("Make him answer the phone", "", True, "edit"),
    ],
)
def test_the_form_of_the_input_picks_the_task(instruction: str, text: str, image: bool, task: str) -> None:
    assert task_of(instruction, text, image) == task


def test_lead_ins_are_not_part_of_what_the_model_is_told() -> None:
    assert prompt_of("Generate an image", "a robot, sunny day") == "a robot, sunny day"
    assert prompt_of("Generate an image of a cat", "") == "a cat"
    assert prompt_of("", "a robot") == "a robot"
    assert change_of("Edit the image: change the weather to rainy", "Add raindrops") == (
        "change the weather to rainy. Add raindrops"
    )
    assert change_of("make it rainy", "") == "make it rainy"
    assert question_of("Answer the question based on the image", "Question: who is it?") == "who is it?"
    assert question_of("Answer: who is it?", "") == "who is it?"


def test_the_facade_gives_what_the_runtime_gives(
    model: FluxMultiTaskModel, runtime: LocalRuntime, noise_image: MakeImage
) -> None:
    drawn = model(instruction="Generate an image", input_text="a robot", seed=4)
    assert isinstance(drawn, Image.Image)
    expected = runtime.generate(GenerateRequest(prompt="a robot", seed=4)).image
    assert drawn.tobytes() == expected.tobytes()
    source = noise_image(1, 90, 70)
    region = Region(box=(0, 0, 40, 40))
    edited = model.edit_image(instruction="Edit the image: rain", image=source, seed=4, region=region)
    request = EditRequest(instruction="rain", images=(source,), seed=4, region=region)
    assert edited.tobytes() == runtime.edit(request).image.tobytes()
    assert model(input_text="rain", image=source, seed=4, num_inference_steps=2) == model.edit_image(
        instruction="rain", image=[source], seed=4, num_inference_steps=2
    )
    said = model.generate_text(instruction="Answer", image=source, input_text="who?", max_new_tokens=3)
    request = AnswerRequest(question="who?", images=(source,), max_new_tokens=3)
    assert said == runtime.answer(request).text
    assert isinstance(model(instruction="Answer the question", input_text="who?", image=source), str)


def test_without_a_seed_every_image_is_another(model: FluxMultiTaskModel) -> None:
    images = [model(input_text="a robot", num_inference_steps=1) for _ in range(2)]
    assert all(isinstance(image, Image.Image) for image in images)
    assert images[0] != images[1]


def test_two_facades_and_the_trio_share_one_instance(tiny_model: Path, model: FluxMultiTaskModel) -> None:
    second = FluxMultiTaskModel.from_pretrained(tiny_model, device="cpu", torch_dtype=torch.float32)
    parts = FluxDevModel.from_pretrained(tiny_model, device="cpu", dtype=torch.float32)
    assert second.runtime.instance is model.runtime.instance
    assert parts._runtime.instance is model.runtime.instance


def test_to_chains(tiny_model: Path, model: FluxMultiTaskModel) -> None:
    assert model.to("cpu") is model
    parts = FluxDevModel.from_pretrained(tiny_model).to("cpu")
    assert isinstance(parts, FluxDevModel)
    assert parts._runtime.instance is model.runtime.instance


def test_a_dtype_that_was_asked_for_moves_along(tiny_model: Path) -> None:
    with FluxMultiTaskModel.from_pretrained(tiny_model, device="cpu", dtype=torch.bfloat16) as model:
        assert model.to("cpu").runtime.instance.key.dtype == torch.bfloat16


def test_what_is_closed_gives_its_weights_back(tiny_model: Path) -> None:
    with FluxMultiTaskModel.from_pretrained(tiny_model, dtype=torch.float64) as model:
        parts = FluxDevModel.from_pretrained(tiny_model, dtype=torch.float64)
        key = model.runtime.instance.key
    assert key in instances._instances, "the trio still uses it"
    parts.close()
    assert key not in instances._instances


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_the_trio_refuses_a_seed_out_of_range(tiny_model: Path, seed: int) -> None:
    inputs = FluxTokenizer.from_pretrained(tiny_model)("a robot")
    with pytest.raises(BadSetting, match="seed"):
        FluxDevModel.from_pretrained(tiny_model).generate(**inputs, seed=seed)


@pytest.mark.parametrize(
    ("instruction", "text", "question"),
    [
        ("Answer the question", "Question: who?", "who?"),
        ("Is the answer on the blackboard?", "", "Is the answer on the blackboard?"),
        ("Answering machine?", "", "Answering machine?"),
        ("Answer", "He asks one question: who is it?", "He asks one question: who is it?"),
    ],
)
def test_only_what_a_text_begins_with_is_taken_off(instruction: str, text: str, question: str) -> None:
    assert question_of(instruction, text) == question
    assert prompt_of("redraw the picture of a cat", "") == "redraw the picture of a cat"
    assert change_of("Please edit the image: make it rainy", "") == "Please edit the image: make it rainy"


def test_the_trio_draws_what_the_facade_draws(
    tiny_model: Path, model: FluxMultiTaskModel, tmp_path: Path
) -> None:
    tokenizer = FluxTokenizer.from_pretrained(tiny_model)
    parts = FluxDevModel.from_pretrained(tiny_model, dtype=torch.float32)
    prompts = ["a robot", "a robot watering plants in a greenhouse, sunny day, 一个机器人在温室里浇水"]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    assert inputs.input_ids.shape[1] % 8 == 0
    latents = parts.generate(
        input_ids=inputs.input_ids,
        attention_mask=inputs.attention_mask,
        num_inference_steps=3,
        guidance_scale=7.5,
        flow_match_timesteps=True,
        width=96,
        seed=2**32 - 1,
    )
    assert (latents.width, latents.height, latents.tensor.shape) == (96, 64, (2, 16, 8, 12))
    image_processor = FluxImageProcessor()
    images = image_processor.decode(latents)
    for prompt, image, seed in zip(prompts, images, (2**32 - 1, 0), strict=True):
        request = GenerateRequest(
            prompt=prompt, seed=seed, num_inference_steps=3, guidance_scale=7.5, width=96
        )
        assert image.tobytes() == model.runtime.generate(request).image.tobytes()
    image_processor.save_image(images[0], tmp_path / "cat.png")
    with Image.open(tmp_path / "cat.png") as saved:
        assert saved.tobytes() == images[0].tobytes()


def test_the_tokenizer_refuses_what_it_would_ignore(tiny_model: Path) -> None:
    tokenizer = FluxTokenizer.from_pretrained(tiny_model)
    with pytest.raises(BadSetting, match="return_tensors"):
        tokenizer("a robot", return_tensors="np")
    with pytest.raises(BadSetting, match="padding"):
        tokenizer("a robot", padding=False)
    with pytest.raises(BadSetting, match="tokens"):
        tokenizer("robot " * 9000)


def test_the_package_names_only_what_it_has() -> None:
    assert all(getattr(flux_runtime, name) for name in flux_runtime.__all__)
    with pytest.raises(AttributeError):
        flux_runtime.FluxEverything  # noqa: B018  # pyright: ignore


def test_the_facade_takes_a_picture_as_people_see_it(
    model: FluxMultiTaskModel, noise_image: MakeImage
) -> None:
    photo = noise_image(1, 96, 64)
    photo.getexif()[0x0112] = 6  # lies on its side
    edited = model.edit_image(instruction="rain", image=photo, seed=4, num_inference_steps=1)
    upright = photo.transpose(Image.Transpose.ROTATE_270)
    upright.getexif().clear()
    assert edited.size == (64, 96)
    assert edited == model.edit_image(instruction="rain", image=upright, seed=4, num_inference_steps=1)
