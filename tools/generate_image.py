"""Draw an image from words. With a source, draw that image's words again: the same prompt, another seed."""

from __future__ import annotations

from pydantic import Field

from flux_runtime.interface import GenerateRequest
from sessions.records import NewImage
from tools.contract import Tool, ToolArguments, ToolContext, ToolOutcome, ToolTask


class GenerateImage(ToolArguments):
    """Draw a new image from a description. Use it whenever the person wants something drawn from scratch,
    also when images exist already: "another one", "a new picture", "再画一张"."""

    prompt: str = Field(min_length=1, description="What the image shows, complete in itself, in English.")

    @property
    def words(self) -> str:
        return self.prompt


def run(task: ToolTask, context: ToolContext) -> ToolOutcome:
    """Draw `task.words`, or vary `task.sources[0]`."""
    made = context.already_made()
    if made:
        return ToolOutcome(images=(made,))
    request = GenerateRequest(
        prompt=task.words,
        width=context.width,
        height=context.height,
        seed=context.seed,
        num_inference_steps=context.num_inference_steps,
        preview_every=context.preview_every,
    )
    result = context.runtime.generate(request, on_event=context.on_event, cancel=context.cancel)
    new = NewImage(
        op="variation" if task.sources else "generate",
        parents=tuple((source.id, "base") for source in task.sources),
        prompt_used=task.words,
        caption=task.words,
    )
    return context.keep(result, new)


GENERATE_IMAGE = Tool("generate_image", "generate", GenerateImage, run)
