"""`CatalogueEntry`: what is declared of a model besides its weights. Each family adds fields of its own.

Loads no torch, so that models can be listed without one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

Task = Literal["generate", "edit", "answer", "plan"]


class CatalogueEntry(BaseModel, frozen=True, extra="forbid"):
    """What the families have in common of an `entry.json`; `family` says whose fields come on top.

    Sizes are (width, height) in pixels.
    """

    name: str
    family: str
    license: str
    languages: tuple[str, ...]
    tasks: tuple[Task, ...]
    default_size: tuple[int, int]
    sizes: tuple[tuple[int, int], ...] = ()
    """Every size the model draws; empty means any multiple of its token's side."""
    default_steps: int
    default_guidance: float
    max_references: int = 1
    """Images an edit may look at besides its source."""
    answer_template: str = "{question}"
    """What the answerer is asked; `{question}` stands for the person's words."""
    edits: tuple[str, ...] = ()
    """Kinds of edit the model does well; empty singles none out."""
    vocabulary: str | None = None
    """File beside the entry with the `Vocabulary` of a model that knows only declared words."""
