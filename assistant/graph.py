"""The graph of one turn, nodes and edges only: screen -> route -> tool (once a step) -> reply.

A node may run again after a crash, so whatever it stores it stores under an id that a second run finds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime as GraphRuntime

from assistant.failures import CutShort, failure_of, may_pass
from assistant.planning.message import attached_numbers, message_of
from assistant.planning.plan import Plan, Source
from assistant.planning.planner import make_plan
from assistant.planning.source_resolution import Album
from assistant.reply import compose
from assistant.screen import check_message, check_settings, ingest_all
from assistant.turn import Reply
from assistant.turn_state import Outcome, TurnRun, TurnState, resumable
from flux_runtime.errors import Cancelled, FluxRuntimeError
from flux_runtime.interface import MAX_SEED
from sessions.records import ImageRecord, NewImage, TurnStatus
from tools import TOOLS
from tools.contract import ToolContext, ToolTask

UPLOADS = -1
"""The step that a turn's uploads are stored under, before its first real one."""

TurnGraph = CompiledStateGraph[TurnState, TurnRun, TurnState, TurnState]

_TOOLS = {tool.step: tool for tool in TOOLS}


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
    uploads = [
        images.add(run.session, run.id, UPLOADS, index, picture, NewImage(op="upload"))
        for index, picture in enumerate(ingest_all(turn.attachments, run.language))
    ]
    return {
        "attached": list(attached_numbers(turn, (upload.n for upload in uploads))),
        "seed": state.get("seed", secrets.randbelow(MAX_SEED + 1) if turn.seed is None else turn.seed),
    }


def route(state: TurnState, run: TurnRun) -> TurnState:
    """Decide what to do, down to the numbers of the images, before any of it is done.

    A turn that is tried again keeps its plan: a part of it may have been done.
    """
    if "plan" in state:
        return {"outcomes": state.get("outcomes", [])}
    head = run.store.images.head(run.session)
    album = Album(
        images=run.store.images.of(run.session),
        attached=tuple(state.get("attached", ())),
        head=head.n if head else None,
    )
    last = run.store.last_turn(run.session, before=run.id)
    message = message_of(run.turn, state.get("text", ""), run.language, last)
    plan = make_plan(message, album, run.runtime, cancel=run.cancel)
    return {"plan": plan.model_dump(mode="json"), "outcomes": []}


def tool(state: TurnState, run: TurnRun) -> TurnState:
    """Do the next step of the plan."""
    plan, outcomes = _plan(state), state.get("outcomes", [])
    step, index = plan.steps[len(outcomes)], len(outcomes)
    sources = tuple(_source(source, outcomes, run) for source in step.sources)
    seed = _seed(state.get("seed", 0), index)
    context = ToolContext(
        runtime=run.runtime,
        store=run.store,
        session=run.session,
        turn=run.id,
        step=index,
        typed=state.get("text", ""),
        seed=_unused(seed, step.text, run) if plan.vary else seed,
        width=run.turn.width,
        height=run.turn.height,
        num_inference_steps=run.turn.num_inference_steps,
        preview_every=run.turn.preview_every,
        on_event=run.on_event,
        cancel=run.cancel,
    )
    done = _TOOLS[step.tool].run(ToolTask(step.text, sources, step.region), context)
    moved = done.move
    outcome = Outcome(
        sources=[source.n for source in sources],
        images=[image.id for image in done.images],
        answer=done.answer,
        left=moved.left.n if moved and moved.left else None,
        current=moved.current.n if moved and moved.current else None,
    )
    return {"outcomes": [*outcomes, outcome]}


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


def _next_step(state: TurnState) -> Literal["tool", "reply"]:
    if "failure" in state or len(state.get("outcomes", ())) == len(_plan(state).steps):
        return "reply"
    return "tool"


def _plan(state: TurnState) -> Plan:
    return Plan.model_validate(state.get("plan"))


def _seed(first: int, index: int) -> int:
    """Each step of a plan has the next seed; one out of range stays so, and the runtime refuses it."""
    return (first + index) % (MAX_SEED + 1) if 0 <= first <= MAX_SEED else first


def _unused(seed: int, words: str, run: TurnRun) -> int:
    """The first seed from this one on that no image was made from these words with: it would be the same."""
    used = run.store.images.seeds(run.session, words)
    while seed in used:
        seed = _seed(seed, 1)
    return seed


def _source(source: Source, outcomes: list[Outcome], run: TurnRun) -> ImageRecord:
    """The stored image that a step of the plan works on."""
    if isinstance(source, str):
        made = outcomes[int(source.removeprefix("$")) - 1]["images"][-1]
        return run.store.images.get(run.session.owner, made)
    return run.store.images.numbered(run.session, source)
