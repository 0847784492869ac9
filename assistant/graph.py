"""The graph of one turn, nodes and edges only: screen -> route -> tool (once a step) -> reply.

A node may run again after a crash, so whatever it stores it stores under an id that a second run finds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime as GraphRuntime

from assistant.failures import CutShort, failure_of, may_pass
from assistant.planning.message import attached_numbers
from assistant.planning.plan import Plan
from assistant.planning.planner import make_plan
from assistant.planning.view import view
from assistant.reply import compose
from assistant.screen import check_message, check_settings, ingest_all
from assistant.step_run import run_step
from assistant.turn import Reply
from assistant.turn_state import Outcome, TurnRun, TurnState, resumable
from flux_runtime.errors import Cancelled, FluxRuntimeError
from flux_runtime.interface import MAX_SEED, Envelope
from sessions.records import NewImage, TurnStatus

UPLOADS = -1
"""The step that a turn's uploads are stored under, before its first real one."""

TurnGraph = CompiledStateGraph[TurnState, TurnRun, TurnState, TurnState]


def build_graph(checkpointer: BaseCheckpointSaver[str]) -> TurnGraph:
    """The compiled graph. Its input is a state with the message's plain text, its context a `TurnRun`."""
    graph = StateGraph(TurnState, context_schema=TurnRun)
    graph.add_node("screen", _node(screen))
    graph.add_node("route", _node(route))
    graph.add_node("tool", _node(tool))
    graph.add_node("reply", _node(reply))
    graph.add_edge(START, "screen")
    graph.add_conditional_edges("screen", _after_screen)
    graph.add_conditional_edges("route", _next_step)
    graph.add_conditional_edges("tool", _next_step)
    graph.add_edge("reply", END)
    return graph.compile(checkpointer=checkpointer)


def screen(state: TurnState, run: TurnRun) -> TurnState:
    """Check the message, store its pictures, and fix the seed so that a second run draws the same."""
    turn = run.turn
    images = run.store.images
    known = set() if turn.reply_to is None else set(images.numbers(run.session))
    check_message(turn, state.get("text", ""), known, run.language)
    check_settings(turn, run.language)
    pictures = ingest_all(turn.attachments, run.language, run.cancel)
    uploads = [
        images.add(run.session, run.id, UPLOADS, index, picture.image, NewImage(op="upload"))
        for index, picture in enumerate(pictures)
    ]
    see_through = ["on_white" in picture.done for picture in pictures]
    return {
        "on_white": [upload.n for upload, laid in zip(uploads, see_through, strict=True) if laid],
        "attached": list(attached_numbers(turn, (upload.n for upload in uploads))),
        "seed": state.get("seed", secrets.randbelow(MAX_SEED + 1) if turn.seed is None else turn.seed),
    }


def route(state: TurnState, run: TurnRun) -> TurnState:
    """Decide what to do, down to the numbers of the images, before any of it is done.

    A turn that is tried again keeps its plan: a part of it may have been done.
    """
    if "plan" in state:
        return {"outcomes": state.get("outcomes", [])}
    text, attached = state.get("text", ""), state.get("attached", ())
    message, album = view(run.store, run.session, run.turn, text, run.language, attached, before=run.id)
    envelope = Envelope(id=f"{run.id}-plan", owner=run.session.owner)
    plan = make_plan(message, album, run.runtime, run.tools, envelope=envelope, cancel=run.cancel)
    return {"plan": plan.model_dump(mode="json"), "outcomes": []}


def tool(state: TurnState, run: TurnRun) -> TurnState:
    """Do the next step of the plan."""
    outcomes = state.get("outcomes", [])
    step = Plan.read(state.get("plan"), run.tools).steps[len(outcomes)]
    return {"outcomes": [*outcomes, run_step(step, state, run)]}


def reply(state: TurnState, run: TurnRun) -> TurnState:
    """Say what was done and keep it: from here on a retry of the turn gets this reply."""
    said = compose(state, run)
    keep(said, state, run)
    return {"reply": said.model_dump(mode="json")}


def keep(said: Reply, state: TurnState, run: TurnRun) -> None:
    """Store what the turn came to. A failure that may pass is kept with where a later try goes on."""
    status: TurnStatus = "replied"
    if said.error:
        status = "stopped" if said.error.code in (Cancelled.code, CutShort.code) else "failed"
    passing = said.error is not None and may_pass(said.error.code)
    run.store.finish_turn(
        run.session.owner,
        run.id,
        status=status,
        plan=state.get("plan"),
        reply=said.model_dump(mode="json"),
        seconds=said.seconds,
        state=dict(resumable(state)) if passing else None,
    )


def _node(action: Callable[[TurnState, TurnRun], TurnState]) -> Callable[..., TurnState]:
    """A node that turns errors meant for people into state and does not begin once the turn is stopped."""

    def node(state: TurnState, runtime: GraphRuntime[TurnRun]) -> TurnState:
        run = runtime.context
        try:
            if run.cancel.is_set() and action is not reply:
                raise Cancelled("Stopped.", stage=action.__name__)
            return action(state, run)
        except FluxRuntimeError as error:
            return {"failure": failure_of(error, run.language)}

    return node


def _after_screen(state: TurnState) -> Literal["route", "reply"]:
    return "reply" if "failure" in state else "route"


def _declined(outcomes: Sequence[Outcome]) -> bool:
    """Whether the last step looked at its picture and left it alone; what was to follow builds on it."""
    return bool(outcomes) and bool(outcomes[-1].get("checked")) and not outcomes[-1]["images"]


def _next_step(state: TurnState) -> Literal["tool", "reply"]:
    outcomes = state.get("outcomes", ())
    if "failure" in state or len(outcomes) == len(state.get("plan", {})["steps"]) or _declined(outcomes):
        return "reply"
    return "tool"
