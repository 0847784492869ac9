"""`CatalogueEntry`: what is declared of a model besides its weights. Each family adds fields of its own.

Loads no torch, so that models can be listed without one.
"""

from __future__ import annotations

from typing import Literal, Self

from jinja2 import Environment, TemplateSyntaxError
from pydantic import BaseModel, Field, field_validator, model_validator

from flux_runtime.interface import MAX_GUIDANCE, MAX_STEPS, GuidanceKind, PictureCheck

Task = Literal["generate", "edit", "answer", "plan"]

PLANNER_TEMPLATE = """\
You are at the other end of a conversation about pictures. You draw, change and look at them by calling \
tools; do what the last message asks for, with one call for each thing, in order. Pictures have numbers. \
"It" is the current picture unless the conversation says otherwise. Keep people's own words, in their \
language, where a tool takes words. If nothing has to be drawn, changed or looked at, answer in a sentence, \
without a call.
{% if images %}
Pictures:
{%- for image in images %}
#{{ image.number }}{{ " (current)" if image.current }}{% if image.caption %}: {{ image.caption }}{% endif %}
{%- endfor %}
{%- else %}
There are no pictures yet.
{%- endif %}
{%- if attached %}
Sent with the last message:{% for number in attached %} #{{ number }}{% endfor %}
{%- endif %}"""


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
    default_steps: int = Field(ge=1, le=MAX_STEPS)
    guidance: GuidanceKind = "cfg"
    """How the model is guided; "none" for one that was distilled and takes no guidance scale."""
    default_guidance: float = Field(default=1.0, ge=0, le=MAX_GUIDANCE)
    """Guidance scale; 1 is none."""
    max_references: int = Field(default=1, ge=0)
    """Images an edit may look at besides its source."""
    regions: tuple[Literal["box", "mask"], ...] = ("box", "mask")
    """What an edit may be held to; empty for a model that changes whole images only."""
    vocabulary: str | None = None
    """File beside the entry with the `Vocabulary` of a model that knows only declared words."""

    max_prompt_tokens: int = Field(default=8192, ge=1)
    """Tokens that a prompt, or a conversation with its images, may have."""
    answer_template: str = "{question}"
    """What the answerer is asked; `{question}` stands for the person's words."""
    answer_tokens: int = Field(default=64, ge=1)
    """Tokens that an answer may have unless a request says otherwise."""
    upsampler_template: str | None = None
    """The system prompt under which the model completes a prompt before it is drawn; None if it does not."""
    upsampler_tokens: int = Field(default=512, ge=1)
    """Tokens that a completed prompt may have."""
    check: PictureCheck | None = None
    """How the model is asked what of a request a picture lacks; None if it cannot be relied on."""
    planner_template: str = PLANNER_TEMPLATE
    """The planner's system prompt, a jinja template over `images` (each with its `number`, its `caption`,
    which may be empty, and whether it is `current`) and `attached` (numbers)."""
    planner_images: int = Field(default=8, ge=0)
    """How many of the latest images the planner is shown besides those that a message names."""
    planner_gaps: bool = True
    """Whether these may have gaps between their numbers; a small planner has only learned rows without."""
    planner_history: int = Field(default=6, ge=0)
    """How many earlier messages with their replies the planner is shown."""
    sure_from: float = Field(default=0.0, ge=0, le=1)
    """The probability of a plan from which on it is done without asking; chosen on sentences held out."""
    plan_tokens: int = Field(default=512, ge=1)
    """Tokens that a plan may have unless a request says otherwise."""

    @field_validator("planner_template")
    @classmethod
    def _is_a_template(cls, template: str) -> str:
        try:
            Environment().parse(template)
        except TemplateSyntaxError as error:
            raise ValueError(f"it is no jinja template: {error}") from error
        return template

    @model_validator(mode="after")
    def _guided_only_if_it_can_be(self) -> Self:
        if self.guidance == "none" and self.default_guidance != 1:
            raise ValueError("default_guidance must be 1 where guidance is none")
        return self
