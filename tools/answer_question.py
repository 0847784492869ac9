"""Answer a question about an image. The model gets pixels and the question, no history."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from flux_runtime.interface import AnswerRequest, Capabilities
from tools.contract import IMAGE_NAME, Asked, Command, Done, Tool, ToolArguments, ToolContext, ToolOutcome
from tools.wording import Language, Wording


class AnswerQuestion(ToolArguments):
    """Answer a question about what an image shows. Use it when the person asks and wants nothing changed."""

    image: str = Field(min_length=1, description=IMAGE_NAME)
    question: str = Field(min_length=1, description="The question, in the person's own language.")

    @property
    def words(self) -> str:
        return self.question

    @property
    def image_names(self) -> tuple[str, ...]:
        return (self.image,)

    def in_own_words(self, text: str) -> Self:
        return self.model_copy(update={"question": text})


def run(arguments: AnswerQuestion, context: ToolContext) -> ToolOutcome:
    """Answer the question from the pixels of the sources."""
    owner = context.session.owner
    images = tuple(context.store.images.pixels(owner, source.id) for source in context.sources)
    request = AnswerRequest(question=arguments.question, images=images)
    result = context.runtime.answer(
        request, envelope=context.envelope, on_event=context.on_event, cancel=context.cancel
    )
    return ToolOutcome(answer=result.text)


def _sentence(done: Done[AnswerQuestion], language: Language) -> str:
    images = ", #".join(map(str, done.sources))
    return Wording("#{images}: {answer}", "#{images}：{answer}").say(
        language, images=images, answer=done.answer
    )


def _lacks(able: Capabilities) -> Wording | None:
    if able.answer != "none":
        return None
    return Wording("The model {model} cannot answer questions about pictures.", "模型 {model} 不会看图答题。")


def _read(asked: Asked) -> AnswerQuestion:
    return AnswerQuestion(image=asked.names, question=asked.words)


ANSWER_QUESTION = Tool(
    name="answer_question",
    step="ask",
    effect="words",
    arguments=AnswerQuestion,
    run=run,
    sentence=_sentence,
    lacks=_lacks,
    offer=Wording("Do you ask about {images}: “{text}”?", "是想问 {images}：“{text}”吗？"),
    commands=(
        Command(
            name="ask",
            chinese="问",
            icon="message-circle-question",
            read=_read,
            wanting=Wording("What would you like to know about {images}?", "关于 {images}，你想知道什么？"),
            menu=Wording("Ask about the current picture", "就当前的画提问"),
            button=Wording("Ask about #{n}", "问 #{n}"),
            offered=lambda moment: moment.image is not None,
        ),
    ),
)
