"""Answer a question about an image. The model gets pixels and the question, no history."""

from __future__ import annotations

from pydantic import Field

from flux_runtime.interface import AnswerRequest
from tools.contract import IMAGE_NAME, Tool, ToolArguments, ToolContext, ToolOutcome, ToolTask


class AnswerQuestion(ToolArguments):
    """Answer a question about what an image shows. Use it when the person asks and wants nothing changed."""

    image: str = Field(min_length=1, description=IMAGE_NAME)
    question: str = Field(min_length=1, description="The question, in the person's own language.")

    @property
    def words(self) -> str:
        return self.question

    @property
    def source(self) -> str | None:
        return self.image


def run(task: ToolTask, context: ToolContext) -> ToolOutcome:
    """Answer `task.words` from the pixels of `task.sources`."""
    owner = context.session.owner
    images = tuple(context.store.images.pixels(owner, source.id) for source in task.sources)
    request = AnswerRequest(question=task.words, images=images)
    result = context.runtime.answer(request, on_event=context.on_event, cancel=context.cancel)
    return ToolOutcome(answer=result.text)


ANSWER_QUESTION = Tool("answer_question", "ask", AnswerQuestion, run)
