"""Generating and editing as work that the engine can hold between any two steps.

Each function checks its request at once and returns a generator, or what begins one: it yields progress
events, does one step's work between two of them, and returns the result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter

import torch
from PIL import Image

from flux_runtime.canvas import REFERENCE_AREA, Canvas, canvas_for, drawing_size
from flux_runtime.denoise import Anchor, DenoiseStep, denoise, initial_noise
from flux_runtime.errors import BadSetting, MissingCapability
from flux_runtime.evaluations import Evaluated, Evaluation
from flux_runtime.families.protocol import Conditioning, Family, References, Schedule, Stop
from flux_runtime.interface import (
    EditRequest,
    GenerateRequest,
    GuidanceKind,
    ImageResult,
    Receipt,
    ReceiptRegion,
    Region,
    Started,
    Step,
)
from flux_runtime.machine import library_versions
from flux_runtime.pixels import laid_over, region_mask, share_changed_outside, to_image, token_mask
from flux_runtime.previews import Preview, PreviewOfEdit, preview_of_drawing, preview_steps, sketched
from flux_runtime.receipts import picture_hashes, region_of_receipt
from flux_runtime.untouched import changed_mask, share_kept
from flux_runtime.upsampling import check_upsampler, upsampled

Progress = Started | Step | Evaluation | None
Drawing = Generator[Progress, Evaluated | None, ImageResult]


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


def generate(model: Family, request: GenerateRequest) -> Callable[[Stop], Drawing]:
    """Draw the prompt, completed first if the request says so; what it returns begins the work.

    Raises:
        BadSize, BadSetting, MissingCapability: at once, not when the work is done.
    """
    check_upsampler(model, request)
    return partial(_generate, model, request, requested_size(model, request))


def edit(model: Family, request: EditRequest) -> Drawing:
    """Change the first image as instructed; the result has its size, and its bytes outside the region.

    Raises:
        BadMask, BadSetting, MissingCapability: at once, not when the work is done.
    """
    most = model.capabilities.max_references
    if model.capabilities.edit == "none":
        raise MissingCapability(f"{model.entry.name} cannot edit images.")
    if len(request.images) > most + 1:
        raise MissingCapability(
            f"{model.entry.name} cannot edit with {len(request.images)} images.",
            remedy=f"Give the source and at most {most} more.",
        )
    _check_region(model, request.region)
    _check_guidance(model, request)
    source = request.images[0]
    mask = region_mask(request.region, source.size) if request.region else None
    # Here and not in the generator: hashing large pictures must not hold the engine up.
    return _edit(model, request, mask, picture_hashes(request), region_of_receipt(request.region))


def latents_of_ids(
    model: Family, request: GenerateRequest, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> Generator[Progress, Evaluated | None, torch.Tensor]:
    """Latents (1, C, h, w) drawn from token ids (1, L) instead of the request's prompt.

    Raises:
        BadSize, BadSetting, MissingCapability: at once, not when the work is done.
    """
    return _latents_of_ids(model, request, input_ids, attention_mask, requested_size(model, request))


def requested_size(model: Family, request: GenerateRequest) -> tuple[int, int]:
    """(width, height) of the image asked for.

    Raises:
        BadSize, BadSetting: the model cannot draw it at that size, or with that guidance.
        MissingCapability: it draws none at all.
    """
    if not model.capabilities.generate:
        raise MissingCapability(f"{model.entry.name} cannot generate images.")
    _check_guidance(model, request)
    return drawing_size(
        request.width,
        request.height,
        default=model.entry.default_size,
        sizes=model.entry.sizes,
        grid=model.token_size,
    )


def _latents_of_ids(
    model: Family,
    request: GenerateRequest,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    size: tuple[int, int],
) -> Generator[Progress, Evaluated | None, torch.Tensor]:
    yield Started(stage="encode")
    embeds = model.encode_ids(input_ids, attention_mask)
    return (yield from _denoised(model, request, embeds, size, Stopwatch(model.device)))


def _generate(model: Family, request: GenerateRequest, size: tuple[int, int], stop: Stop) -> Drawing:
    watch = Stopwatch(model.device)
    prompt = yield from upsampled(model, request, watch, stop)
    yield Started(stage="encode")
    with watch.running("encode"):
        embeds = model.encode_prompt(prompt)

    preview = preview_of_drawing(model)
    latents = yield from _denoised(model, request, embeds, size, watch, preview)
    yield Started(stage="decode")
    with watch.running("decode"):
        image = to_image(model.decode(latents)[0])
    receipt = _receipt(model, request, prompt, size, size, watch)
    if prompt != request.prompt:
        receipt = receipt.model_copy(update={"prompt_given": request.prompt})
    return ImageResult(image=image, receipt=receipt)


def _edit(
    model: Family,
    request: EditRequest,
    mask: Image.Image | None,
    hashes: tuple[str, ...],
    region: ReceiptRegion | None,
) -> Drawing:
    watch = Stopwatch(model.device)
    grid = model.token_size
    source, *others = (image.convert("RGB") for image in request.images)
    canvas = canvas_for(source.size, model.entry.sizes, grid)
    yield Started(stage="encode")
    with watch.running("encode"):
        embeds = model.encode_prompt(request.instruction)
        shown_too = [
            canvas_for(image.size, model.entry.sizes, grid, max_area=REFERENCE_AREA).put(image)
            for image in others
        ]
        references = model.encode_references([canvas.put(source), *shown_too])
        anchor = _anchor(references, canvas, mask, grid) if mask else None

    preview = PreviewOfEdit(model, canvas, source, mask)
    latents = yield from _denoised(model, request, embeds, canvas.size, watch, preview, references, anchor)
    yield Started(stage="decode")
    with watch.running("decode"):
        drawn = to_image(model.decode(latents)[0])
        changed, kept = mask, None
        if mask is None:
            before = model.unpack(references.source, canvas.size)
            found = changed_mask(sketched(model, before, canvas.size), sketched(model, latents, canvas.size))
            changed = canvas.take(found) if found else None
            redrawn = 0.0 if canvas.resamples else None  # at its own size that costs no detail
            kept = share_kept(changed) if changed else redrawn
        image = canvas.take(drawn)
        if changed:
            image = laid_over(source, image, changed)
    receipt = _receipt(model, request, request.instruction, source.size, canvas.size, watch)
    return ImageResult(
        image=image,
        receipt=receipt.model_copy(update={"images": hashes, "region": region}),
        outside_change=share_changed_outside(source, image, mask) if mask else None,
        kept=kept,
    )


def _denoised(
    model: Family,
    request: GenerateRequest | EditRequest,
    embeds: Conditioning,
    size: tuple[int, int],
    watch: Stopwatch,
    preview: Preview | None = None,
    references: References | None = None,
    anchor: Anchor | None = None,
) -> Generator[Progress, Evaluated | None, torch.Tensor]:
    """Latents (1, C, h, w) of an image of `size`."""
    count, guidance_scale = _steps(model, request), _guidance(model, request)
    yield Started(stage="denoise")
    with watch.running("denoise"):
        noise = model.pack(initial_noise(request.seed, *model.latent_shape(size))).to(model.device)
        field = model.velocity_field(embeds, size=size, guidance_scale=guidance_scale, references=references)
        sigmas = _schedule(model, request, size).sigmas
    shown_after = preview_steps(request.previews, count)
    x = noise
    for step in (walk := denoise(field, noise, sigmas, anchor)):
        if isinstance(step, Evaluation):
            evaluated = yield step
            assert evaluated is not None, "the engine answers every evaluation"
            watch.seconds["denoise"] += evaluated.seconds
            with watch.running("denoise"):
                step = walk.send(evaluated.velocity)
        assert isinstance(step, DenoiseStep)
        x, number = step.x, step.step
        image = None
        if preview and number in shown_after:
            with watch.running("preview"):
                image = preview(model.unpack(step.estimate, size))
        yield Step(step=number, of=count, preview=image)
    return model.unpack(x, size)


def _anchor(references: References, canvas: Canvas, mask: Image.Image, grid: int) -> Anchor:
    repaint = token_mask(canvas.put(mask), grid).to(references.source.device)
    return Anchor(references.source.float(), repaint)


def _check_region(model: Family, region: Region | None) -> None:
    able = model.capabilities
    if region is None or (able.boxes if region.box else able.mask):
        return
    other = "Give a mask, or edit" if able.mask else "Give a box, or edit" if able.boxes else "Edit"
    raise MissingCapability(
        f"{model.entry.name} cannot keep an edit to a {'box' if region.box else 'mask'}.",
        remedy=f"{other} the whole image.",
    )


def _check_guidance(model: Family, request: GenerateRequest | EditRequest) -> None:
    if model.capabilities.guidance == "none" and request.guidance_scale not in (None, 1):
        raise BadSetting(
            f"{model.entry.name} takes no guidance scale.", remedy="Leave it out, or set it to 1."
        )


def _schedule(model: Family, request: GenerateRequest | EditRequest, size: tuple[int, int]) -> Schedule:
    """The noise levels for drawing at `size`, which is the canvas's where that is not the image's own."""
    tokens = (size[0] // model.token_size) * (size[1] // model.token_size)
    return model.schedule(_steps(model, request), tokens, shifted=request.flow_match_timesteps)


def _steps(model: Family, request: GenerateRequest | EditRequest) -> int:
    return request.num_inference_steps or model.entry.default_steps


def _guidance(model: Family, request: GenerateRequest | EditRequest) -> float:
    return model.entry.default_guidance if request.guidance_scale is None else request.guidance_scale


def _guidance_kind(model: Family, guidance_scale: float) -> GuidanceKind:
    """Two-pass guidance of scale 1 is none; an embedded scale of 1 is one like any other."""
    kind = model.capabilities.guidance
    return "none" if kind == "cfg" and guidance_scale == 1 else kind


def _receipt(
    model: Family,
    request: GenerateRequest | EditRequest,
    prompt: str,
    size: tuple[int, int],
    drawn_size: tuple[int, int],
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
        guidance_kind=_guidance_kind(model, guidance_scale),
        width=size[0],
        height=size[1],
        shift=_schedule(model, request, drawn_size).shift,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        seconds=watch.seconds,
        versions=library_versions(),
    )
