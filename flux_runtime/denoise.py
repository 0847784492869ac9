"""The one denoise loop: for every model, for drawing and for editing.

It is a generator that asks for every velocity that it needs and hands over control after each step: so the
engine can hold a job between two steps, and answer several jobs at once. It knows tokens and sigmas, no
model, pixels or text.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from flux_runtime.evaluations import Evaluation, Velocity
from flux_runtime.flow_matching import data_estimate, euler_step, interpolate


@dataclass(frozen=True)
class DenoiseStep:
    """Step `step` (from 1) is done: `x` (1, L, C) at the new noise level, `estimate` of the clean tokens."""

    step: int
    x: torch.Tensor
    estimate: torch.Tensor


@dataclass(frozen=True)
class Anchor:
    """The clean source (1, L, C), and `repaint` (1, L, 1) bool: where it is False, the source must stay."""

    source: torch.Tensor
    repaint: torch.Tensor


def initial_noise(seed: int, channels: int, height: int, width: int) -> torch.Tensor:
    """(1, channels, height, width) float32 on the CPU, as diffusers draws it: the same on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, channels, height, width), generator=generator, dtype=torch.float32)


def denoise(
    field: Velocity, noise: torch.Tensor, sigmas: Sequence[float], anchor: Anchor | None = None
) -> Generator[Evaluation | DenoiseStep, torch.Tensor | None, None]:
    """Walk from noise (1, L, C) down the sigmas (n + 1 of them, the last 0) in n steps.

    Each step yields the Evaluation that it needs, is sent the velocity, and yields a DenoiseStep when done.

    With an anchor, tokens that must stay follow the source's own path from noise to data, so that what is
    repainted is always seen in the surroundings it will have.
    """
    x = noise
    for step, (sigma, sigma_next) in enumerate(pairwise(sigmas), start=1):
        v = yield Evaluation(field, x, sigma)
        assert v is not None, "an evaluation is answered with its velocity"
        estimate = data_estimate(x, v, sigma)
        x = euler_step(x, v, sigma, sigma_next)
        if anchor is not None:
            kept = interpolate(anchor.source, noise, torch.tensor([sigma_next], device=noise.device))
            x = torch.where(anchor.repaint, x, kept)
            estimate = torch.where(anchor.repaint, estimate, anchor.source)
        yield DenoiseStep(step, x, estimate)
