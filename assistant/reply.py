"""From what was done to what is said: words, pictures, buttons. It does nothing and decides nothing."""

from __future__ import annotations

import time
from typing import Any

from assistant.phrases import numbers, quoted, say
from assistant.planning.plan import Plan, PlanTool, Step
from assistant.turn import Action, Reply, ReplyError, ReplyImage, ReplyParent, Turn
from assistant.turn_state import Failure, Outcome, TurnRun, TurnState
from flux_runtime.errors import Refused
from flux_runtime.picture_check import Checked
from sessions.records import ImageRecord
from tools.contract import Done, Moment


def compose(state: TurnState, run: TurnRun) -> Reply:
    """The reply to a turn that has come to its end, however it ended."""
    plan = Plan.read(state["plan"], run.tools) if "plan" in state else None
    steps = plan.steps if plan else ()
    outcomes = state.get("outcomes", [])
    failure = state.get("failure")
    owner = run.session.owner
    made = [[run.store.images.get(owner, image) for image in outcome["images"]] for outcome in outcomes]
    done = [_done(*each) for each in zip(steps, outcomes, made, strict=False)]
    sentences = [
        run.tools.of_step(step.tool).sentence(each, run.language)
        for step, each in zip(steps, done, strict=False)
    ]
    if len(done) < len(steps) and not failure:
        sentences.append(say(run.language, "rest_not_done"))
    if plan and not steps:
        sentences.append(plan.clarify or plan.chat or "")
    if plan and plan.left_out and not failure:
        drawn = any(run.tools.of_step(step.tool).effect == "image" for step in steps)
        phrase = "left_out" if drawn else "not_recognised"
        sentences.append(say(run.language, phrase, words=quoted(run.language, plan.left_out)))
    if on_white := state.get("on_white"):
        sentences.append(say(run.language, "on_white", images=numbers(run.language, on_white)))
    if failure:
        sentences.append(failure["message"])
    head = run.store.images.head(run.session)
    images = [image for each in made for image in each]
    return Reply(
        text="\n".join(sentences),
        tool=_tool(plan, failure),
        steps=plan.told() if plan else (),
        answer=next((each["answer"] for each in reversed(outcomes) if each["answer"] is not None), None),
        images=tuple(shown(image) for image in images),
        candidates=_candidates(plan, run),
        head=head.n if head else None,
        session=run.session.name,
        turn=run.id,
        seconds=round(time.monotonic() - run.started, 3),
        actions=_actions(plan, done, state, run),
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


def _done(step: Step, outcome: Outcome, images: list[ImageRecord]) -> Done:
    """The step as its tool tells of it."""
    checked: Any = outcome.get("checked")
    return Done(
        arguments=step.arguments,
        sources=tuple(outcome["sources"]),
        made=tuple(image.n for image in images),
        answer=outcome["answer"],
        left=outcome["left"],
        current=outcome["current"],
        kept=outcome.get("kept"),
        checked=checked and Checked(*checked),
        prompts=tuple(image.prompt_used for image in images),
        typed=images[0].prompt_typed if images else "",
    )


def _candidates(plan: Plan | None, run: TurnRun) -> tuple[ReplyImage, ...]:
    wanted = plan.candidates if plan else ()
    if not wanted:
        return ()
    return tuple(shown(image) for image in run.store.images.of(run.session) if image.n in wanted)


def _actions(plan: Plan | None, done: list[Done], state: TurnState, run: TurnRun) -> tuple[Action, ...]:
    """The buttons that make sense now: which image is meant, or what the tools offer."""
    if plan and plan.candidates:
        text, command = state.get("text", ""), run.turn.command
        return tuple(Action(command=command, label=f"#{n}", image=n, text=text) for n in plan.candidates)
    if plan and plan.guess and run.tools.command(plan.guess.tool):
        return (_yes(plan.guess, run),)
    moment = _moment(plan, done, state)
    return tuple(
        Action(
            command=command.name,
            label=command.button.say(run.language, n=moment.image),
            image=moment.image if command.about_image else None,
        )
        for command in run.tools.usable_commands(run.runtime.capabilities)
        if command.button and command.offered(moment)
    )


def _yes(guess: Step, run: TurnRun) -> Action:
    """The button that does what was offered."""
    image = next((source for source in guess.sources if isinstance(source, int)), None)
    command = run.tools.command(guess.tool)
    about = image if command and command.about_image else None
    return Action(command=guess.tool, label=say(run.language, "yes"), image=about, text=guess.text)


def _moment(plan: Plan | None, done: list[Done], state: TurnState) -> Moment:
    made = [n for each in done for n in each.made]
    given = state.get("attached", []) if plan and plan.tool == "chat" else []
    last = done[-1] if done else None
    return Moment(image=made[-1] if made else next(iter(given), None), made=bool(made), last=last)


def bare(failure: Failure, turn: Turn, identity: str, seconds: float = 0.0) -> Reply:
    """Only what went wrong, for a turn of which nothing can be read or kept."""
    error = ReplyError(**failure)
    return Reply(
        text=error.message, tool="refuse", session=turn.session, turn=identity, seconds=seconds, error=error
    )
