"""From what was done to what is said: words, pictures, buttons. It does nothing and decides nothing."""

from __future__ import annotations

import time

from assistant.phrases import Language, language_of, quoted, say
from assistant.planning.plan import Plan, PlanTool, Step
from assistant.turn import Action, Reply, ReplyError, ReplyImage, ReplyParent, Turn
from assistant.turn_state import Failure, Outcome, TurnRun, TurnState
from flux_runtime.errors import Refused
from sessions.records import ImageRecord
from tools.undo import REDO


def compose(state: TurnState, run: TurnRun) -> Reply:
    """The reply to a turn that has come to its end, however it ended."""
    plan = Plan.model_validate(state["plan"]) if "plan" in state else None
    steps = plan.steps if plan else ()
    outcomes = state.get("outcomes", [])
    failure = state.get("failure")
    owner = run.session.owner
    made = [[run.store.images.get(owner, image) for image in outcome["images"]] for outcome in outcomes]
    sentences = [
        _sentence(step, outcome, images, run.language)
        for step, outcome, images in zip(steps, outcomes, made, strict=False)
    ]
    if plan and not steps:
        sentences.append(plan.clarify or plan.chat or "")
    if plan and plan.left_out and not failure:
        sentences.append(say(run.language, "left_out", words=quoted(run.language, plan.left_out)))
    if failure:
        sentences.append(failure["message"])
    head = run.store.images.head(run.session)
    images = [image for each in made for image in each]
    return Reply(
        text="\n".join(sentences),
        tool=_tool(plan, failure),
        steps=steps,
        answer=next((each["answer"] for each in reversed(outcomes) if each["answer"] is not None), None),
        images=tuple(shown(image) for image in images),
        candidates=_candidates(plan, run),
        head=head.n if head else None,
        session=run.session.name,
        turn=run.id,
        seconds=round(time.monotonic() - run.started, 3),
        actions=_actions(plan, outcomes, images, state, run),
        error=ReplyError(**failure) if failure else None,
    )


def shown(image: ImageRecord) -> ReplyImage:
    """A stored image as a channel shows it."""
    return ReplyImage(
        n=image.n,
        id=image.id,
        op=image.op,
        parents=tuple(ReplyParent(n=parent.n, role=parent.role) for parent in image.parents),
        seed=image.seed,
        width=image.width,
        height=image.height,
        outside_change=image.outside_change,
        caption=image.caption,
        receipt=image.receipt,
    )


def _tool(plan: Plan | None, failure: Failure | None) -> PlanTool:
    if plan is None or (failure and failure["code"] == Refused.code):
        return "refuse"
    return plan.tool


def _sentence(step: Step, outcome: Outcome, images: list[ImageRecord], language: Language) -> str:
    """One sentence that says what was done to which image."""
    source = outcome["sources"][0] if outcome["sources"] else None
    if step.tool == "generate":
        return say(language, "varied" if source else "drew", n=images[0].n, source=source)
    if step.tool == "edit":
        return say(language, "edited", source=source, n=images[0].n, text=_as_understood(step, language))
    if step.tool == "ask":
        return say(language, "answered", n=", #".join(map(str, outcome["sources"])), answer=outcome["answer"])
    left, current = outcome["left"], outcome["current"]
    if left == current:
        return say(language, "nothing_to_redo" if step.text == REDO else "nothing_to_undo")
    if current is None:
        return say(language, "undone_all", left=left)
    return say(language, "redone" if step.text == REDO else "undone", n=current, left=left)


def _as_understood(step: Step, language: Language) -> str:
    """What the step was given to do, unless the planner put it in a language the person did not write in."""
    text = step.text.strip().rstrip(".。")
    return f"{'：' if language == 'zh' else ': '}{text}" if text and language_of(text) == language else ""


def _candidates(plan: Plan | None, run: TurnRun) -> tuple[ReplyImage, ...]:
    wanted = plan.candidates if plan else ()
    if not wanted:
        return ()
    return tuple(shown(image) for image in run.store.images.of(run.session) if image.n in wanted)


def _actions(
    plan: Plan | None, outcomes: list[Outcome], images: list[ImageRecord], state: TurnState, run: TurnRun
) -> tuple[Action, ...]:
    """The buttons that make sense now."""
    language = run.language
    if plan and plan.candidates:
        text, command = state.get("text", ""), run.turn.command
        return tuple(Action(command=command, label=f"#{n}", image=n, text=text) for n in plan.candidates)
    if images:
        n = images[-1].n
        return (
            Action(command="ask", label=say(language, "button_ask", n=n), image=n),
            Action(command="edit", label=say(language, "button_edit", n=n), image=n),
            Action(command="vary", label=say(language, "button_vary", n=n), image=n),
            Action(command="undo", label=say(language, "button_undo")),
        )
    if plan and plan.tool == "chat" and state.get("attached"):
        n = state.get("attached", [])[0]
        return (
            Action(command="ask", label=say(language, "button_ask", n=n), image=n),
            Action(command="edit", label=say(language, "button_edit", n=n), image=n),
        )
    last = plan.steps[-1] if plan and plan.steps and outcomes else None
    if last and last.tool == "undo" and last.text != REDO and outcomes[-1]["left"] != outcomes[-1]["current"]:
        return (Action(command="redo", label=say(language, "button_redo")),)
    return ()


def bare(failure: Failure, turn: Turn, identity: str, seconds: float = 0.0) -> Reply:
    """Only what went wrong, for a turn of which nothing can be read or kept."""
    error = ReplyError(**failure)
    return Reply(
        text=error.message, tool="refuse", session=turn.session, turn=identity, seconds=seconds, error=error
    )
