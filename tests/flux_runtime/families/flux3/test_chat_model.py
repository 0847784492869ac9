"""A conversation is continued in bursts, and others may use the model in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from PIL import Image

from flux_runtime.families.flux3 import chat_model
from flux_runtime.families.flux3.model import Flux3Model
from flux_runtime.families.protocol import Said, Talk
from flux_runtime.runtime import LocalRuntime
from flux_runtime.talking import answer_messages

MakeImage = Callable[..., Image.Image]


@pytest.fixture
def model(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> Flux3Model:
    model = cast(Flux3Model, runtime.instance.model)
    monkeypatch.setattr(model.chat, "_ends", [-1])  # random weights may end a turn at once
    return model


def _talk(model: Flux3Model, words: str, *images: Image.Image) -> Talk:
    messages = answer_messages(words, len(images))
    return model.talk(messages, images, max_new_tokens=40, stop=lambda: False)


def _heard(talk: Talk, meanwhile: Callable[[], object] = lambda: None) -> tuple[int, Said]:
    """How many times it handed over, and what was said."""
    times = 0
    with torch.inference_mode():
        while True:
            try:
                next(talk)
            except StopIteration as end:
                return times, end.value
            times += 1
            meanwhile()


def test_bursts_say_what_one_generate_says(
    model: Flux3Model, noise_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = noise_image(1), noise_image(2, 90, 40)
    times, in_bursts = _heard(_talk(model, "which robot?", *images))
    assert (times, in_bursts.tokens) == (2, 40)
    monkeypatch.setattr(chat_model, "BURST", 40)
    again, at_once = _heard(_talk(model, "which robot?", *images))
    assert (again, at_once.text, at_once.tokens) == (0, in_bursts.text, in_bursts.tokens)
    assert at_once.probability == pytest.approx(in_bursts.probability, rel=1e-3)


def test_what_others_do_between_two_bursts_changes_nothing(model: Flux3Model, noise_image: MakeImage) -> None:
    positions: list[list[int]] = []
    listening = [True]

    def listen(_module: object, _args: object, kwargs: dict[str, Any]) -> None:
        if listening[0]:
            positions.append(kwargs["position_ids"].flatten().tolist())

    def others() -> None:
        listening[0] = False
        model.encode_prompt("a robot")
        _heard(_talk(model, "another?", noise_image(4, 120, 30), noise_image(5)))
        _heard(_talk(model, "no image at all"))
        listening[0] = True

    qwen: Any = model.chat._text_encoder
    hook = qwen.model.language_model.register_forward_pre_hook(listen, with_kwargs=True)
    _, alone = _heard(_talk(model, "what is it doing?", noise_image(3)))
    positions_alone, positions = positions, []
    times, beside_others = _heard(_talk(model, "what is it doing?", noise_image(3)), others)
    hook.remove()
    assert (times, len(positions)) == (2, 40)
    assert positions == positions_alone
    assert beside_others == alone


def test_stop_is_looked_at_between_tokens(model: Flux3Model) -> None:
    looks: list[Any] = []

    def stop() -> bool:
        looks.append(None)
        return len(looks) == 20

    talk = model.talk(answer_messages("who?", 0), max_new_tokens=40, stop=stop)
    assert _heard(talk)[1].tokens == 20
