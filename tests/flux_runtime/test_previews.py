"""Previews are few, small, cheap and of the picture that is being drawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from PIL import Image

from flux_runtime.canvas import canvas_for
from flux_runtime.catalogue import find_model
from flux_runtime.families.latents import LatentCodec
from flux_runtime.families.sketch import fit_sketch
from flux_runtime.interface import GenerateRequest, Step
from flux_runtime.pixels import to_tensor
from flux_runtime.pocket.world import draw, random_layout, random_scene
from flux_runtime.previews import PREVIEW_SIDE, PreviewOfEdit, preview_steps
from flux_runtime.runtime import LocalRuntime

MakeImage = Callable[..., Image.Image]


@pytest.mark.parametrize("of", [1, 2, 3, 4, 5, 7, 8, 12, 50, 200])
@pytest.mark.parametrize("previews", [0, 1, 2, 4, 200])
def test_previews_are_as_few_as_asked_for_and_begin_within_a_quarter(previews: int, of: int) -> None:
    steps = preview_steps(previews, of)
    assert len(steps) <= previews
    assert all(1 <= step < of for step in steps)
    if previews and of > 1:
        assert min(steps) <= max(1, of / 4)
    if of >= 10 and previews in (1, 2, 4):
        assert len(steps) == previews


def test_previews_lie_evenly_between_the_first_and_the_end() -> None:
    assert sorted(preview_steps(4, 50)) == [10, 20, 30, 40]
    assert sorted(preview_steps(4, 8)) == [1, 3, 4, 6]


def test_no_preview_runs_the_decoder(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    model = runtime.instance.model
    runtime.generate(GenerateRequest(prompt="a robot", seed=5, previews=1))  # the map is fitted once
    decoded: list[tuple[int, ...]] = []
    monkeypatch.setattr(type(model), "decode", _counting(type(model).decode, decoded))
    monkeypatch.setattr(type(model._codec._vae), "decode", _counting(type(model._codec._vae).decode, decoded))  # pyright: ignore
    events: list[Any] = []
    request = GenerateRequest(prompt="a robot", seed=5, num_inference_steps=20, previews=4)
    runtime.generate(request, on_event=events.append)
    assert sum(isinstance(event, Step) and event.preview is not None for event in events) == 4
    assert len(decoded) == 2, "the model's and its VAE's, both for the picture itself"


def _counting(method: Callable[..., Any], calls: list[tuple[int, ...]]) -> Callable[..., Any]:
    def count(self: Any, latents: torch.Tensor, *args: Any, **named: Any) -> Any:
        calls.append(tuple(latents.shape))
        return method(self, latents, *args, **named)

    return count


def test_the_receipt_counts_the_time_of_previews(runtime: LocalRuntime) -> None:
    plain = GenerateRequest(prompt="a robot", seed=5, num_inference_steps=5)
    assert "preview" not in runtime.generate(plain).receipt.seconds
    seen = runtime.generate(plain.model_copy(update={"previews": 2})).receipt.seconds
    assert seen["preview"] > 0


@pytest.fixture(scope="module")
def pocket_codec() -> LatentCodec:
    return LatentCodec(AutoencoderKLFlux2.from_pretrained(find_model("pocket") / "vae"))


@pytest.mark.parametrize("seed", range(3))
def test_a_preview_shows_what_the_decoder_would(pocket_codec: LatentCodec, seed: int) -> None:
    rng = random.Random(seed)
    picture = to_tensor(draw(random_scene(rng), random_layout(rng)))
    with torch.inference_mode():
        latents = pocket_codec.encode(picture)
        decoded, sketched = pocket_codec.decode(latents), pocket_codec.sketch(latents)
    small = torch.nn.functional.adaptive_avg_pool2d(decoded, sketched.shape[-1])
    assert float(((sketched - small) / 2).square().mean().sqrt()) < 30 / 255
    assert float(torch.corrcoef(torch.stack([sketched.flatten(), small.flatten()]))[0, 1]) > 0.9


def test_a_linear_decoder_is_met_exactly() -> None:
    """A VAE whose latents are the mean colours of 4 px cells, through an invertible matrix."""
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 2.0]])

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return torch.einsum("dc,bchw->bdhw", mix, torch.nn.functional.avg_pool2d(pixels, 4)) + 3

    def decode(latents: torch.Tensor) -> torch.Tensor:
        colors = torch.einsum("dc,bchw->bdhw", torch.linalg.inv(mix), latents - 3)
        return torch.nn.functional.interpolate(colors, scale_factor=4)

    sketch = fit_sketch(encode, decode)
    latents = encode(torch.rand(1, 3, 20, 28) * 2 - 1)
    expected = torch.nn.functional.interpolate(decode(latents), scale_factor=0.5, mode="area")
    assert sketch(latents).shape == (1, 3, 10, 14)
    torch.testing.assert_close(sketch(latents), expected, atol=0.01, rtol=0.01)


@pytest.mark.parametrize("size", [(64, 64), (333, 200), (40, 700), (2000, 3000)])
def test_a_preview_of_an_edit_is_small_keeps_its_proportions_and_shows_what_stays(
    runtime: LocalRuntime, noise_image: MakeImage, size: tuple[int, int]
) -> None:
    source = noise_image(3, *size)
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    canvas = canvas_for(size, (), runtime.instance.model.token_size, max_area=128 * 128)
    preview = PreviewOfEdit(runtime.instance.model, canvas, source, mask)
    with torch.inference_mode():
        latents = torch.randn(1, *runtime.instance.model.latent_shape(canvas.size))
        shown = preview(latents)
    assert max(shown.size) <= PREVIEW_SIDE
    assert shown.width / shown.height == pytest.approx(size[0] / size[1], rel=0.05)
    kept = np.asarray(source.resize(shown.size, Image.Resampling.BOX, reducing_gap=2.0))
    middle = shown.width // 2
    assert np.array_equal(np.asarray(shown)[:, middle + 1 :], kept[:, middle + 1 :])
    assert not np.array_equal(np.asarray(shown)[:, :middle], kept[:, :middle])
