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
from tools.answer_question import ANSWER_QUESTION
from tools.contract import ToolContext, ToolTask
from tools.edit_image import EDIT_IMAGE
from tools.generate_image import GENERATE_IMAGE
from tools.undo import REDO, UNDO

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
        assert set(schema.parameters["required"]) == set(schema.parameters["properties"])
        for argument in schema.parameters["properties"].values():
            assert len(argument["description"]) > 20


def test_generate_passes_prompt_and_settings_and_keeps_the_receipt(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    settings: dict[str, Any] = {"width": 32, "height": 24, "num_inference_steps": 4, "preview_every": 2}
    outcome = GENERATE_IMAGE.run(ToolTask("a cat"), context(store, scripted, "k", **settings))
    assert scripted.requests == [GenerateRequest(prompt="a cat", seed=7, **settings)]
    (image,) = outcome.images
    assert (image.op, image.prompt_used, image.prompt_typed) == ("generate", "a cat", SECRET)
    assert (image.width, image.height, image.seed) == (32, 24, 7)
    assert image.receipt is not None
    assert image.receipt["model"] == "scripted"


def test_generate_with_a_source_is_a_variation_of_it(store: SessionStore, scripted: ScriptedRuntime) -> None:
    source = stored(store, "k1")
    outcome = GENERATE_IMAGE.run(ToolTask("a cat", (source,)), context(store, scripted, "k2"))
    (image,) = outcome.images
    assert image.op == "variation"
    assert [(parent.n, parent.role) for parent in image.parents] == [(1, "base")]


def test_the_answerer_sees_the_pictures_and_the_question_and_nothing_else(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    source = stored(store, "k1")
    outcome = ANSWER_QUESTION.run(ToolTask("what colour?", (source,)), context(store, scripted, "k2"))
    (request,) = scripted.requests
    assert isinstance(request, AnswerRequest)
    assert request.model_dump(exclude={"images"}) == {"question": "what colour?", "max_new_tokens": 64}
    assert [image.tobytes() for image in request.images] == [Image.new("RGB", (20, 10), "red").tobytes()]
    assert request.images[0].info == {}
    assert outcome.answer == "colour (255, 0, 0)"


def test_another_picture_under_the_same_question_changes_the_answer(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    answers = [
        ANSWER_QUESTION.run(
            ToolTask("what colour?", (stored(store, key, color),)), context(store, scripted, f"ask {key}")
        ).answer
        for key, color in (("k1", "red"), ("k2", "blue"))
    ]
    assert answers == ["colour (255, 0, 0)", "colour (0, 0, 255)"]


def test_the_editor_sees_pictures_instruction_and_region_and_nothing_else(
    store: SessionStore, scripted: ScriptedRuntime
) -> None:
    source, reference = stored(store, "k1"), stored(store, "k2", "blue")
    task = ToolTask("make it rain", (source, reference), (1, 2, 5, 6))
    outcome = EDIT_IMAGE.run(task, context(store, scripted, "k3"))
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
    first = GENERATE_IMAGE.run(ToolTask("a cat"), here)
    assert GENERATE_IMAGE.run(ToolTask("a cat"), here) == first
    edit = context(store, scripted, "k2")
    task = ToolTask("make it rain", first.images)
    assert EDIT_IMAGE.run(task, edit) == EDIT_IMAGE.run(task, edit)
    assert len(scripted.requests) == 2


def test_a_stopped_step_stores_nothing(store: SessionStore, scripted: ScriptedRuntime) -> None:
    cancel = threading.Event()
    cancel.set()
    here = context(store, scripted, "k", cancel=cancel)
    with pytest.raises(Cancelled):
        GENERATE_IMAGE.run(ToolTask("a cat"), here)
    assert store.images.of(here.session) == ()


def test_undo_and_redo_move_without_a_model(store: SessionStore, scripted: ScriptedRuntime) -> None:
    one, two = stored(store, "k1"), stored(store, "k2")
    undone = UNDO.run(ToolTask(""), context(store, scripted, "k3"))
    assert undone.move == (two, one)
    redone = UNDO.run(ToolTask(REDO), context(store, scripted, "k4"))
    assert redone.move == (one, two)
    assert scripted.requests == []
