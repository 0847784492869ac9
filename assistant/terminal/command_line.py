"""`flux-assistant`: the commands, their options, and which part of the project each one calls.

It decides nothing about a conversation: words become a `Turn`, a `Reply` becomes text or JSON. Heavy parts
are imported by the command that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.screen import BadMessage
from assistant.terminal import printing
from assistant.terminal.attachment import read_attachment
from assistant.terminal.failures import failures, read_settings
from assistant.terminal.interruption import interruption_sets
from assistant.turn import LOCAL_OWNER, Turn
from flux_runtime.catalogue import find_model, model_names, read_entry
from flux_runtime.errors import FluxRuntimeError
from flux_runtime.interface import MAX_SEED
from sessions.records import TurnRecord

if TYPE_CHECKING:
    from assistant.conversation import Conversation

    OneMessage = Callable[[Conversation, str, threading.Event], Coroutine[Any, Any, bool]]


app = typer.Typer(
    help="Draw a picture, ask about it, change it. Without a command: the chat page.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
Session = Annotated[str, typer.Option(help="The conversation's name.")]
Message = Annotated[str, typer.Argument(metavar="TEXT|-", help="The message; - reads one message a line.")]


def main() -> None:
    """Entry point of the console script."""
    printing.prepare_streams()
    app()


@app.callback(invoke_without_command=True)
def flux_assistant(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show_version:
        print(version("flux-assistant"))
    elif context.invoked_subcommand is None:
        chat()


@app.command()
def chat(
    host: Annotated[str | None, typer.Option(help="An address of this machine.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free port.")] = None,
) -> None:
    """Open the chat page on this machine."""
    from assistant.server import serve

    given = {"host": host, "port": port}
    with failures(as_json=False):
        serve(read_settings(**{key: value for key, value in given.items() if value is not None}))


@app.command()
def say(
    text: Message,
    session: Session = "default",
    image: Annotated[
        list[Path] | None, typer.Option(help="A picture to attach to the first message; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="The seed of what is drawn.")] = None,
    as_json: Json = False,
) -> None:
    """Take one turn of a conversation."""
    with failures(as_json):
        attached = [read_attachment(file) for file in image or ()]

    async def one(conversation: Conversation, message: str, cancel: threading.Event) -> bool:
        turn = Turn(text=message, session=session, seed=seed, attachments=tuple(attached))
        attached.clear()
        reply = await conversation.take_turn(turn, on_event=printing.progress, cancel=cancel)
        printing.print_reply(reply, partial(conversation.store.images.path, LOCAL_OWNER), as_json=as_json)
        return reply.error is None

    _each_message(text, one, as_json)


@app.command()
def plan(text: Message, session: Session = "default", as_json: Json = False) -> None:
    """Show what a turn would do, without doing or recording it."""

    async def one(conversation: Conversation, message: str, _: threading.Event) -> bool:
        try:
            planned = await conversation.plan(Turn(text=message, session=session))
        except FluxRuntimeError as error:
            printing.print_error(error, as_json=as_json)
            return False
        if as_json:
            printing.print_json(planned.as_json())
        else:
            printing.print_plan(planned)
        return True

    _each_message(text, one, as_json)


@app.command()
def history(session: Session = "default", as_json: Json = False) -> None:
    """List a conversation's turns and pictures."""
    from assistant.reply import shown
    from assistant.wiring import open_store

    with failures(as_json):
        store = open_store(read_settings())
        found = store.history(LOCAL_OWNER, session)
        images = [
            {**shown(image).model_dump(mode="json"), "path": str(store.images.path(LOCAL_OWNER, image.id))}
            for image in found.images
        ]
        if as_json:
            printing.print_json(
                {
                    "session": found.session.name,
                    "title": found.session.title,
                    "turns": [_turn_as_json(turn) for turn in found.turns],
                    "images": images,
                    "head": found.head,
                }
            )
        else:
            printing.print_history(found, images)


@app.command()
def dialog(
    paths: Annotated[list[Path], typer.Argument(help="Dialog scripts, or folders of them.")],
    report: Annotated[
        Path | None, typer.Option(help="Write every message, picture and check to this HTML file.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds each script is played with.")] = 1,
) -> None:
    """Replay dialog scripts, check their expectations, and print how many scripts passed.

    With several seeds, each script is played with its own and the ones after it.
    """
    from assistant.dialogs.report import write_report
    from assistant.dialogs.script import find_scripts, play, read_script
    from assistant.wiring import build_conversation
    from flux_runtime.judging import find_judge

    played = []
    with failures(as_json=False), tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        scripts = [read_script(path) for path in find_scripts(paths)]
        if report:
            report.open("a").close()  # what cannot be written is better known before the model has worked
        settings = read_settings(data_dir=Path(folder))
        conversation, judge = build_conversation(settings), find_judge(settings.model)
        try:
            for number, script in enumerate(scripts):
                for seed in range(script.seed, script.seed + seeds):
                    session = f"dialog {number}, seed {seed}"
                    playing = play(script, conversation, session=session, judge=judge, seed=seed)
                    played.append(runner.run(playing))
                    printing.print_played(played[-1])
        finally:
            conversation.close()
        if report:
            write_report(played, report)
            print(f"report: {report}")
    printing.print_pass_rates(played)
    if not all(script.passed for script in played):
        raise typer.Exit(1)


@app.command()
def models(as_json: Json = False) -> None:
    """List the models that can be used."""
    with failures(as_json):
        in_use = read_settings().model
        entries = {name: read_entry(find_model(name)) for name in (*model_names(), in_use)}
        if as_json:
            found = [
                {**entry.model_dump(mode="json"), "in_use": name == in_use} for name, entry in entries.items()
            ]
            printing.print_json({"models": found})
        else:
            printing.print_models(entries, in_use)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check that everything needed is here."""
    from assistant.terminal.doctor import examine

    with failures(as_json):
        findings = list(examine(read_settings()))
    if as_json:
        printing.print_json({"findings": [finding.model_dump() for finding in findings]})
    else:
        printing.print_findings(findings)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def evaluate(
    quick: Annotated[bool, typer.Option(help="A small sample: minutes, not an hour.")] = False,
    only: Annotated[
        str | None, typer.Option(metavar="PART,...", help="Only these parts, such as everyday,trust.")
    ] = None,
    turns: Annotated[
        Path | None, typer.Option(help="Write what each turn of trust came to to this file, a JSON a line.")
    ] = None,
    sheets: Annotated[
        Path | None, typer.Option(help="A folder for contact sheets of the first pictures of each kind.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how good pictures, answers, edits, plans and whole turns are."""
    from assistant.trust_evaluation import TRUST, measure_trust, turn_as_json, with_trust
    from flux_runtime.pocket.evaluation import PARTS, Sizes
    from flux_runtime.pocket.evaluation import evaluate as measure

    known = (*PARTS, TRUST)
    parts = [part.strip() for part in only.split(",")] if only is not None else known
    if not set(parts) <= set(known):
        raise typer.BadParameter(f"the parts are {', '.join(known)}", param_hint="--only")
    with failures(as_json), ExitStack() as files:
        settings = read_settings()
        file = files.enter_context(turns.open("w", encoding="utf-8")) if turns else None
        measured = [part for part in parts if part != TRUST]
        figures = measure(
            settings.model, quick=quick, parts=measured, sheets=sheets, on_progress=printing.stage
        )
        if TRUST in parts:
            size = Sizes.of(quick=quick).trust
            judged = measure_trust(
                settings,
                turns=size,
                on_progress=printing.stage,
                on_judged=lambda *turn: print(turn_as_json(*turn), file=file, flush=True) if file else None,
            )
            figures = with_trust(figures, judged)
        if as_json:
            printing.print_json(figures)
        else:
            printing.print_figures(figures)


@app.command()
def bench(
    n: Annotated[int, typer.Option("-n", min=2, help="How many times each task is timed.")] = 20,
    as_json: Json = False,
) -> None:
    """Time the three tasks and a turn on this machine."""
    from assistant.terminal.turn_benchmark import measure_turn
    from flux_runtime.benchmark import measure

    with failures(as_json):
        settings = read_settings()
        figures = measure(settings.model, n=n, on_progress=printing.note)
        figures["rows"] += measure_turn(settings, n=n, on_progress=printing.note)
        if as_json:
            printing.print_json(figures)
        else:
            printing.print_benchmark(figures)


def _each_message(text: str, one: OneMessage, as_json: bool) -> None:
    """Do `one` with the message, or with every line of standard input if it is "-"; exit 1 if any failed.

    Ctrl-C, `kill` and a closed terminal stop the model and then the command; what was done before is kept.
    """
    from assistant.wiring import build_conversation

    lines = (line.rstrip("\n") for line in sys.stdin) if text == "-" else iter((text,))
    done: list[bool] = []
    with failures(as_json), asyncio.Runner() as runner:
        conversation = build_conversation(read_settings())
        cancel = threading.Event()
        try:
            for line in lines:
                if not printing.is_text(line):
                    unreadable = BadMessage("That is not UTF-8 text, so nothing was done.", stage="screen")
                    printing.print_error(unreadable, as_json=as_json)
                    done.append(False)
                    continue
                with interruption_sets(cancel):
                    done.append(runner.run(one(conversation, line, cancel)))
                if cancel.is_set():
                    break
        finally:
            conversation.close()
    if not all(done):
        raise typer.Exit(1)


def _turn_as_json(turn: TurnRecord) -> dict[str, Any]:
    reply = turn.reply or {}
    return {
        "text": turn.text,
        "status": turn.status,
        "tool": reply.get("tool"),
        "reply": reply.get("text"),
        "created": turn.created,
    }
