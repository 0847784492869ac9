"""The parts of training that sampling must agree with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from flux_runtime import flow_matching as fm
from flux_runtime.families.latents import pack_2x2, to_grid, to_tokens, unpack_2x2
from flux_runtime.pocket.vae import CHANNELS, LatentBasis


def test_a_step_and_a_noised_picture_are_those_of_diffusers() -> None:
    scheduler: Any = FlowMatchEulerDiscreteScheduler(shift=1.5)  # diffusers types its tensors too narrowly
    scheduler.set_timesteps(8)
    sigmas, timesteps = scheduler.sigmas.tolist(), scheduler.timesteps
    data, noise, velocity = torch.randn(3, 1, 4, 4).unbind()
    stepped = scheduler.step(velocity, timesteps[0], noise, return_dict=False)[0]
    torch.testing.assert_close(fm.euler_step(noise, velocity, sigmas[0], sigmas[1]), stepped)
    noised = scheduler.scale_noise(data, timesteps[2:3], noise)
    torch.testing.assert_close(fm.interpolate(data[None], noise[None], torch.tensor([sigmas[2]]))[0], noised)


def test_training_noise_is_logit_normal_and_repeats_with_its_generator() -> None:
    first, again = (
        fm.training_sigmas(20_000, mean=0.3, generator=torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert 0 < first.min() < 0.05
    assert 0.95 < first.max() < 1
    assert torch.logit(first).mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.logit(first).std().item() == pytest.approx(1, abs=0.03)


def test_latents_and_tokens_are_two_orders_of_the_same_numbers() -> None:
    latents = torch.randn(2, CHANNELS, 16, 16)
    tokens = to_tokens(pack_2x2(latents))
    assert tokens.shape == (2, 64, 4 * CHANNELS)
    assert torch.equal(unpack_2x2(to_grid(tokens, 8, 8)), latents)
    one = torch.zeros(1, CHANNELS, 16, 16)
    one[0, 5, 3, 6] = 1  # the cell in row 3, column 6 lies in the token in row 1, column 3
    assert to_tokens(pack_2x2(one)).nonzero().tolist() == [[0, 8 + 3, 5 * 4 + 2]]


def test_codes_survive_decoding_and_pictures_of_few_components_too() -> None:
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(CHANNELS, 3 * 16 * 16, generator=generator) / 20
    cells = torch.randn(16, 256, CHANNELS, generator=generator) @ components
    images = torch.nn.functional.fold(cells.transpose(1, 2), (256, 256), 16, stride=16)
    basis = LatentBasis()
    basis.fit(images)
    codes = basis.encode(images)
    assert codes.shape == (16, CHANNELS, 16, 16)
    assert codes.var().item() == pytest.approx(1, abs=0.05)
    torch.testing.assert_close(basis.decode(codes), images, atol=1e-3, rtol=0)
    torch.testing.assert_close(basis.encode(basis.decode(codes)), codes, atol=1e-3, rtol=0)
