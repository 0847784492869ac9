"""What a turn is going to do, as data: steps with their tools' own arguments, or one question back."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SerializeAsAny, ValidationInfo, field_validator

from flux_runtime.interface import Box
from tools.contract import ToolArguments
from tools.toolbox import Toolbox

TALK = ("chat", "clarify", "refuse")
"""What a turn comes to that only talks: a reply, a question back, or why it is not done."""

SEVERAL = "plan"
"""What a turn of several steps comes to."""

PlanTool = str
"""What a turn comes to: one of these, or what people call the tool of its one step, such as "generate"."""

Source = int | str
"""The number of an image, or "$1" for the result of step 1."""


class ToldStep(BaseModel):
    """A step as people and scripts read it: a prompt, a question or an instruction in `text`, about `sources`
    (the first is changed)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tool: str
    sources: tuple[Source, ...] = ()
    text: str = ""
    region: Box | None = None


class Step(BaseModel):
    """One step of a plan: what a tool is given, and the images that its arguments name.

    `tool` is what people call what the tool does; it says how stored arguments are read.
    """

    model_config = ConfigDict(frozen=True)

    tool: str
    sources: tuple[Source, ...] = ()
    arguments: SerializeAsAny[ToolArguments]

    @field_validator("arguments", mode="before")
    @classmethod
    def _of_the_tool(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, ToolArguments):
            return given
        tools = info.context
        if not isinstance(tools, Toolbox):
            raise ValueError("arguments that were stored are read with a toolbox")
        try:
            tool = tools.of_step(info.data.get("tool", ""))
        except LookupError:
            raise ValueError("there is no such tool") from None
        return tool.arguments.model_validate(given)

    @property
    def text(self) -> str:
        return self.arguments.words

    @property
    def region(self) -> Box | None:
        return self.arguments.box

    def told(self) -> ToldStep:
        """The step without what only its tool needs."""
        return ToldStep(tool=self.tool, sources=self.sources, text=self.text, region=self.region)


class Plan(BaseModel):
    """Steps to run in order, or words to say instead.

    `clarify` is the question to the person, `candidates` the images to choose between; `chat` is what is
    said when there is nothing to do; `left_out` are words of the person that the model does not know;
    `guess` is a step that the question offers to do.
    """

    model_config = ConfigDict(frozen=True)

    tool: PlanTool
    steps: tuple[Step, ...] = ()
    clarify: str | None = None
    chat: str | None = None
    candidates: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    guess: Step | None = None

    @classmethod
    def read(cls, stored: object, tools: Toolbox) -> Self:
        """A plan that was dumped as JSON.

        Raises:
            ValidationError: it is none, or another version's, or of tools that are not there.
        """
        return cls.model_validate(stored, context=tools)

    def told(self) -> tuple[ToldStep, ...]:
        """The steps as people and scripts read them."""
        return tuple(step.told() for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The plan as scripts read it."""
        steps = [step.model_dump(mode="json") for step in self.told()]
        return {"tool": self.tool, "steps": steps, "clarify": self.clarify}


def plan_of(steps: tuple[Step, ...], left_out: tuple[str, ...] = ()) -> Plan:
    """The plan that does these steps, at least one."""
    return Plan(tool=steps[0].tool if len(steps) == 1 else SEVERAL, steps=steps, left_out=left_out)
