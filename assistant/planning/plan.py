"""What a turn is going to do, as data: steps whose source images are numbers, or one question back."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from flux_runtime.interface import Box
from tools.contract import StepName

PlanTool = Literal["generate", "ask", "edit", "undo", "chat", "clarify", "refuse", "plan"]
"""What a turn comes to: one step's tool, "plan" for several steps, or one of three ways of only talking."""

Source = int | str
"""The number of an image, or "$1" for the result of step 1."""


class Step(BaseModel):
    """One step: a prompt, a question or an instruction in `text`, about `sources` (the first is changed)."""

    model_config = ConfigDict(frozen=True)

    tool: StepName
    sources: tuple[Source, ...] = ()
    text: str = ""
    region: Box | None = None


class Plan(BaseModel):
    """Steps to run in order, or words to say instead.

    `clarify` is the question to the person, `candidates` the images to choose between; `chat` is what is
    said when there is nothing to do; `left_out` are words of the person that the model does not know. With
    `vary` the one step makes again what is there already, which takes a seed that was not used for it.
    """

    model_config = ConfigDict(frozen=True)

    tool: PlanTool
    steps: tuple[Step, ...] = ()
    clarify: str | None = None
    chat: str | None = None
    candidates: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    vary: bool = False

    def as_json(self) -> dict[str, Any]:
        """The plan as scripts read it."""
        return self.model_dump(mode="json", include={"tool", "steps", "clarify"})


def plan_of(steps: tuple[Step, ...], left_out: tuple[str, ...] = ()) -> Plan:
    """The plan that does these steps, at least one."""
    return Plan(tool=steps[0].tool if len(steps) == 1 else "plan", steps=steps, left_out=left_out)
