"""Generating and editing as work that the engine can hold between any two steps.

Each function checks its request at once and returns a generator: it yields progress events, does one step's
work between two of them, and returns the result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from PIL import Image

from flux_runtime.canvas import REFERENCE_AREA, Canvas, canvas_for, drawing_size
from flux_runtime.denoise import Anchor, denoise, initial_noise
from flux_runtime.errors import MissingCapability
from flux_runtime.families.flux3.latents import to_grid, to_tokens
from flux_runtime.families.flux3.model import Flux3Model
from flux_runtime.families.flux3.velocity import References
from flux_runtime.flow_matching import sigma_schedule
from flux_runtime.interface import EditRequest, GenerateRequest, ImageResult, Receipt, Started, Step
from flux_runtime.pixels import laid_over, region_mask, share_changed_outside, to_image, token_mask

Progress = Started | Step
Drawing = Generator[Progress, None, ImageResult]
Sketch = Callable[[torch.Tensor], Image.Image]


class Stopwatch:
    """Seconds of work per stage; the time a job is held between steps does not count.

    On a GPU a stage ends when its kernels have: so the seconds are true, and no step runs ahead of a cancel.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - start


def generate(model: Flux3Model, request: GenerateRequest) -> Drawing:
    """Draw the prompt.

    Raises:
        BadSize, MissingCapability: at once, not when the work is done.
    """
    return _generate(model, request, requested_size(model, request))


def edit(model: Flux3Model, request: EditRequest) -> Drawing:
    """Change the first image as instructed; the result has its size, and its bytes outside the region.

    Raises:
        BadMask, MissingCapability: at once, not when the work is done.
    """
    most = model.capabilities.max_references
    if model.capabilities.edit == "none":
        raise MissingCapability(f"{model.entry.name} cannot edit images.")
    if len(request.images) > most + 1:
        raise MissingCapability(
            f"{model.entry.name} cannot edit with {len(request.images)} images.",
            remedy=f"Give the source and at most {most} more.",
        )
    source = request.images[0]
    mask = region_mask(request.region, source.size) if request.region else None
    return _edit(model, request, mask)


def latents_of_ids(
    model: Flux3Model, request: GenerateRequest, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> Generator[Progress, None, torch.Tensor]:
    """Latents (1, C, h, w) drawn from token ids (1, L) instead of the request's prompt.

    Raises:
        BadSize, MissingCapability: at once, not when the work is done.
    """
    return _latents_of_ids(model, request, input_ids, attention_mask, requested_size(model, request))


def requested_size(model: Flux3Model, request: GenerateRequest) -> tuple[int, int]:
    """(width, height) of the image asked for. Raises BadSize, or MissingCapability if none can be drawn."""
    if not model.capabilities.generate:
        raise MissingCapability(f"{model.entry.name} cannot generate images.")
    return drawing_size(
        request.width,
        request.height,
        default=model.entry.default_size,
        sizes=model.entry.sizes,
        grid=model.codec.token_size,
    )


def _latents_of_ids(
    model: Flux3Model,
    request: GenerateRequest,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    size: tuple[int, int],
) -> Generator[Progress, None, torch.Tensor]:
    yield Started(stage="encode")
    embeds = model.prompts.encode_ids(input_ids, attention_mask)
    return (yield from _denoised(model, request, embeds, size, Stopwatch(model.device)))


def _generate(model: Flux3Model, request: GenerateRequest, size: tuple[int, int]) -> Drawing:
    watch = Stopwatch(model.device)
    yield Started(stage="encode")
    with watch.running("encode"):
        embeds = model.prompts.encode(request.prompt)

    def shown(latents: torch.Tensor) -> Image.Image:
        return to_image(model.codec.decode(latents)[0])

    latents = yield from _denoised(model, request, embeds, size, watch, shown)
    yield Started(stage="decode")
    with watch.running("decode"):
        image = shown(latents)
    return ImageResult(image=image, receipt=_receipt(model, request, request.prompt, size, watch))


def _edit(model: Flux3Model, request: EditRequest, mask: Image.Image | None) -> Drawing:
    watch = Stopwatch(model.device)
    grid = model.codec.token_size
    source, *others = (image.convert("RGB") for image in request.images)
    canvas = canvas_for(source.size, model.entry.sizes, grid)
    yield Started(stage="encode")
    with watch.running("encode"):
        embeds = model.prompts.encode(request.instruction)
        shown_too = [
            canvas_for(image.size, model.entry.sizes, grid, max_area=REFERENCE_AREA).put(image)
            for image in others
        ]
        references = model.references([canvas.put(source), *shown_too])
        anchor = _anchor(references, canvas, mask, grid) if mask else None

    def shown(latents: torch.Tensor) -> Image.Image:
        edited = canvas.take(to_image(model.codec.decode(latents)[0]))
        return laid_over(source, edited, mask) if mask else edited

    latents = yield from _denoised(model, request, embeds, canvas.size, watch, shown, references, anchor)
    yield Started(stage="decode")
    with watch.running("decode"):
        image = shown(latents)
    return ImageResult(
        image=image,
        receipt=_receipt(model, request, request.instruction, source.size, watch),
        outside_change=share_changed_outside(source, image, mask) if mask else None,
    )


def _denoised(
    model: Flux3Model,
    request: GenerateRequest | EditRequest,
    embeds: torch.Tensor,
    size: tuple[int, int],
    watch: Stopwatch,
    shown: Sketch | None = None,
    references: References | None = None,
    anchor: Anchor | None = None,
) -> Generator[Progress, None, torch.Tensor]:
    """Latents (1, C, h, w) of an image of `size`; `shown` makes a preview of latents."""
    count, guidance_scale = _steps(model, request), _guidance(model, request)
    width, height = (side // model.codec.token_size for side in size)
    yield Started(stage="denoise")
    with watch.running("denoise"):
        noise = to_tokens(initial_noise(request.seed, model.latent_channels, height, width)).to(model.device)
        field = model.velocity_field(
            embeds, grid=(height, width), guidance_scale=guidance_scale, references=references
        )
        sigmas = sigma_schedule(count, shift=model.shift, shifted=request.flow_match_timesteps)
    steps = denoise(field, noise, sigmas, anchor)
    x = noise
    for number in range(1, count + 1):
        with watch.running("denoise"):
            step = next(steps)
        x = step.x
        preview = None
        if shown and request.preview_every and number < count and number % request.preview_every == 0:
            preview = shown(to_grid(step.estimate, height, width))
        yield Step(step=number, of=count, preview=preview)
    return to_grid(x, height, width)


def _anchor(references: References, canvas: Canvas, mask: Image.Image, grid: int) -> Anchor:
    repaint = token_mask(canvas.put(mask), grid).to(references.tokens.device)
    return Anchor(references.tokens[:, : repaint.shape[1]].float(), repaint)


def _steps(model: Flux3Model, request: GenerateRequest | EditRequest) -> int:
    return request.num_inference_steps or model.entry.default_steps


def _guidance(model: Flux3Model, request: GenerateRequest | EditRequest) -> float:
    return model.entry.default_guidance if request.guidance_scale is None else request.guidance_scale


def _receipt(
    model: Flux3Model,
    request: GenerateRequest | EditRequest,
    prompt: str,
    size: tuple[int, int],
    watch: Stopwatch,
) -> Receipt:
    guidance_scale = _guidance(model, request)
    return Receipt(
        model=model.entry.name,
        revision=model.revision,
        prompt=prompt,
        seed=request.seed,
        num_inference_steps=_steps(model, request),
        guidance_scale=guidance_scale,
        guidance_kind="none" if guidance_scale == 1 else "cfg",
        width=size[0],
        height=size[1],
        shift=model.shift if request.flow_match_timesteps else 1.0,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        seconds=watch.seconds,
    )
