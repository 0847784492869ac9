"""A family that no other file has heard of is served by the whole stack: runtime, engine, drawing and turns.

The toy paints one colour. Its latents are the mean colours of blocks of 16 pixels, its words are the names of
colours, and it talks by looking at the mean of what it is shown; what it samples names the seed.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from flux_runtime.catalogue import capabilities_of
from flux_runtime.entry import CatalogueEntry
from flux_runtime.errors import BadSetting, MissingCapability
from flux_runtime.families import registry
from flux_runtime.families.protocol import (
    FamilyDefinition,
    Message,
    PromptTokenizer,
    References,
    Said,
    Schedule,
    Talk,
)
from flux_runtime.flow_matching import sigma_schedule
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest, Region
from flux_runtime.pixels import to_tensor
from flux_runtime.runtime import LocalRuntime
from sessions.store import SessionStore

BLOCK = 16
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}


class ToyEntry(CatalogueEntry, frozen=True):
    """One field of its own."""

    strength: float


@dataclass(frozen=True)
class ToyReferences:
    source: torch.Tensor
    others: tuple[torch.Tensor, ...]


class Toy:
    """Fulfils `Family`."""

    revision, device, dtype, token_size = "toy-1", torch.device("cpu"), torch.float32, BLOCK

    def __init__(self, folder: Path, entry: ToyEntry) -> None:
        self.entry = entry
        self.capabilities = capabilities_of(folder, entry)

    def encode_prompt(self, prompt: str) -> torch.Tensor:
        return to_tensor(Image.new("RGB", (1, 1), COLOURS[_named_in(prompt)])).flatten() * self.entry.strength

    def encode_ids(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encode_prompt(list(COLOURS)[int(input_ids[0, 0])])

    def encode_references(self, images: Sequence[Image.Image]) -> ToyReferences:
        pooled = [torch.nn.functional.avg_pool2d(to_tensor(image), BLOCK) for image in images]
        source, *others = [self.pack(latents) for latents in pooled]
        return ToyReferences(source, tuple(others))

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        return 3, size[1] // BLOCK, size[0] // BLOCK

    def pack(self, latents: torch.Tensor) -> torch.Tensor:
        return latents.flatten(2).transpose(1, 2)

    def unpack(self, packed: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return packed.transpose(1, 2).unflatten(2, self.latent_shape(size)[1:])

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(latents, scale_factor=BLOCK)

    def sketch(self, latents: torch.Tensor) -> torch.Tensor:
        return latents

    def schedule(self, num_inference_steps: int, tokens: int, *, shifted: bool) -> Schedule:
        shift = math.sqrt(tokens) if shifted else 1.0  # as in families that shift more for larger images
        return Schedule(tuple(sigma_schedule(num_inference_steps, shift=shift)), shift)

    def velocity_field(
        self,
        conditioning: torch.Tensor,
        *,
        size: tuple[int, int],
        guidance_scale: float,
        references: References | None = None,
    ) -> Any:
        return lambda x, sigma: (x - conditioning) / sigma

    def talk(
        self,
        messages: Sequence[Message],
        images: Sequence[Image.Image] = (),
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        max_new_tokens: int,
        stop: Any,
        seed: int | None = None,
    ) -> Talk:
        yield
        if seed is not None:
            return Said(f"{messages[-1]['content']}, take {seed}", 1)
        if tools is None:
            return Said(_colour_of(images[0]), 1)
        message = messages[-1]["content"]
        known = {tool["function"]["name"] for tool in tools}
        name, arguments = _wanted(message)
        assert name in known
        call = json.dumps({"name": name, "arguments": arguments})
        return Said(f"<tool_call>{call}</tool_call>", 1)

    def plain(self, text: str) -> str:
        return text


class ToyTokenizer:
    def __call__(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.tensor([[list(COLOURS).index(_named_in(prompt))] for prompt in prompts])
        return ids, torch.ones_like(ids)


def _named_in(words: str) -> str:
    return next(colour for colour in COLOURS if colour in words)


def _wanted(message: str) -> tuple[str, dict[str, str]]:
    if message.endswith("?"):
        return "answer_question", {"image": "#1", "question": message}
    if message.startswith("make"):
        return "edit_image", {"image": "#1", "instruction": message}
    return "generate_image", {"prompt": message}


def _colour_of(image: Image.Image) -> str:
    mean = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda colour: np.abs(mean - COLOURS[colour]).sum())


def _tokenizer(folder: Path, entry: ToyEntry) -> PromptTokenizer:
    return ToyTokenizer()


def _nothing(*_: object) -> Any:
    return None


TOY = FamilyDefinition(
    name="toy",
    entry=ToyEntry,
    snapshot_entry=_nothing,
    load=lambda folder, entry, device, dtype: Toy(folder, entry),
    tokenizer=_tokenizer,
    reference_pipeline=_nothing,
)
ENTRY = {
    "name": "toy",
    "family": "toy",
    "license": "Apache-2.0",
    "languages": ["en"],
    "tasks": ["generate", "edit", "answer", "plan"],
    "default_size": [64, 96],
    "default_steps": 4,
    "guidance": "none",
    "regions": ["box"],
    "strength": 1.0,
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A model folder of the toy family, which is registered meanwhile."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "entry.json").write_text(json.dumps(ENTRY))
    registry.register(TOY)
    yield folder
    registry._registered.pop("toy")


@pytest.fixture
def runtime(folder: Path) -> Iterator[LocalRuntime]:
    runtime = LocalRuntime(folder, device="cpu")
    yield runtime
    runtime.close()


def test_the_runtime_draws_edits_and_answers_with_it(runtime: LocalRuntime) -> None:
    drawn = runtime.generate(GenerateRequest(prompt="all red", seed=1))
    assert (drawn.image.size, drawn.image.getcolors()) == ((64, 96), [(64 * 96, (255, 0, 0))])
    assert (drawn.receipt.model, drawn.receipt.revision) == ("toy", "toy-1")
    region = Region(box=(0, 0, 32, 96))
    edited = runtime.edit(
        EditRequest(instruction="make it blue", images=(drawn.image,), region=region, seed=2)
    )
    assert edited.outside_change == 0
    assert edited.image.getpixel((2, 50)) == (0, 0, 255)
    assert edited.image.getpixel((60, 50)) == (255, 0, 0)
    left = edited.image.crop((0, 0, 24, 96))
    assert runtime.answer(AnswerRequest(question="which colour?", images=(left,))).text == "blue"


def test_its_schedule_hears_how_many_tokens_an_image_has(runtime: LocalRuntime) -> None:
    small = runtime.generate(GenerateRequest(prompt="red", seed=1, width=64, height=64)).receipt
    large = runtime.generate(GenerateRequest(prompt="red", seed=1, width=128, height=128)).receipt
    assert (small.shift, large.shift) == (4.0, 8.0)


def test_what_it_lacks_is_refused_with_what_to_do_instead(runtime: LocalRuntime) -> None:
    image = Image.new("RGB", (64, 96))
    masked = Region(mask=Image.new("L", (64, 96), 255))
    with pytest.raises(MissingCapability, match="toy cannot keep an edit to a mask") as caught:
        runtime.edit(EditRequest(instruction="make it red", images=(image,), region=masked, seed=1))
    assert caught.value.remedy == "Give a box, or edit the whole image."
    for scale in (0.0, 3.5):
        with pytest.raises(BadSetting, match="guidance"):
            runtime.generate(GenerateRequest(prompt="red", seed=1, guidance_scale=scale))
    same = runtime.generate(GenerateRequest(prompt="red", seed=1, guidance_scale=1.0)).receipt
    assert same.guidance_kind == "none"


def test_a_conversation_draws_changes_a_part_and_asks_with_it(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    conversation = Conversation(SessionStore(data), LocalRuntime(folder, device="cpu"), data)

    def say(text: str, **more: Any) -> Reply:
        reply = asyncio.run(conversation.take_turn(Turn(text=text, seed=3, **more)))
        assert reply.error is None, reply.text
        return reply

    try:
        (drawn,) = say("a red field").images
        assert (drawn.op, drawn.width, drawn.height) == ("generate", 64, 96)
        (edited,) = say("make it green", region=(0, 48, 64, 96)).images
        assert (edited.op, edited.outside_change) == ("inpaint", 0)
        assert [parent.n for parent in edited.parents] == [drawn.n]
        pixels = conversation.store.images.pixels("local", edited.id)
        assert (pixels.getpixel((30, 10)), pixels.getpixel((30, 80))) == ((255, 0, 0), (0, 255, 0))
        assert say("which colour is it?").answer == "red"
    finally:
        conversation.close()


def test_it_completes_prompts_and_looks_at_pictures_if_its_entry_says_how(
    folder: Path, tmp_path: Path
) -> None:
    check = {"questions": {"en": "What lacks of: {wanted}?"}, "nothing": ["red"], "unsure": ["black"]}
    able = ENTRY | {"upsampler_template": "Say which take it is.", "check": check}
    (folder / "entry.json").write_text(json.dumps(able))
    data = tmp_path / "data"
    conversation = Conversation(SessionStore(data), LocalRuntime(folder, device="cpu"), data)
    try:
        said = [
            asyncio.run(conversation.take_turn(Turn(text=text, seed=3))).text
            for text in ("a red field", "a green field", "a black field")
        ]
    finally:
        conversation.close()
    assert said == [
        "Drew #1: a red field, take 3.",
        "Drew #2: a green field, take 3. Looking at it, I do not see all of it: green.",
        "Drew #3: a black field, take 3. Looking at it, I cannot tell whether it shows that.",
    ]


def test_the_trio_gives_what_the_runtime_gives(folder: Path, runtime: LocalRuntime) -> None:
    from flux_runtime import FluxDevModel, FluxImageProcessor, FluxTokenizer

    model = FluxDevModel.from_pretrained(folder, device="cpu")
    try:
        latents = model.generate(**FluxTokenizer.from_pretrained(folder)(["green", "blue"]), seed=5)
        images = FluxImageProcessor().decode(latents)
    finally:
        model.close()
    assert [_colour_of(image) for image in images] == ["green", "blue"]
    assert images[0].tobytes() == runtime.generate(GenerateRequest(prompt="green", seed=5)).image.tobytes()
