from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from flux_runtime.errors import Cancelled
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest
from sessions.records import ImageRecord, NewImage
from sessions.store import SessionStore
from tools import TOOLS
from tools.answer_question import ANSWER_QUESTION, AnswerQuestion
from tools.contract import ToolContext
from tools.edit_image import EDIT_IMAGE, EditImage
from tools.generate_image import GENERATE_IMAGE, GenerateImage
from tools.undo import UNDO, Undo

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

SECRET = "words that no answer or edit may see"


def context(store: SessionStore, runtime: ScriptedRuntime, key: str, **settings: Any) -> ToolContext:
    session = store.session("ann", "a")
    turn = store.begin_turn(session, key=key, fingerprint="", text=key, channel="test").id
    base: dict[str, Any] = {"runtime": runtime, "store": store, "session": session, "turn": turn}
    return ToolContext(**{**base, "step": 0, "typed": SECRET, "seed": 7, **settings})


def stored(store: SessionStore, key: str, color: str = "red") -> ImageRecord:
    session = store.session("ann", "a")
    turn = store.begin_turn(session, key=key, fingerprint="", text=key, channel="test").id
    new = NewImage(op="generate", prompt_typed=SECRET, prompt_used=SECRET, caption="a cat", seed=3)
    return store.images.add(session, turn, 0, 0, Image.new("RGB", (20, 10), color), new)


def test_every_tool_tells_the_planner_what_it_and_its_arguments_are_for() -> None:
    assert [tool.name for tool in TOOLS] == ["generate_image", "answer_question", "edit_image", "undo"]
    for tool in TOOLS:
        schema = tool.schema
        assert len(schema.description) > 40
        assert set(schema.parameters["required"]) <= set(schema.parameters["properties"])
        for argument in schema.parameters["properties"].values():
            assert argument["type"] in ("string", "boolean")
            assert len(argument["description"]) > 20


def test_pixels_of_a_region_are_not_for_the_planner() -> None:
    assert "region" not in EDIT_IMAGE.schema.parameters["properties"]


def test_generate_passes_prompt_and_settings_and_keeps_the_receipt(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    settings: dict[str, Any] = {"width": 32, "height": 24, "num_inference_steps": 4, "previews": 2}
    outcome = GENERATE_IMAGE.run(GenerateImage(prompt="a cat"), context(store, scripted, "k", **settings))
    assert scripted.requests == [GenerateRequest(prompt="a cat", seed=7, **settings)]
    (image,) = outcome.images
    assert (image.op, image.prompt_used, image.prompt_typed) == ("generate", "a cat", SECRET)
    assert (image.width, image.height, image.seed) == (32, 24, 7)
    assert image.receipt is not None
    assert image.receipt["model"] == "scripted"


def test_generate_with_a_source_is_a_variation_of_it(store: SessionStore, scripted: ScriptedRuntime) -> None:
    source = stored(store, "k1")
    again = GenerateImage(prompt="a cat", another_take_on="#1")
    outcome = GENERATE_IMAGE.run(again, context(store, scripted, "k2", sources=(source,)))
    (image,) = outcome.images
    assert image.op == "variation"
    assert [(parent.n, parent.role) for parent in image.parents] == [(1, "base")]


def test_the_answerer_sees_the_pictures_and_the_question_and_nothing_else(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    source = stored(store, "k1")
    question = AnswerQuestion(image="#1", question="what colour?")
    outcome = ANSWER_QUESTION.run(question, context(store, scripted, "k2", sources=(source,)))
    (request,) = scripted.requests
    assert isinstance(request, AnswerRequest)
    assert request.model_dump(exclude={"images"}) == {"question": "what colour?", "max_new_tokens": None}
    assert [image.tobytes() for image in request.images] == [Image.new("RGB", (20, 10), "red").tobytes()]
    assert request.images[0].info == {}
    assert outcome.answer == "colour (255, 0, 0)"


def test_another_picture_under_the_same_question_changes_the_answer(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    answers = [
        ANSWER_QUESTION.run(
            AnswerQuestion(image="last", question="what colour?"),
            context(store, scripted, f"ask {key}", sources=(stored(store, key, color),)),
        ).answer
        for key, color in (("k1", "red"), ("k2", "blue"))
    ]
    assert answers == ["colour (255, 0, 0)", "colour (0, 0, 255)"]


def test_the_editor_sees_pictures_instruction_and_region_and_nothing_else(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    source, reference = stored(store, "k1"), stored(store, "k2", "blue")
    change = EditImage(image="#1 #2", instruction="make it rain").within((1, 2, 5, 6))
    outcome = EDIT_IMAGE.run(change, context(store, scripted, "k3", sources=(source, reference)))
    (request,) = scripted.requests
    assert isinstance(request, EditRequest)
    assert request.region is not None
    assert request.region.box == (1, 2, 5, 6)
    assert [image.getpixel((0, 0)) for image in request.images] == [(255, 0, 0), (0, 0, 255)]
    words = str(request.model_dump(exclude={"images", "region"}))
    assert "make it rain" in words
    assert SECRET not in words
    (image,) = outcome.images
    assert (image.op, image.region, image.outside_change) == ("inpaint", (1, 2, 5, 6), 0.0)
    assert [(parent.n, parent.role) for parent in image.parents] == [(1, "base"), (2, "reference")]
    assert image.caption == "a cat; make it rain"


def test_a_step_that_was_stored_before_runs_no_model(store: SessionStore, scripted: ScriptedRuntime) -> None:
    here = context(store, scripted, "k")
    cat = GenerateImage(prompt="a cat")
    first = GENERATE_IMAGE.run(cat, here)
    assert GENERATE_IMAGE.run(cat, here) == first
    edit = context(store, scripted, "k2", sources=first.images)
    rain = EditImage(image="last", instruction="make it rain")
    assert EDIT_IMAGE.run(rain, edit) == EDIT_IMAGE.run(rain, edit)
    assert len(scripted.requests) == 2


def test_a_stopped_step_stores_nothing(store: SessionStore, scripted: ScriptedRuntime) -> None:
    cancel = threading.Event()
    cancel.set()
    here = context(store, scripted, "k", cancel=cancel)
    with pytest.raises(Cancelled):
        GENERATE_IMAGE.run(GenerateImage(prompt="a cat"), here)
    assert store.images.of(here.session) == ()


def test_undo_and_redo_move_without_a_model(store: SessionStore, scripted: ScriptedRuntime) -> None:
    one, two = stored(store, "k1"), stored(store, "k2")
    undone = UNDO.run(Undo(), context(store, scripted, "k3"))
    assert undone.move == (two, one)
    redone = UNDO.run(Undo(forward=True), context(store, scripted, "k4"))
    assert redone.move == (one, two)
    assert scripted.requests == []
