"""`Flux3Entry`: what a FLUX.3 declares on top of every catalogue entry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flux_runtime.entry import CatalogueEntry


class Flux3Entry(CatalogueEntry, frozen=True):
    """The entry of a FLUX.3: how its prompts are encoded and where its image tokens lie."""

    family: Literal["flux3"] = "flux3"
    text_encoder_out_layers: tuple[int, ...] = Field(min_length=1)
    """Hidden states of the text encoder that are stacked into prompt embeds; 0 is its embedding layer."""
    text_pad_multiple: int
    """The text window is padded to a multiple of so many tokens; the transformer attends to the padding."""
    image_rope_scale: float
    """Factor on the height and width position ids."""
