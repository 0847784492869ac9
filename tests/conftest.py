"""What every test may rely on: no network beyond this machine, a store of its own, and a scripted runtime."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from flux_runtime.errors import Cancelled
from flux_runtime.interface import (
    AnswerRequest,
    AnswerResult,
    Capabilities,
    EditRequest,
    Envelope,
    GenerateRequest,
    ImageResult,
    OnEvent,
    PlanRequest,
    PlanResult,
    Receipt,
    Started,
    ToolCall,
    Vocabulary,
)
from sessions.store import SessionStore

_connect = socket.socket.connect
_HERE = {"127.0.0.1", "::1", "localhost"}


def _connect_to_this_machine_only(self: socket.socket, address: object) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and (
        not isinstance(address, tuple) or address[0] not in _HERE
    ):
        raise PermissionError(f"Tests must not reach the network, but one tried {address!r}.")
    _connect(self, address)  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect_to_this_machine_only)
        yield


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLUX_ASSISTANT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    """A real store in a folder of its own."""
    opened = SessionStore(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def scripted() -> ScriptedRuntime:
    """A runtime without a model, for what happens around one."""
    return ScriptedRuntime()


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A small declared vocabulary."""
    return VOCABULARY


VOCABULARY = Vocabulary(
    groups={
        "characters": {"robot": ("robot", "机器人"), "cat": ("cat", "kitty", "猫")},
        "settings": {"beach": ("beach", "沙滩")},
        "colours": {"blue": ("blue", "蓝色", "蓝"), "red": ("red", "红色", "红")},
    },
    words=frozenset(
        {
            *(
                "a",
                "the",
                "on",
                "draw",
                "make",
                "it",
                "please",
                "robot",
                "cat",
                "kitty",
                "beach",
                "blue",
                "red",
            ),
            *("机器人", "猫", "沙滩", "蓝色", "红色", "画", "一只", "改成", "下雨", "balloon", "rainy"),
        }
    ),
)


class ScriptedRuntime:
    """Fulfils `Runtime`: plans come from a queue, images have one colour (the seed), answers name it.

    A prompt is completed with the seed's light.
    """

    def __init__(self) -> None:
        self.capabilities = Capabilities(
            model="scripted",
            generate=True,
            edit="reference",
            answer="own",
            plan=True,
            planner_images=8,
            max_references=2,
            mask=True,
            boxes=True,
            guidance="none",
            sizes=(),
            default_size=(16, 16),
            default_steps=1,
            vocabulary="open",
        )
        self.plans: deque[PlanResult | Exception] = deque()
        self.requests: list[GenerateRequest | EditRequest | AnswerRequest] = []
        self.plan_requests: list[PlanRequest] = []
        self.envelopes: list[Envelope | None] = []
        """Of every plan and task, in order."""
        self.kept: float | None = None
        """What every edit says that it kept."""
        self.answers: deque[str | Exception] = deque()
        """What the next questions get, instead of the colour."""
        self.before: Callable[[threading.Event | None], None] = lambda _cancel: None
        """Called as any of the three tasks begins; may wait, raise or set things."""
        self.closed = False

    def will_call(self, *calls: tuple[str, dict[str, Any]]) -> None:
        """The next plan: tool calls."""
        read = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls)
        self.plans.append(PlanResult(calls=read, text="", raw="<tool_call>", seconds=0.0))

    def will_say(self, text: str, raw: str | None = None) -> None:
        """The next plan: no call, only text."""
        self.plans.append(PlanResult(calls=(), text=text, raw=text if raw is None else raw, seconds=0.0))

    def will_draw(self, prompt: str) -> None:
        self.will_call(("generate_image", {"prompt": prompt}))

    def will_edit(self, image: str, instruction: str) -> None:
        self.will_call(("edit_image", {"image": image, "instruction": instruction}))

    def will_answer(self, image: str, question: str) -> None:
        self.will_call(("answer_question", {"image": image, "question": question}))

    def can(self, **more: Any) -> None:
        """From now on it has these capabilities too."""
        self.capabilities = self.capabilities.model_copy(update=more)

    def know_only_declared_words(self) -> None:
        self.can(vocabulary=VOCABULARY)

    def generate(
        self,
        request: GenerateRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> ImageResult:
        self._begin(request, envelope, on_event, cancel)
        size = (request.width or 16, request.height or 16)
        image = Image.new("RGB", size, _color(request.seed))
        receipt = _receipt(request.prompt, request.seed, size)
        if request.upsample:
            completed = {
                "prompt": f"{request.prompt} in light {request.seed}",
                "prompt_given": request.prompt,
            }
            receipt = receipt.model_copy(update=completed)
        return ImageResult(image=image, receipt=receipt)

    def edit(
        self,
        request: EditRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> ImageResult:
        self._begin(request, envelope, on_event, cancel)
        size = request.images[0].size
        image = Image.new("RGB", size, _color(request.seed))
        change = 0.0 if request.region else None
        receipt = _receipt(request.instruction, request.seed, size)
        return ImageResult(image=image, receipt=receipt, outside_change=change, kept=self.kept)

    def answer(
        self,
        request: AnswerRequest,
        *,
        envelope: Envelope | None = None,
        on_event: OnEvent | None = None,
        cancel: threading.Event | None = None,
    ) -> AnswerResult:
        self._begin(request, envelope, on_event, cancel)
        text = self.answers.popleft() if self.answers else f"colour {request.images[0].getpixel((0, 0))}"
        if isinstance(text, Exception):
            raise text
        return AnswerResult(text=text, seconds=0.0, tokens=2)

    def plan(
        self, request: PlanRequest, *, envelope: Envelope | None = None, cancel: threading.Event | None = None
    ) -> PlanResult:
        self.plan_requests.append(request)
        self.envelopes.append(envelope)
        plan = self.plans.popleft()
        if isinstance(plan, Exception):
            raise plan
        return plan

    def close(self) -> None:
        self.closed = True

    def _begin(
        self,
        request: GenerateRequest | EditRequest | AnswerRequest,
        envelope: Envelope | None,
        on_event: OnEvent | None,
        cancel: threading.Event | None,
    ) -> None:
        self.requests.append(request)
        self.envelopes.append(envelope)
        if on_event:
            on_event(Started(stage="encode"))
        self.before(cancel)
        if cancel and cancel.is_set():
            raise Cancelled("Stopped.", stage="denoise")


def _color(seed: int) -> tuple[int, int, int]:
    return seed % 256, seed // 256 % 256, 7


def _receipt(prompt: str, seed: int, size: tuple[int, int]) -> Receipt:
    return Receipt(
        model="scripted",
        revision="1",
        prompt=prompt,
        seed=seed,
        num_inference_steps=1,
        guidance_scale=1.0,
        guidance_kind="none",
        width=size[0],
        height=size[1],
        shift=1.0,
        dtype="float32",
        device="cpu",
        seconds={"denoise": 0.0},
    )


@pytest.fixture(scope="session")
def profiles() -> dict[str, bytes]:
    """Colour profiles as files carry them, by the name of their space."""
    prophoto = ((0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0), (0.03134, 0.00009, 0.82491))
    adobe = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
    return {
        "ProPhoto": _matrix_profile(prophoto, gamma=1.8),
        "Adobe RGB": _matrix_profile(adobe, gamma=2.2),
        "grey of gamma 1": _matrix_profile((), gamma=1.0, space=b"GRAY"),
    }


def _matrix_profile(
    columns: tuple[tuple[float, float, float], ...], gamma: float, *, space: bytes = b"RGB "
) -> bytes:
    """An ICC v2 display profile: its red, green and blue in XYZ (D50), and one gamma for all three.

    Its layout is that of the ICC specification: a header of 128 bytes, a table of tags, the tags.
    """

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"wide\0"
    words = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + b"\0" * (78 + 3)
    words += b"\0" * (-len(words) % 4)
    tags = {b"desc": words, b"cprt": b"text\0\0\0\0none", b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    if space == b"RGB ":
        tags |= {b"rXYZ": xyz(columns[0]), b"gXYZ": xyz(columns[1]), b"bXYZ": xyz(columns[2])}
        tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    else:
        tags |= {b"kTRC": curve}
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    header += struct.pack(">3i", round(0.9642 * 65536), 65536, round(0.8249 * 65536)) + b"\0" * 48
    assert len(header) == 128
    return header + struct.pack(">I", len(tags)) + table + body
