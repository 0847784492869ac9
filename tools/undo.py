"""Go back to the image that was current before, or forward again. Nothing is deleted and no model runs."""

from __future__ import annotations

from pydantic import Field

from tools.contract import Command, Done, Moment, Tool, ToolArguments, ToolContext, ToolOutcome
from tools.wording import Language, Wording


class Undo(ToolArguments):
    """Take back the last image or change. Use it when the person wants things as they were before."""

    forward: bool = Field(
        default=False, description="Whether to bring back what the last undo took back, which is redo."
    )

    @property
    def words(self) -> str:
        return "redo" if self.forward else ""


def run(arguments: Undo, context: ToolContext) -> ToolOutcome:
    """Make the image before, or after, the current one current."""
    move = context.store.images.redo if arguments.forward else context.store.images.undo
    return ToolOutcome(move=move(context.session, context.turn, context.step))


def _sentence(done: Done[Undo], language: Language) -> str:
    forward = done.arguments.forward
    if done.left == done.current:
        if forward:
            return Wording("There is nothing to bring back.", "没有可以恢复的了。").say(language)
        return Wording("There is nothing to take back.", "没有可以撤销的了。").say(language)
    if done.current is None:
        undone_all = Wording(
            "Took back #{left}: nothing is current now, and the picture is kept.",
            "已撤销 #{left}：现在没有当前图片，图片还留着。",
        )
        return undone_all.say(language, left=done.left)
    if forward:
        return Wording("#{n} is current again.", "又回到了 #{n}。").say(language, n=done.current)
    undone = Wording("Back to #{n}; #{left} is kept.", "退回到 #{n}；#{left} 还留着。")
    return undone.say(language, n=done.current, left=done.left)


def _after_an_undo(moment: Moment) -> bool:
    last = moment.last
    if moment.made or last is None or not isinstance(last.arguments, Undo):
        return False
    return not last.arguments.forward and last.left != last.current


UNDO = Tool(
    name="undo",
    step="undo",
    effect="current",
    arguments=Undo,
    run=run,
    sentence=_sentence,
    offer=Wording("Shall I take the last change back?", "要撤销上一步吗？"),
    commands=(
        Command(
            name="undo",
            chinese="撤销",
            icon="undo-2",
            read=lambda _: Undo(),
            about_image=False,
            button=Wording("Undo", "撤销"),
            offered=lambda moment: moment.made,
        ),
        Command(
            name="redo",
            chinese="重做",
            icon="redo-2",
            read=lambda _: Undo(forward=True),
            about_image=False,
            button=Wording("Redo", "重做"),
            offered=_after_an_undo,
        ),
    ),
)
