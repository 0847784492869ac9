"""Go back to the image that was current before, or forward again. Nothing is deleted and no model runs."""

from __future__ import annotations

from tools.contract import Tool, ToolArguments, ToolContext, ToolOutcome, ToolTask

REDO = "redo"
"""As the words of a step: take the last undo back instead."""


class Undo(ToolArguments):
    """Take back the last image or change. Use it when the person wants things as they were before."""


def run(task: ToolTask, context: ToolContext) -> ToolOutcome:
    """Undo, or redo if `task.words` says so."""
    move = context.store.images.redo if task.words == REDO else context.store.images.undo
    return ToolOutcome(move=move(context.session, context.turn, context.step))


UNDO = Tool("undo", "undo", Undo, run)
