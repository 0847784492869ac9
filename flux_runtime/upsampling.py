"""Prompt upsampling: before it draws, the model's own language model completes what a prompt leaves open.

Flow models average over what a prompt does not say; one that was trained on whole descriptions draws half a
dozen poses over each other where it is told none. FLUX.3 ships such an upsampler (diffusers' PromptUpsampler
step); ours takes any vision-language model with a system prompt, sampled from the drawing's seed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from flux_runtime.errors import MissingCapability
from flux_runtime.evaluations import Evaluated
from flux_runtime.families.protocol import Family, Stop
from flux_runtime.interface import GenerateRequest, Started

if TYPE_CHECKING:
    from flux_runtime.drawing import Stopwatch


def check_upsampler(model: Family, request: GenerateRequest) -> None:
    """Raises MissingCapability if the prompt is to be completed and the model cannot."""
    if request.upsample and not model.capabilities.upsampler:
        raise MissingCapability(
            f"{model.entry.name} has no prompt upsampler.", remedy="Draw the prompt as it stands."
        )


def upsampled(
    model: Family, request: GenerateRequest, watch: Stopwatch, stop: Stop
) -> Generator[Started | None, Evaluated | None, str]:
    """The prompt to draw, completed if the request says so; as it stands if the model says nothing."""
    if not request.upsample:
        return request.prompt
    yield Started(stage="upsample")
    entry = model.entry
    messages = [
        {"role": "system", "content": entry.upsampler_template},
        {"role": "user", "content": model.plain(request.prompt)},
    ]
    talk = model.talk(messages, max_new_tokens=entry.upsampler_tokens, stop=stop, seed=request.seed)
    while True:
        try:
            with watch.running("upsample"):
                next(talk)
        except StopIteration as said:
            return " ".join(model.plain(said.value.text).split()) or request.prompt
        yield
