"""What is said to a runtime and heard from it as JSON, for a runtime in another process or elsewhere.

A letter is `{"kind", "body"}`, with `"envelope"` for a request: the name of a class of `interface` and its
fields, images included, or `"error"` with its codes, the class's own first and then those of its bases, so
that who does not know the class knows what kind of failure it is.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from flux_runtime.errors import BadSetting, FluxRuntimeError
from flux_runtime.interface import (
    AnswerRequest,
    AnswerResult,
    Capabilities,
    EditRequest,
    Envelope,
    Finished,
    GenerateRequest,
    ImageResult,
    PlanRequest,
    PlanResult,
    Queued,
    Started,
    Step,
)

Request = GenerateRequest | EditRequest | AnswerRequest | PlanRequest
Result = ImageResult | AnswerResult | PlanResult
Event = Queued | Started | Step | Finished
Message = Request | Result | Event | Capabilities | FluxRuntimeError

MESSAGES = {
    kind.__name__: kind for kind in (*Request.__args__, *Result.__args__, *Event.__args__, Capabilities)
}

_ERROR = "error"


class Letter(NamedTuple):
    """A message and, if it is a request that came in one, its envelope."""

    message: Message
    envelope: Envelope | None


def serialise(message: Message, envelope: Envelope | None = None) -> str:
    """The message as one line of JSON.

    Raises:
        BadImage: it holds an image that no PNG can hold.
    """
    letter: dict[str, Any]
    if isinstance(message, FluxRuntimeError):
        codes = [kind.code for kind in type(message).__mro__ if issubclass(kind, FluxRuntimeError)]
        said = {"message": message.message, "stage": message.stage, "remedy": message.remedy}
        letter = {"kind": _ERROR, "body": {"codes": codes, **said}}
    else:
        letter = {"kind": type(message).__name__, "body": _body(message)}
    if envelope is not None:
        letter["envelope"] = envelope.model_dump(mode="json")
    return json.dumps(letter, ensure_ascii=False)


def deserialise(text: str | bytes) -> Letter:
    """What `serialise` made the text of.

    Raises:
        BadSetting: the text is no such message.
        BadImage, BadMask: an image or a region in it cannot be used.
    """
    try:
        letter = json.loads(text)
        kind, body, envelope = letter["kind"], letter["body"], letter.get("envelope")
        opened = None if envelope is None else Envelope.model_validate(envelope)
        message = _error(**body) if kind == _ERROR else MESSAGES[kind].model_validate(body)
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadSetting(
            f"What arrived is no message of this protocol ({_reason(error)}).",
            remedy="Both sides must speak the same version of it.",
        ) from error
    return Letter(message, opened)


def _body(message: Request | Result | Event | Capabilities) -> dict[str, Any]:
    try:
        return message.model_dump(mode="json")
    except PydanticSerializationError as error:  # hides what a field's own writer said
        if isinstance(error.__cause__, FluxRuntimeError):
            raise error.__cause__ from None
        raise


def _error(codes: list[str], message: str, stage: str, remedy: str) -> FluxRuntimeError:
    known = {kind.code: kind for kind in FluxRuntimeError.kinds()}
    nearest = next((known[code] for code in codes if code in known), FluxRuntimeError)
    return nearest(message, stage=stage, remedy=remedy)


def _reason(error: Exception) -> str:
    """What is wrong with it, in a few words and without our insides."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "it is not JSON"
    return "its kind is unknown or a part is missing"
