"""Change an image as an instruction says. The model gets pixels, instruction and region, no history."""

from __future__ import annotations

from pydantic import Field

from flux_runtime.interface import EditRequest, Region
from sessions.records import NewImage, Role
from tools.contract import IMAGE_NAME, Tool, ToolArguments, ToolContext, ToolOutcome, ToolTask


class EditImage(ToolArguments):
    """Change something in an image and keep the rest as it is. Use it when the person wants an existing image
    different: other weather, another place, something added, removed or recoloured."""

    image: str = Field(min_length=1, description=IMAGE_NAME)
    instruction: str = Field(min_length=1, description="What to change, complete in itself, in English.")

    @property
    def words(self) -> str:
        return self.instruction

    @property
    def source(self) -> str | None:
        return self.image


def run(task: ToolTask, context: ToolContext) -> ToolOutcome:
    """Change `task.sources[0]`, looking at the other sources; the result has its size."""
    made = context.already_made()
    if made:
        return ToolOutcome(images=(made,))
    owner = context.session.owner
    request = EditRequest(
        instruction=task.words,
        images=tuple(context.store.images.pixels(owner, source.id) for source in task.sources),
        region=Region(box=task.region) if task.region else None,
        seed=context.seed,
        num_inference_steps=context.num_inference_steps,
        preview_every=context.preview_every,
    )
    result = context.runtime.edit(request, on_event=context.on_event, cancel=context.cancel)
    roles: tuple[Role, ...] = ("base", *("reference" for _ in task.sources[1:]))
    shown_before = task.sources[0].caption
    new = NewImage(
        op="inpaint" if task.region else "edit",
        parents=tuple((source.id, role) for source, role in zip(task.sources, roles, strict=True)),
        prompt_used=task.words,
        caption=f"{shown_before}; {task.words}" if shown_before else task.words,
        region=task.region,
    )
    return context.keep(result, new)


EDIT_IMAGE = Tool("edit_image", "edit", EditImage, run)
