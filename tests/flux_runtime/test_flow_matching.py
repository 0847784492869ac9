"""The arithmetic against known velocity fields and against diffusers' scheduler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from flux_runtime import flow_matching as fm
from flux_runtime.denoise import Anchor, DenoiseStep, denoise, initial_noise
from flux_runtime.evaluations import Evaluation, Velocity


def _walk(
    field: Velocity, noise: torch.Tensor, sigmas: Sequence[float], anchor: Anchor | None = None
) -> list[DenoiseStep]:
    """The steps of a walk whose every evaluation is answered at once."""
    steps: list[DenoiseStep] = []
    walk = denoise(field, noise, sigmas, anchor)
    for wanted in walk:
        assert isinstance(wanted, Evaluation)
        step = walk.send(wanted.field(wanted.x, wanted.sigma))
        assert isinstance(step, DenoiseStep)
        steps.append(step)
    return steps


@pytest.mark.parametrize("shift", [1.0, 1.5, 6.93])
@pytest.mark.parametrize("steps", [1, 8, 50])
def test_the_schedule_is_that_of_diffusers(shift: float, steps: int) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps).tolist())
    np.testing.assert_allclose(fm.sigma_schedule(steps, shift=shift), np.asarray(scheduler.sigmas), atol=1e-6)


def test_an_unshifted_schedule_is_uniform() -> None:
    assert fm.sigma_schedule(4, shift=3.0, shifted=False) == pytest.approx([1, 0.75, 0.5, 0.25, 0])


@pytest.mark.parametrize("arguments", [(0, 1.0), (4, 0.0), (4, -1.0)])
def test_an_impossible_schedule_is_refused(arguments: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        fm.sigma_schedule(arguments[0], shift=arguments[1])


def test_on_straight_paths_any_number_of_steps_is_exact() -> None:
    data, noise = torch.randn(1, 5, 3), torch.randn(1, 5, 3)
    target = fm.velocity_target(data, noise)
    for steps in (1, 3, 10):
        *_, last = _walk(lambda x, sigma: target, noise, fm.sigma_schedule(steps, shift=2.0))
        torch.testing.assert_close(last.x, data)
        assert last.step == steps


def test_every_step_estimates_the_data_of_a_straight_path() -> None:
    data, noise = torch.randn(1, 5, 3), torch.randn(1, 5, 3)
    target = fm.velocity_target(data, noise)
    for step in _walk(lambda x, sigma: target, noise, fm.sigma_schedule(5)):
        torch.testing.assert_close(step.estimate, data)


def test_euler_converges_at_first_order_on_a_linear_field() -> None:
    """dx/dsigma = x from sigma 1 to 0 takes x to x / e."""
    start = torch.ones(1, 1, 1, dtype=torch.float64)

    def error(steps: int) -> float:
        *_, last = _walk(lambda x, sigma: x, start, fm.sigma_schedule(steps))
        return abs(last.x.item() - np.exp(-1))

    assert error(100) < 0.002
    assert error(50) / error(100) == pytest.approx(2, rel=0.05)


def test_the_field_is_asked_once_a_step_at_its_noise_level() -> None:
    asked: list[float] = []

    def field(x: torch.Tensor, sigma: float) -> torch.Tensor:
        asked.append(sigma)
        return torch.zeros_like(x)

    sigmas = fm.sigma_schedule(4, shift=1.5)
    _walk(field, torch.zeros(1, 2, 2), sigmas)
    assert asked == sigmas[:-1]


def test_anchored_tokens_follow_the_source_from_noise_to_data() -> None:
    source, noise = torch.randn(1, 4, 2), torch.randn(1, 4, 2)
    repaint = torch.tensor([True, False, False, True]).view(1, 4, 1)
    sigmas = fm.sigma_schedule(3)
    seen: list[torch.Tensor] = []

    def field(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append(x)
        return torch.ones_like(x)

    *_, last = _walk(field, noise, sigmas, Anchor(source, repaint))
    for x, sigma in zip(seen, sigmas, strict=False):
        torch.testing.assert_close(x[:, 1:3], ((1 - sigma) * source + sigma * noise)[:, 1:3])
    torch.testing.assert_close(last.x[:, 1:3], source[:, 1:3])
    torch.testing.assert_close(last.x[:, [0, 3]], noise[:, [0, 3]] - 1)


def test_interpolation_meets_data_and_noise_at_its_ends() -> None:
    data, noise = torch.randn(2, 4), torch.randn(2, 4)
    mixed = fm.interpolate(data, noise, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(mixed, torch.stack([data[0], noise[1]]))


def test_guidance_of_one_is_the_conditional_velocity() -> None:
    conditional, unconditional = torch.randn(1, 3), torch.randn(1, 3)
    torch.testing.assert_close(fm.guided_velocity(conditional, unconditional, 1.0), conditional)
    torch.testing.assert_close(fm.guided_velocity(conditional, unconditional, 0.0), unconditional)


def test_noise_depends_on_the_seed_alone() -> None:
    assert torch.equal(initial_noise(2**32 - 1, 4, 3, 2), initial_noise(2**32 - 1, 4, 3, 2))
    assert not torch.equal(initial_noise(1, 4, 3, 2), initial_noise(2, 4, 3, 2))


def test_a_step_asks_for_its_velocity_and_waits_until_it_is_sent() -> None:
    data, noise = torch.randn(1, 5, 3), torch.randn(1, 5, 3)

    def nobody_calls_it(x: torch.Tensor, sigma: float) -> torch.Tensor:
        raise AssertionError("the loop computes nothing itself")

    walks = [denoise(nobody_calls_it, noise, fm.sigma_schedule(3)) for _ in range(2)]
    asked = [next(walk) for walk in walks]  # both wait, so that one forward could answer both
    done: list[Evaluation | DenoiseStep] = []
    for _ in range(3):
        assert all(isinstance(wanted, Evaluation) for wanted in asked)
        velocities = torch.cat([noise - data, 2 * (noise - data)])
        done = [walk.send(velocity[None]) for walk, velocity in zip(walks, velocities, strict=True)]
        asked = [next(walk, None) for walk in walks]
    assert asked == [None, None]
    ends = [step.x for step in done if isinstance(step, DenoiseStep)]
    torch.testing.assert_close(ends, [data, 2 * data - noise])
