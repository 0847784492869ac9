"""Requests refuse what cannot be done, with sentences for a person, and importing them is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from flux_runtime.errors import BadImage, BadMask, BadSetting, FluxRuntimeError, TryOther
from flux_runtime.interface import (
    AnswerRequest,
    EditRequest,
    Event,
    GenerateRequest,
    Queued,
    Receipt,
    ReceiptRegion,
    Region,
    Step,
)

IMAGE = Image.new("RGB", (8, 8))


def test_importing_the_interface_loads_no_heavy_library() -> None:
    code = (
        "import sys, flux_runtime.interface, flux_runtime.errors, flux_runtime.catalogue\n"
        "print(sorted({'torch', 'transformers', 'diffusers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"seed": 1, "num_inference_steps": 0},
        {"seed": 1, "num_inference_steps": 201},
        {"seed": 1, "guidance_scale": -0.1},
        {"seed": 1, "guidance_scale": float("nan")},
        {"seed": 1, "previews": -1},
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(BadSetting, match="must be between"):
        GenerateRequest(prompt="a cat", **arguments)  # pyright: ignore[reportArgumentType]


def test_an_edit_needs_a_source_and_an_answer_an_image() -> None:
    with pytest.raises(BadImage, match="no image to edit"):
        EditRequest(instruction="make it rainy", images=(), seed=1)
    with pytest.raises(BadImage, match="no image to answer"):
        AnswerRequest(question="what is it?", images=())


def test_a_region_is_exactly_one_of_box_and_mask() -> None:
    with pytest.raises(BadMask, match="either a box or a mask"):
        Region()
    with pytest.raises(BadMask, match="either a box or a mask"):
        Region(box=(0, 0, 4, 4), mask=Image.new("L", (8, 8)))
    with pytest.raises(BadMask, match="empty"):
        Region(box=(4, 0, 4, 4))


def test_requests_are_frozen_and_know_no_other_fields() -> None:
    request = EditRequest(instruction="make it rainy", images=(IMAGE,), seed=1)
    with pytest.raises(ValidationError):
        request.seed = 2  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError):
        GenerateRequest(prompt="a cat", seed=1, sampler="heun")  # pyright: ignore[reportCallIssue]


def test_events_are_told_apart_by_kind() -> None:
    adapter: TypeAdapter[Event] = TypeAdapter(Event)
    assert adapter.validate_python({"kind": "queued", "position": 2}) == Queued(position=2)
    assert adapter.validate_python({"kind": "step", "step": 1, "of": 8}) == Step(step=1, of=8)


def test_receipts_of_other_versions_can_be_read() -> None:
    first_edition = {
        "model": "pocket",
        "revision": "0123456789ab",
        "prompt": "a robot",
        "seed": 7,
        "num_inference_steps": 8,
        "guidance_scale": 1.5,
        "guidance_kind": "cfg",
        "width": 256,
        "height": 256,
        "shift": 1.0,
        "dtype": "float32",
        "device": "cpu",
        "seconds": {"denoise": 0.4},
    }
    old = Receipt.model_validate(first_edition)
    assert (old.images, old.region, old.versions) == ((), None, {})
    newer = first_edition | {"region": {"box": [0, 0, 4, 4], "words": "the sky"}, "adapter": "comics"}
    assert Receipt.model_validate(newer).region == ReceiptRegion(box=(0, 0, 4, 4))


def _classes(base: type[FluxRuntimeError]) -> list[type[FluxRuntimeError]]:
    return [base, *(deeper for sub in base.__subclasses__() for deeper in _classes(sub))]


def test_every_error_has_a_code_of_its_own_and_reads_as_a_sentence() -> None:
    codes = [error.code for error in _classes(FluxRuntimeError)]
    assert len(codes) == len(set(codes))
    error = BadSetting("The seed is odd.", stage="request", remedy="Use an even one.")
    assert isinstance(error, TryOther)
    assert str(error) == "The seed is odd. Use an even one."
    assert (error.code, error.stage, error.message) == ("bad_setting", "request", "The seed is odd.")
