"""What the runtime knows of a model family: `Family`, a loaded model, and `FamilyDefinition`, how to get one.

Latents are (B, C, h, w); packed latents are the tokens the network sees, (B, L, C'). sigma is the noise
level, 1 = pure noise, 0 = data, and a velocity is dx/dsigma. Nothing here loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from flux_runtime.entry import CatalogueEntry
from flux_runtime.interface import AnswerRequest, Capabilities, EditRequest, GenerateRequest

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from flux_runtime.evaluations import Velocity

Conditioning = Any
"""What a family made of words; nobody else looks inside."""

Message = dict[str, Any]
"""One message of a conversation in the form of chat templates: `role` and `content`."""

Stop = Callable[[], bool]
"""Looked at between tokens; once true, the model stops talking."""


class References(Protocol):
    """Encoded images for an edit to look at, the first of them the one that is changed."""

    @property
    def source(self) -> torch.Tensor:
        """The first image's clean packed latents (1, L, C')."""
        ...


@dataclass(frozen=True)
class Schedule:
    """Falling noise levels, n + 1 for n steps and the last 0, and the shift that bent them (1: none)."""

    sigmas: tuple[float, ...]
    shift: float


@dataclass(frozen=True)
class Said:
    """What the model said up to the end of its turn, control tokens and all, and the tokens that took.

    `probability` is that of the whole text, 0 to 1; None where the model does not tell.
    """

    text: str
    tokens: int
    probability: float | None = None


Talk = Generator[None, Any, Said]
"""A model talking: it hands over between bursts of tokens, and returns what it said."""


class Family(Protocol):
    """One loaded model. It holds no state of any request; every method may be called in any order.

    `size` is (width, height) in pixels, both multiples of `token_size`, the side in pixels of one token.
    """

    @property
    def entry(self) -> CatalogueEntry: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def revision(self) -> str: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def token_size(self) -> int: ...

    def encode_prompt(self, prompt: str) -> Conditioning:
        """What the network is told of one prompt or instruction."""
        ...

    def encode_ids(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Conditioning:
        """The same from one row of what the family's `PromptTokenizer` gives, each (1, L)."""
        ...

    def encode_references(self, images: Sequence[Image.Image]) -> References:
        """Images whose sides are multiples of `token_size`."""
        ...

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """(C, h, w) of the latents of an image of `size`; the initial noise is drawn in this shape."""
        ...

    def pack(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (B, C, h, w) to packed latents."""
        ...

    def unpack(self, packed: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Packed latents of an image of `size` to latents."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, H, W), about [-1, 1], of latents."""
        ...

    def sketch(self, latents: torch.Tensor) -> torch.Tensor:
        """What `decode` gives, smaller (B, 3, H / n, W / n) and roughly, in a fraction of a step's time."""
        ...

    def schedule(self, num_inference_steps: int, tokens: int, *, shifted: bool) -> Schedule:
        """The noise levels for an image of so many tokens; not `shifted`, they are uniform."""
        ...

    def velocity_field(
        self,
        conditioning: Conditioning,
        *,
        size: tuple[int, int],
        guidance_scale: float,
        references: References | None = None,
    ) -> Velocity:
        """The network for one drawing, with all that does not depend on the step computed once."""
        ...

    def talk(
        self,
        messages: Sequence[Message],
        images: Sequence[Image.Image] = (),
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        max_new_tokens: int,
        stop: Stop,
        seed: int | None = None,
    ) -> Talk:
        """Continue a conversation whose image parts stand for `images`, in order.

        With a seed it is sampled, and the same seed says the same; without one it is the likeliest.

        Raises:
            BadSetting: the conversation is too long.
            BadImage: an image cannot be read.
        """
        ...

    def plain(self, text: str) -> str:
        """A text without control tokens: a person's words never open a turn or stand for an image."""
        ...


class PromptTokenizer(Protocol):
    """Prompts to padded token ids, without weights."""

    def __call__(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """`input_ids` and `attention_mask`, each (B, L). Raises BadSetting for a prompt that is too long."""
        ...


class ReferencePipeline(Protocol):
    """The same weights behind code that others wrote, with the model's defaults: what we measure against."""

    def generate(self, request: GenerateRequest) -> Image.Image: ...

    def edit(self, request: EditRequest) -> Image.Image: ...

    def answer(self, request: AnswerRequest) -> str: ...


Entry = TypeVar("Entry", bound=CatalogueEntry)


@dataclass(frozen=True)
class FamilyDefinition(Generic[Entry]):
    """A family by name, before anything of it is loaded.

    `entry` is the class of the family's entries. `snapshot_entry` makes one for a folder that diffusers saved
    and that has no `entry.json`; None if it is not of this family. The other functions get the model's folder
    and entry, `load` and `reference_pipeline` also device and dtype.

    Raises:
        BadCheckpoint: (each function) the folder does not hold what the family needs.
    """

    name: str
    entry: type[Entry]
    snapshot_entry: Callable[[Path], Entry | None]
    load: Callable[[Path, Entry, torch.device, torch.dtype], Family]
    tokenizer: Callable[[Path, Entry], PromptTokenizer]
    reference_pipeline: Callable[[Path, Entry, torch.device, torch.dtype], ReferencePipeline]
