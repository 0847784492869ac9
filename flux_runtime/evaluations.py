"""What a denoise loop asks for and is given: the velocity of a field at (x, sigma).

The loop does not compute it, so that whoever runs several loops may answer several of them in one forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

Velocity = Callable[[torch.Tensor, float], torch.Tensor]
"""Velocity (1, L, C) at tokens x (1, L, C) and noise level sigma in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A velocity that is wanted: of `field` at tokens `x` (1, L, C) and noise level `sigma` in [0, 1]."""

    field: Velocity
    x: torch.Tensor
    sigma: float


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The `velocity` (1, L, C), and the `seconds` until it was there: of the whole forward if shared."""

    velocity: torch.Tensor
    seconds: float


Evaluate = Callable[[Sequence[Evaluation]], Sequence[Evaluated]]
"""Answers evaluations of several jobs, in their order."""


def one_by_one(wanted: Sequence[Evaluation]) -> list[Evaluated]:
    """Answer each evaluation with a forward of its own."""
    return [_evaluated(each) for each in wanted]


def _evaluated(wanted: Evaluation) -> Evaluated:
    """On a GPU it ends when its kernels have: so the seconds are true, and no step runs ahead of a cancel."""
    start = perf_counter()
    velocity = wanted.field(wanted.x, wanted.sigma)
    if velocity.is_cuda:
        torch.cuda.synchronize(velocity.device)
    return Evaluated(velocity, perf_counter() - start)
