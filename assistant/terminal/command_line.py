"""`flux-assistant`: the commands, their options, and which part of the project each one calls.

It decides nothing about a conversation: words become a `Turn`, a `Reply` becomes text or JSON. Heavy parts
are imported by the command that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from assistant.settings import Settings
from assistant.terminal import printing as terminal
from assistant.turn import LOCAL_OWNER, Turn
from flux_runtime.catalogue import find_model, model_names, read_entry
from flux_runtime.errors import BadImage, BadSetting, Broken, FluxRuntimeError
from flux_runtime.interface import MAX_SEED
from sessions.records import NotFound, TurnRecord

if TYPE_CHECKING:
    from assistant.conversation import Conversation

    OneMessage = Callable[[Conversation, str, threading.Event], Coroutine[Any, Any, bool]]


class CannotStore(Broken):
    """A file, a folder or the database cannot be read or written."""

    code = "cannot_store"


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
    with _failures(as_json=False):
        serve(_settings(**{key: value for key, value in given.items() if value is not None}))


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
    with _failures(as_json):
        attached = [_read(file) for file in image or ()]

    async def one(conversation: Conversation, message: str, cancel: threading.Event) -> bool:
        turn = Turn(text=message, session=session, seed=seed, attachments=tuple(attached))
        attached.clear()
        reply = await conversation.take_turn(turn, on_event=terminal.progress, cancel=cancel)
        if as_json:
            terminal.print_json(reply.as_json())
        else:
            terminal.print_reply(reply)
        return reply.error is None

    _each_message(text, one, as_json)


@app.command()
def plan(text: Message, session: Session = "default", as_json: Json = False) -> None:
    """Show what a turn would do, without doing or recording it."""

    async def one(conversation: Conversation, message: str, _: threading.Event) -> bool:
        try:
            planned = await conversation.plan(Turn(text=message, session=session))
        except FluxRuntimeError as error:
            terminal.print_error(error, as_json=as_json)
            return False
        if as_json:
            terminal.print_json(planned.as_json())
        else:
            terminal.print_plan(planned)
        return True

    _each_message(text, one, as_json)


@app.command()
def history(session: Session = "default", as_json: Json = False) -> None:
    """List a conversation's turns and pictures."""
    from assistant.reply import shown
    from assistant.wiring import open_store

    with _failures(as_json):
        store = open_store(_settings())
        found = store.history(LOCAL_OWNER, session)
        images = [shown(image, store) for image in found.images]
        if as_json:
            terminal.print_json(
                {
                    "session": found.session.name,
                    "title": found.session.title,
                    "turns": [_turn_as_json(turn) for turn in found.turns],
                    "images": [image.model_dump(mode="json") for image in images],
                    "head": found.head,
                }
            )
        else:
            terminal.print_history(found, images)


@app.command()
def dialog(
    paths: Annotated[list[Path], typer.Argument(help="Dialog scripts, or folders of them.")],
    report: Annotated[
        Path | None, typer.Option(help="Write every message, picture and check to this HTML file.")
    ] = None,
) -> None:
    """Replay dialog scripts and check their expectations."""
    from assistant.dialogs.report import write_report
    from assistant.dialogs.script import find_scripts, play, read_script
    from assistant.wiring import build_conversation

    played = []
    with _failures(as_json=False), tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        scripts = [read_script(path) for path in find_scripts(paths)]
        if report:
            report.open("a").close()  # what cannot be written is better known before the model has worked
        conversation = build_conversation(_settings(data_dir=Path(folder)))
        try:
            for number, script in enumerate(scripts):
                played.append(runner.run(play(script, conversation, session=f"dialog {number}")))
                terminal.print_played(played[-1])
        finally:
            conversation.close()
        if report:
            write_report(played, report)
            print(f"report: {report}")
    if not all(script.passed for script in played):
        raise typer.Exit(1)


@app.command()
def models(as_json: Json = False) -> None:
    """List the models that can be used."""
    with _failures(as_json):
        in_use = _settings().model
        entries = {name: read_entry(find_model(name)) for name in (*model_names(), in_use)}
        if as_json:
            found = [
                {**entry.model_dump(mode="json"), "in_use": name == in_use} for name, entry in entries.items()
            ]
            terminal.print_json({"models": found})
        else:
            terminal.print_models(entries, in_use)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check that everything needed is here."""
    from assistant.terminal.doctor import examine

    with _failures(as_json):
        findings = list(examine(_settings()))
    if as_json:
        terminal.print_json({"findings": [finding.model_dump() for finding in findings]})
    else:
        terminal.print_findings(findings)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def evaluate(
    quick: Annotated[bool, typer.Option(help="A small sample: minutes, not an hour.")] = False,
    as_json: Json = False,
) -> None:
    """Measure how good pictures, answers, edits and plans are."""
    from flux_runtime.pocket.evaluation import evaluate as measure

    with _failures(as_json):
        figures = measure(_settings().model, quick=quick, on_progress=terminal.stage)
        if as_json:
            terminal.print_json(figures)
        else:
            terminal.print_figures(figures)


@app.command()
def bench(
    n: Annotated[int, typer.Option("-n", min=2, help="How often each task is timed.")] = 20,
    as_json: Json = False,
) -> None:
    """Time the three tasks on this machine."""
    from flux_runtime.benchmark import measure

    with _failures(as_json):
        figures = measure(_settings().model, n=n, on_progress=terminal.note)
        if as_json:
            terminal.print_json(figures)
        else:
            terminal.print_benchmark(figures)


def _each_message(text: str, one: OneMessage, as_json: bool) -> None:
    """Do `one` with the message, or with every line of standard input if it is "-"; exit 1 if any failed.

    Ctrl-C stops the model and then the command; what was done before is kept.
    """
    from assistant.wiring import build_conversation

    lines = (line.rstrip("\n") for line in sys.stdin) if text == "-" else iter((text,))
    done = []
    with _failures(as_json), asyncio.Runner() as runner:
        conversation = build_conversation(_settings())
        cancel = threading.Event()
        try:
            for line in lines:
                with _interrupt_sets(cancel):
                    done.append(runner.run(one(conversation, line, cancel)))
                if cancel.is_set():
                    break
        finally:
            conversation.close()
    if not all(done):
        raise typer.Exit(1)


@contextmanager
def _interrupt_sets(cancel: threading.Event) -> Iterator[None]:
    """While inside, Ctrl-C sets `cancel` instead of tearing the process down."""
    before = signal.signal(signal.SIGINT, lambda *_: cancel.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadImage(f"{file} cannot be read: {error.strerror}.") from error


def _settings(**given: Any) -> Settings:
    """The settings, or the error that names the first variable with a value that cannot be used."""
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = f"FLUX_ASSISTANT_{wrong['loc'][0]}".upper()
        raise BadSetting(
            f"{name} is {wrong['input']!r}: {wrong['msg']}.",
            stage="settings",
            remedy="Set it to another value, or unset it.",
        ) from error


def _turn_as_json(turn: TurnRecord) -> dict[str, Any]:
    reply = turn.reply or {}
    return {
        "text": turn.text,
        "status": turn.status,
        "tool": reply.get("tool"),
        "reply": reply.get("text"),
        "created": turn.created,
    }


@contextmanager
def _failures(as_json: bool) -> Iterator[None]:
    """Turn an error that a person can do something about into a message and exit status 1."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read the output has gone, and typer ends quietly
    except (FluxRuntimeError, NotFound, OSError, sqlite3.Error) as error:
        terminal.print_error(_told(error), as_json=as_json)
        raise typer.Exit(1) from error


def _told(error: Exception) -> Exception:
    """The error in words that say what to do."""
    if isinstance(error, OSError):
        return CannotStore(
            f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.",
            stage="files",
            remedy="It takes a folder that you can write to, with free space; FLUX_ASSISTANT_DATA_DIR names "
            "the one for conversations.",
        )
    if isinstance(error, sqlite3.Error):
        return CannotStore(
            f"The database of conversations cannot be used: {error}.",
            stage="database",
            remedy="End other programs that use it and see that there is free space, or name another folder: "
            "FLUX_ASSISTANT_DATA_DIR=...",
        )
    return error
