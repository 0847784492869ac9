"""Answering and planning as work for the engine: both let the chat model continue a conversation.

The answerer is shown images and a question, the planner a message and image numbers, and nothing else.
"""

from __future__ import annotations

from time import perf_counter

from PIL import Image

from flux_runtime.canvas import canvas_for
from flux_runtime.engine import Work
from flux_runtime.errors import MissingCapability
from flux_runtime.families.protocol import Family, Message, Stop
from flux_runtime.interface import AnswerRequest, AnswerResult, PlanRequest, PlanResult, Started
from flux_runtime.planning import plan_messages, read_tool_calls, tool_schemas


def answer(model: Family, request: AnswerRequest, stop: Stop) -> Work[AnswerResult]:
    """Answer from the images alone. Raises MissingCapability at once."""
    if model.capabilities.answer == "none":
        raise MissingCapability(f"{model.entry.name} cannot answer questions.")
    return _answer(model, request, stop)


def plan(model: Family, request: PlanRequest, stop: Stop) -> Work[PlanResult]:
    """Turn a message into tool calls. Raises MissingCapability at once."""
    if not model.capabilities.plan:
        raise MissingCapability(f"{model.entry.name} cannot plan.")
    return _plan(model, request, stop)


def answer_messages(question: str, images: int) -> list[Message]:
    """The conversation the answerer continues: `images` image parts, then the question."""
    parts = [{"type": "image"}] * images
    return [{"role": "user", "content": [*parts, {"type": "text", "text": question}]}]


def _answer(model: Family, request: AnswerRequest, stop: Stop) -> Work[AnswerResult]:
    yield Started(stage="answer")
    start = perf_counter()
    question = model.entry.answer_template.replace("{question}", model.plain(request.question))
    images = [_looked_at(model, image) for image in request.images]
    messages = answer_messages(question, len(images))
    most = request.max_new_tokens or model.entry.answer_tokens
    said = yield from model.talk(messages, images, max_new_tokens=most, stop=stop)
    text = model.plain(said.text).strip()
    return AnswerResult(text=text, seconds=perf_counter() - start, tokens=said.tokens)


def _looked_at(model: Family, image: Image.Image) -> Image.Image:
    """The image as the answerer is shown it: whole and unstretched on a size that the model was made for.

    A model of any size is shown it as it is.
    """
    if not model.entry.sizes:
        return image
    return canvas_for(image.size, model.entry.sizes, model.token_size).put(image)


def _plan(model: Family, request: PlanRequest, stop: Stop) -> Work[PlanResult]:
    yield Started(stage="plan")
    start = perf_counter()
    messages, tools = plan_messages(model.entry, request, model.plain), tool_schemas(request.tools)
    most = request.max_new_tokens or model.entry.plan_tokens
    said = yield from model.talk(messages, tools=tools, max_new_tokens=most, stop=stop)
    calls, text = read_tool_calls(said.text, request.tools)
    return PlanResult(
        calls=calls,
        text=model.plain(text).strip(),
        raw=said.text,
        probability=said.probability,
        seconds=perf_counter() - start,
    )
