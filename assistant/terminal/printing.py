"""What the command line prints: replies, plans and tables for people, JSON for programs, progress for both.

With JSON, standard output holds JSON and nothing else; progress always goes to standard error. No character
can fail to be printed: where the output is not UTF-8, what it lacks is written as an escape.
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assistant.planning.plan import Plan
from assistant.turn import Reply
from flux_runtime.catalogue import CatalogueEntry
from flux_runtime.interface import Event, Finished, Queued, Step
from sessions.records import History

_WIDEST = 10_000
"""Characters; rich would fold a table to the terminal's width, or to 80 where there is none."""

if TYPE_CHECKING:
    from assistant.dialogs.script import PlayedScript
    from assistant.terminal.doctor import Finding


def prepare_streams() -> None:
    """Let nothing that is read or printed end the command: undecodable bytes in, unknown characters out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")


def is_text(words: str) -> bool:
    """Whether words that came as bytes could be decoded; those that could not hold lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in words)


def print_json(value: Any) -> None:
    """One line of JSON on standard output, in ASCII where that is not UTF-8."""
    print(json.dumps(value, ensure_ascii=not _takes_unicode()), flush=True)


def _takes_unicode() -> bool:
    try:
        return codecs.lookup(sys.stdout.encoding).name in ("utf-8", "utf-16", "utf-32")
    except (LookupError, TypeError):
        return False


def print_error(error: Exception, *, as_json: bool) -> None:
    """A failure: as JSON on standard output, or as a sentence on standard error."""
    if as_json:
        code, stage = getattr(error, "code", "not_found"), getattr(error, "stage", "request")
        print_json({"error": {"code": code, "stage": stage, "message": str(error)}})
    else:
        print(error, file=sys.stderr, flush=True)


def print_reply(reply: Reply, path_of: Callable[[str], Path], *, as_json: bool) -> None:
    """The reply with its pictures' files; `path_of` gives the file of a picture's id."""
    files = {image.id: str(path_of(image.id).resolve()) for image in reply.images}
    if as_json:
        answer = reply.as_json()
        for image in answer.get("images", ()):
            image["path"] = files[image["id"]]
        print_json(answer)
        return
    print(reply.text)
    for image in reply.images:
        print(f"  #{image.n}  {files[image.id]}")
    sys.stdout.flush()


def print_plan(plan: Plan) -> None:
    for number, step in enumerate(plan.steps, start=1):
        sources = " ".join(f"#{source}" if isinstance(source, int) else source for source in step.sources)
        print(f"{number}. {' '.join(part for part in (step.tool, sources, step.text) if part)}")
    if not plan.steps:
        print(f"{plan.tool}: {plan.clarify or plan.chat or ''}")
    sys.stdout.flush()


def print_history(history: History, images: Sequence[Mapping[str, Any]]) -> None:
    """Turns, then a table of `images`, each a `ReplyImage` as JSON with the `path` of its file."""
    print(f"{history.session.title or history.session.name}\n")
    for turn in history.turns:
        print(f"> {turn.text}\n  {(turn.reply or {}).get('text') or turn.status}")
    if images:
        print()
        print_table(
            [_image_row(image, history.head) for image in images], ("", "#", "made by", "from", "file")
        )


def print_models(entries: Mapping[str, CatalogueEntry], in_use: str) -> None:
    """Name or path -> entry; the one in use gets a star."""
    rows = [
        (
            "*" if name == in_use else "",
            name,
            entry.family,
            ", ".join(entry.tasks),
            "{}x{}".format(*entry.default_size),
            ", ".join(entry.languages),
            entry.license,
        )
        for name, entry in entries.items()
    ]
    print_table(rows, ("", "name", "family", "tasks", "size", "languages", "licence"))


def print_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        print(f"{finding.state:8} {finding.what}: {finding.found}")
        if finding.remedy:
            print(f"{'':8} -> {finding.remedy}")


def print_played(script: PlayedScript) -> None:
    print(f"{'ok  ' if script.passed else 'FAIL'} {script.name}, seed {script.seed}", flush=True)
    for failure in script.failures:
        print(f"     {failure}", flush=True)


def print_pass_rates(played: Sequence[PlayedScript]) -> None:
    """Who read the pictures, how many times each script passed, and all together."""
    from assistant.dialogs.script import READERS, pass_rates

    rates = pass_rates(played)
    print(f"\nWhat the pictures show was read by {READERS[played[0].reader]}.")
    for rate in rates:
        print(f"{rate.passed} of {rate.played}  {rate.name}")
    passed = sum(script.passed for script in played)
    print(f"{passed} of {len(played)} passed ({passed / len(played):.0%}).", flush=True)


def print_figures(figures: dict[str, Any]) -> None:
    """Nested figures, one a line, under the names of the groups that they are in."""
    for name, value in figures.items():
        for path, figure in _leaves(name, value):
            shown = f"{figure:.3f}" if isinstance(figure, float) else figure
            print(f"{path:44} {shown}")


def print_benchmark(figures: dict[str, Any]) -> None:
    print(", ".join(f"{key} {value}" for key, value in figures["machine"].items()) + "\n")
    header = ("", "median", "baseline", "times", "n", "spread")
    rows = [
        (
            row["name"],
            f"{row['value']:g} {row['unit']}",
            f"{row['baseline']:g} {row['unit']}",
            f"{row['ratio']:g}",
            str(row["n"]),
            f"{row['spread']:g}",
        )
        for row in figures["rows"]
    ]
    print_table(rows, header)


def print_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """Columns as wide as their longest cell, however narrow the terminal: a path must stay in one piece."""
    table = Table(*header, box=None, padding=(0, 2, 0, 0), header_style="", pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    laid_out = io.StringIO()
    Console(file=laid_out, width=_WIDEST, color_system=None).print(table)
    print("\n".join(line.rstrip() for line in laid_out.getvalue().splitlines()))


def note(text: str) -> None:
    """What is being done just now, for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def stage(name: str, done: int, of: int) -> None:
    """How far a long measurement is: one line written over, or a line a stage where nobody watches."""
    if sys.stderr.isatty():
        _overwrite(f"{name}, {done} of {of}" if done < of else "")
    elif done == of:
        note(f"{name}, {of}")


def progress(event: Event) -> None:
    """One line on standard error that is written over and wiped at the end; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return
    if isinstance(event, Step):
        _overwrite(f"drawing, step {event.step} of {event.of}")
    elif isinstance(event, Queued):
        _overwrite(f"waiting, number {event.position} in the queue")
    elif isinstance(event, Finished):
        _overwrite("")


def _overwrite(text: str) -> None:
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _image_row(image: Mapping[str, Any], head: int | None) -> tuple[str, ...]:
    parents = ", ".join(f"#{parent['n']}" for parent in image["parents"])
    return ("*" if image["n"] == head else "", f"#{image['n']}", image["op"], parents, image["path"])


def _leaves(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(f"{path} {name}", each)
    else:
        yield path, value
