"""All that is said to a runtime and heard from it survives the way through JSON, pixels and errors too."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

from flux_runtime import errors, interface
from flux_runtime.errors import BadImage, BadMask, BadSetting, Broken, FluxRuntimeError
from flux_runtime.interface import (
    AnswerRequest,
    AnswerResult,
    Capabilities,
    EditRequest,
    Envelope,
    Exchange,
    Finished,
    GenerateRequest,
    ImageResult,
    PictureCheck,
    PlanRequest,
    PlanResult,
    Queued,
    Receipt,
    ReceiptRegion,
    Region,
    Started,
    Step,
    ToolCall,
    ToolSchema,
)
from flux_runtime.picture import MODES, from_base64, pixels_sha256, to_base64
from flux_runtime.vocabulary import Vocabulary
from flux_runtime.wire import MESSAGES, deserialise, serialise


def _image(mode: str = "RGB", size: tuple[int, int] = (13, 7)) -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray((pixels[..., 0].astype(np.uint16) << 8) | pixels[..., 1])
    return Image.fromarray(pixels).convert(mode)


_RECEIPT = Receipt(
    model="pocket",
    revision="0123456789ab",
    prompt="一个机器人",
    seed=2**32 - 1,
    num_inference_steps=8,
    guidance_scale=0.1 + 0.2,
    guidance_kind="cfg",
    width=256,
    height=192,
    shift=1.5,
    dtype="float32",
    device="cpu",
    seconds={"denoise": 1 / 3},
    images=(pixels_sha256(_image()),),
    region=ReceiptRegion(box=(0, 1, 2, 3), outside=True),
    versions={"torch": "2"},
)
_CAPABILITIES: dict[str, Any] = {
    "model": "pocket",
    "generate": True,
    "edit": "reference",
    "answer": "own",
    "plan": True,
    "max_references": 2,
    "mask": True,
    "boxes": True,
    "guidance": "cfg",
    "sizes": ((256, 256),),
    "default_size": (256, 256),
    "default_steps": 8,
    "planner_images": 8,
}
EXAMPLES: dict[str, list[Any]] = {
    "GenerateRequest": [
        GenerateRequest(prompt='a "robot"\n机器人', seed=0),
        GenerateRequest(prompt="a cat", seed=1, upsample=True),
        GenerateRequest(prompt="", seed=1, width=64, num_inference_steps=3, guidance_scale=1.5, previews=4),
    ],
    "EditRequest": [
        EditRequest(instruction="rain", images=(_image(), _image("L")), seed=1),
        EditRequest(instruction="rain", images=(_image(),), seed=1, region=Region(box=(0, 0, 4, 4))),
        EditRequest(
            instruction="rain", images=(_image(),), seed=1, region=Region(mask=_image("L"), outside=True)
        ),
    ],
    "AnswerRequest": [AnswerRequest(question="what?", images=(_image("RGBA"),), max_new_tokens=7)],
    "PlanRequest": [
        PlanRequest(
            message="make it rainy",
            images=(1, 2),
            attached=(2,),
            captions={1: "a robot", 2: "猫"},
            history=(Exchange(said="draw", replied="drew"),),
            tools=(ToolSchema(name="undo", description="Undo.", parameters={"type": "object"}),),
        )
    ],
    "ImageResult": [
        ImageResult(image=_image(), receipt=_RECEIPT),
        ImageResult(image=_image(), receipt=_RECEIPT, outside_change=0.25),
        ImageResult(image=_image(), receipt=_RECEIPT.model_copy(update={"prompt_given": "机器人"})),
    ],
    "AnswerResult": [AnswerResult(text="a cat", seconds=0.1, tokens=3)],
    "PlanResult": [
        PlanResult(calls=(ToolCall(name="a", arguments={"b": [1, None]}),), text="", raw="x", seconds=0.0),
        PlanResult(calls=(), text="hi", raw="hi", seconds=0.0, probability=1 / 3),
    ],
    "Queued": [Queued(position=3)],
    "Started": [Started(stage="denoise")],
    "Step": [Step(step=1, of=8), Step(step=2, of=8, preview=_image())],
    "Finished": [Finished(seconds=1.5)],
    "Capabilities": [
        Capabilities(**_CAPABILITIES, vocabulary="open"),
        Capabilities(
            **_CAPABILITIES,
            vocabulary="open",
            upsampler=True,
            check=PictureCheck(questions={"zh": "{wanted}：缺什么？"}, nothing=("不缺",), unsure=("看不出",)),
            sure_from=0.5,
        ),
        Capabilities(
            **_CAPABILITIES,
            vocabulary=Vocabulary(groups={"animals": {"cat": ("cat", "猫")}}, words=frozenset({"cat", "猫"})),
        ),
    ],
}


def _errors() -> list[type[FluxRuntimeError]]:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    return [kind for kind in kinds if issubclass(kind, FluxRuntimeError)]


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_survives_the_way_through_json(kind: str) -> None:
    for message in EXAMPLES[kind]:
        text = serialise(message)
        assert "\n" not in text
        back, envelope = deserialise(text.encode())
        assert type(back) is MESSAGES[kind]
        assert back == message, "images are compared pixel by pixel"
        assert envelope is None


def test_no_request_result_or_event_is_forgotten() -> None:
    said = {
        name
        for name, kind in inspect.getmembers(interface, inspect.isclass)
        if kind.__module__ == interface.__name__
        and issubclass(kind, BaseModel)
        and (name.endswith(("Request", "Result")) or "kind" in kind.model_fields)
    }
    assert said | {"Capabilities"} == set(MESSAGES) == set(EXAMPLES)


@pytest.mark.parametrize("kind", _errors(), ids=lambda kind: kind.__name__)
def test_every_error_survives_the_way_through_json(kind: type[FluxRuntimeError]) -> None:
    error, _ = deserialise(serialise(kind("It is 太大.", stage="denoise", remedy="Try less.")))
    assert isinstance(error, FluxRuntimeError)
    assert type(error) is kind
    assert str(error) == "It is 太大. Try less."
    assert (error.code, error.message, error.stage, error.remedy) == (
        kind.code,
        "It is 太大.",
        "denoise",
        "Try less.",
    )
    assert error.may_pass is kind.may_pass


def test_an_error_that_only_the_other_side_knows_is_the_nearest_that_is_known() -> None:
    letter = json.loads(serialise(Broken("It melted.", stage="decode")))
    letter["body"]["codes"].insert(0, "melted")
    error, _ = deserialise(json.dumps(letter))
    assert type(error) is Broken
    assert str(error) == "It melted."


def test_a_request_travels_in_its_envelope() -> None:
    envelope = Envelope(id="turn-1", owner="安", priority=-3, deadline_seconds=12.5)
    request = EXAMPLES["EditRequest"][0]
    back = deserialise(serialise(request, envelope))
    assert back == (request, envelope)


def test_every_envelope_has_an_id_of_its_own_and_numbers_in_range() -> None:
    assert Envelope().id != Envelope().id
    for numbers in ({"priority": 101}, {"deadline_seconds": 0.0}, {"deadline_seconds": float("nan")}):
        with pytest.raises(BadSetting, match="must be between"):
            Envelope(**numbers)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("mode", MODES)
def test_pictures_lose_nothing(mode: str) -> None:
    picture = _image(mode)
    back = from_base64(to_base64(picture))
    assert (back.mode, back.size) == (picture.mode, picture.size)
    assert np.array_equal(np.asarray(back.convert("RGB")), np.asarray(picture.convert("RGB")))
    assert mode == "P" or back.tobytes() == picture.tobytes()


def test_a_picture_that_no_png_can_hold_is_named() -> None:
    request = EditRequest(instruction="rain", images=(_image(),), region=Region(mask=_image("CMYK")), seed=1)
    with pytest.raises(BadImage, match="mode CMYK"):
        serialise(request)


@pytest.mark.parametrize("sent", ["", "no base64!", "aGVsbG8=", to_base64(_image())[:80]])
def test_a_picture_that_arrives_broken_is_refused(sent: str) -> None:
    letter = json.loads(serialise(EXAMPLES["AnswerRequest"][0]))
    letter["body"]["images"] = [sent]
    with pytest.raises(BadImage, match="no whole PNG"):
        deserialise(json.dumps(letter))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b"\xff\xfe",
        "[]",
        "null",
        '{"kind": "Exec", "body": {}}',
        '{"kind": "GenerateRequest"}',
        '{"kind": ["GenerateRequest"], "body": {}}',
        '{"kind": "GenerateRequest", "body": {"prompt": "a cat"}}',
        '{"kind": "GenerateRequest", "body": {"prompt": "a cat", "seed": 1}, "envelope": {"rank": 1}}',
        '{"kind": "error", "body": {"codes": [], "message": "x"}}',
        '{"kind": "error", "body": {"codes": [[]], "message": "x", "stage": "", "remedy": ""}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused_with_a_sentence(text: str | bytes) -> None:
    with pytest.raises(BadSetting, match=r"^What arrived is no message of this protocol \(.+\)\. Both"):
        deserialise(text)


def test_what_a_request_may_not_hold_it_may_not_hold_when_it_arrives() -> None:
    with pytest.raises(BadSetting, match="seed -1"):
        deserialise('{"kind": "GenerateRequest", "body": {"prompt": "a cat", "seed": -1}}')
    with pytest.raises(BadMask, match="empty"):
        deserialise(
            json.dumps(
                {
                    "kind": "EditRequest",
                    "body": {"instruction": "x", "images": [], "seed": 1, "region": {"box": [4, 0, 4, 4]}},
                }
            )
        )
