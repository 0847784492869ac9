"""Flow-matching arithmetic, shared by sampling and training: pure functions, no model, text or pixels.

Convention of FLUX and diffusers: sigma is the noise level, 1 = pure noise, 0 = data;
`x = (1 - sigma) * data + sigma * noise`; the velocity is `dx/dsigma = noise - data`.
Lipman et al., "Flow Matching for Generative Modeling" (2023); Liu et al., "Rectified Flow" (2022);
the shift is that of Esser et al., "Scaling Rectified Flow Transformers" (2024), section 5.3.2.
"""

from __future__ import annotations

import torch


def shift_sigma(sigma: float, shift: float) -> float:
    """Bend a uniform sigma in [0, 1]: above 1, a shift spends more steps near 1; at 1 it changes nothing."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def sigma_schedule(num_inference_steps: int, *, shift: float = 1.0, shifted: bool = True) -> list[float]:
    """Noise levels of a sampling run: `num_inference_steps + 1` values that fall from 1 to 0.

    With `shifted`, equal to diffusers' `FlowMatchEulerDiscreteScheduler(shift=shift)` fed with
    `linspace(1, 1 / n, n)`; without, uniform.

    Raises:
        ValueError: fewer than one step, or a shift not above 0.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    if shift <= 0:
        raise ValueError(f"shift must be above 0, got {shift}")
    uniform = [1 - i / num_inference_steps for i in range(num_inference_steps + 1)]
    return [shift_sigma(sigma, shift) for sigma in uniform] if shifted else uniform


def interpolate(data: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The point on the straight path: data and noise of shape (B, ...), sigma (B,) in [0, 1]."""
    sigma = sigma.view(-1, *[1] * (data.ndim - 1))
    return (1 - sigma) * data + sigma * noise


def velocity_target(data: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """What the network learns to predict everywhere on the path: `noise - data`."""
    return noise - data


def data_estimate(x: torch.Tensor, velocity: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
    """The clean data that a velocity at (x, sigma) points to; what a preview shows."""
    return x - sigma * velocity


def euler_step(x: torch.Tensor, velocity: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    """One Euler update of dx/dsigma = velocity from `sigma` to `sigma_next`."""
    return x + (sigma_next - sigma) * velocity


def guided_velocity(conditional: torch.Tensor, unconditional: torch.Tensor, scale: float) -> torch.Tensor:
    """Classifier-free guidance (Ho & Salimans 2022) as diffusers' `ClassifierFreeGuidance` computes it."""
    return unconditional + scale * (conditional - unconditional)


def training_sigmas(
    batch: int, *, mean: float = 0.3, std: float = 1.0, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Logit-normal noise levels (B,) in (0, 1) (Esser et al. 2024); a mean above 0 favours noise."""
    return torch.sigmoid(mean + std * torch.randn(batch, generator=generator))
