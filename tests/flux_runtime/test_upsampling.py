"""A prompt is completed before it is drawn: the seed decides how, and the receipt has it before and after."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from flux_runtime import drawing
from flux_runtime.catalogue import capabilities_of, read_entry
from flux_runtime.drawing import Stopwatch
from flux_runtime.errors import MissingCapability
from flux_runtime.families.flux3.model import Flux3Model
from flux_runtime.interface import GenerateRequest, Started
from flux_runtime.runtime import LocalRuntime
from flux_runtime.upsampling import upsampled

TEMPLATE = "Complete what is left open."


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an upsampler of its own."""
    folder = tmp_path_factory.mktemp("upsampler") / "tiny"
    shutil.copytree(tiny_model, folder)
    entry = json.loads((folder / "entry.json").read_text("utf-8"))
    entry |= {"upsampler_template": TEMPLATE, "upsampler_tokens": 40}
    (folder / "entry.json").write_text(json.dumps(entry))
    return folder


@pytest.fixture(scope="module")
def able(folder: Path) -> Iterator[LocalRuntime]:
    runtime = LocalRuntime(folder, device="cpu")
    yield runtime
    runtime.close()


@pytest.fixture
def model(able: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> Flux3Model:
    model = cast(Flux3Model, able.instance.model)
    monkeypatch.setattr(model.chat, "_ends", [-1])  # random weights may end a turn at once
    return model


def _request(seed: int, prompt: str = "a robot") -> GenerateRequest:
    return GenerateRequest(prompt=prompt, seed=seed, upsample=True)


def _completing(model: Flux3Model, seed: int) -> Generator[Started | None, Any, str]:
    return upsampled(model, _request(seed), Stopwatch(model.device), lambda: False)


def _said(*completing: Generator[Started | None, Any, str]) -> list[str]:
    """What each comes to, advanced in turns; more than one is interleaved at every burst."""
    said: dict[int, str] = {}
    with torch.inference_mode():
        while len(said) < len(completing):
            for i, each in enumerate(completing):
                try:
                    next(each)
                except StopIteration as end:
                    said.setdefault(i, end.value)
    return [said[i] for i in range(len(completing))]


def test_the_seed_decides_what_is_added_and_the_same_seed_says_the_same(
    able: LocalRuntime, model: Flux3Model
) -> None:
    first, again, other = (able.generate(_request(seed)) for seed in (1, 1, 2))
    assert first.receipt.prompt == again.receipt.prompt
    assert first.image.tobytes() == again.image.tobytes()
    assert other.receipt.prompt not in (first.receipt.prompt, "a robot")


def test_the_receipt_has_the_prompt_before_and_after(able: LocalRuntime, model: Flux3Model) -> None:
    receipt = able.generate(_request(1)).receipt
    assert receipt.prompt_given == "a robot"
    assert receipt.prompt == _said(_completing(model, 1))[0]
    assert receipt.prompt == " ".join(receipt.prompt.split())
    assert receipt.seconds["upsample"] > 0


def test_what_was_drawn_is_the_completed_prompt(able: LocalRuntime, model: Flux3Model) -> None:
    completed = able.generate(_request(1))
    plain = able.generate(GenerateRequest(prompt=completed.receipt.prompt, seed=1))
    assert plain.image.tobytes() == completed.image.tobytes()
    assert plain.receipt.prompt_given is None
    assert "upsample" not in plain.receipt.seconds


def test_two_at_once_say_what_each_says_alone(model: Flux3Model) -> None:
    alone = [_said(_completing(model, seed))[0] for seed in (1, 2)]
    assert _said(_completing(model, 1), _completing(model, 2)) == alone
    between = _completing(model, 1)
    with torch.inference_mode():
        next(between)
        next(between)  # in the middle of its text
        torch.manual_seed(99)
        model.encode_prompt("something else")
        torch.rand(7)
    assert _said(between) == alone[:1]


def test_the_generator_of_others_goes_on_as_if_nothing_had_been_said(model: Flux3Model) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(20)
        expected = torch.rand(5)
        torch.manual_seed(20)
        _said(_completing(model, 1))
        assert torch.equal(torch.rand(5), expected)


def test_the_largest_seed_is_one_like_any_other(model: Flux3Model) -> None:
    largest, wrapped = _said(_completing(model, 2**32 - 1), _completing(model, 0))
    assert largest != wrapped


def test_the_model_is_told_its_template_and_the_prompt_without_control_tokens(
    able: LocalRuntime, model: Flux3Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    talk = model.talk

    def listening(messages: Any, *args: Any, **more: Any) -> Any:
        told.append(messages)
        return talk(messages, *args, **more)

    monkeypatch.setattr(model, "talk", listening)
    able.generate(_request(1, "a robot<|im_end|>"))
    assert told == [[{"role": "system", "content": TEMPLATE}, {"role": "user", "content": "a robot"}]]


def test_a_model_that_says_nothing_leaves_the_prompt_as_it_is(
    able: LocalRuntime, model: Flux3Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer: Any = model.chat._processor.tokenizer
    monkeypatch.setattr(model.chat, "_ends", list(range(len(tokenizer))))  # its first token ends its turn
    receipt = able.generate(_request(1)).receipt
    assert (receipt.prompt, receipt.prompt_given) == ("a robot", None)


def test_a_model_without_an_upsampler_refuses_at_once(runtime: LocalRuntime) -> None:
    assert not runtime.capabilities.upsampler
    with pytest.raises(MissingCapability, match="tiny has no prompt upsampler") as caught:
        drawing.generate(runtime.instance.model, _request(1))
    assert caught.value.remedy == "Draw the prompt as it stands."


def test_only_a_model_that_draws_can_complete_prompts(folder: Path) -> None:
    entry = read_entry(folder)
    assert capabilities_of(folder, entry).upsampler
    assert not capabilities_of(folder, entry.model_copy(update={"tasks": ("answer",)})).upsampler
