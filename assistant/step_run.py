"""One step of a plan, done: what its tool is given, and what came of it by ids and numbers."""

from __future__ import annotations

from assistant.planning.plan import Source, Step
from assistant.turn_state import Outcome, TurnRun, TurnState
from sessions.records import ImageRecord
from tools.contract import ToolContext, next_seed


def run_step(step: Step, state: TurnState, run: TurnRun) -> Outcome:
    """Do the step after those that `state` has outcomes of. Raises what the runtime raises."""
    outcomes = state.get("outcomes", [])
    sources = tuple(_source(source, outcomes, run) for source in step.sources)
    context = ToolContext(
        runtime=run.runtime,
        store=run.store,
        session=run.session,
        turn=run.id,
        step=len(outcomes),
        typed=state.get("text", ""),
        seed=next_seed(state.get("seed", 0), by=len(outcomes)),
        language=run.language,
        commanded=run.turn.command is not None or state.get("text", "").startswith("/"),
        options=run.options,
        sources=sources,
        width=run.turn.width,
        height=run.turn.height,
        num_inference_steps=run.turn.num_inference_steps,
        previews=run.turn.previews,
        on_event=run.on_event,
        cancel=run.cancel,
    )
    done = run.tools.of_step(step.tool).run(step.arguments, context)
    moved = done.move
    return Outcome(
        sources=[source.n for source in sources],
        images=[image.id for image in done.images],
        answer=done.answer,
        left=moved.left.n if moved and moved.left else None,
        current=moved.current.n if moved and moved.current else None,
        kept=done.kept,
        checked=done.checked and list(done.checked),
    )


def _source(source: Source, outcomes: list[Outcome], run: TurnRun) -> ImageRecord:
    """The stored image that a step of the plan works on."""
    if isinstance(source, str):
        made = outcomes[int(source.removeprefix("$")) - 1]["images"][-1]
        return run.store.images.get(run.session.owner, made)
    return run.store.images.numbered(run.session, source)
