"""Played dialogs as one HTML file to look at: every message, every picture, every check."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

from assistant.dialogs.script import Check, PlayedScript, PlayedTurn
from assistant.turn import ReplyImage

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #23303f; background: #fbf9f4;
       max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
.said { background: #ece6d8; border-radius: 1rem; padding: .5rem 1rem; margin: 1.2rem 0 .4rem 20%;
        width: fit-content; }
figure { display: inline-block; margin: .5rem .8rem .2rem 0; }
figure img { display: block; width: 256px; border-radius: .6rem; }
figcaption, .asked { color: #6a7480; font-size: .85rem; }
ul { list-style: none; padding: 0; margin: .3rem 0; font-size: .9rem; }
.yes::before { content: "\\2713  "; color: #1d7d6c; } .no::before { content: "\\2717  "; color: #c0392b; }
.no { font-weight: 600; }
"""


def write_report(played: Iterable[PlayedScript], file: Path) -> None:
    """Write `file`; the pictures are inside it, so it can be passed on alone."""
    scripts = list(played)
    met = sum(check.passed for script in scripts for turn in script.turns for check in turn.checks)
    asked = sum(len(turn.checks) for script in scripts for turn in script.turns)
    body = "".join(_script(script) for script in scripts)
    file.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Dialogs</title><style>{_STYLE}</style>'
        f"<h1>Dialogs</h1><p>{len(scripts)} dialogs, {met} of {asked} expectations met.</p>{body}</html>",
        encoding="utf-8",
    )


def _script(script: PlayedScript) -> str:
    mark = "yes" if script.passed else "no"
    turns = "".join(_turn(turn) for turn in script.turns)
    return f'<section><h2 class="{mark}">{escape(script.name)}</h2>{turns}</section>'


def _turn(turn: PlayedTurn) -> str:
    pictures = "".join(_picture(image, turn.pictures[image.n]) for image in turn.reply.images)
    checks = "".join(_check(check) for check in turn.checks)
    return (
        f'<p class="said">{escape(turn.user)}</p><p>{escape(turn.reply.text)}</p>{pictures}<ul>{checks}</ul>'
    )


def _picture(image: ReplyImage, file: Path) -> str:
    parents = ", ".join(f"#{parent.n}" for parent in image.parents)
    made = f"#{image.n} {image.op}{f' of {parents}' if parents else ''}, seed {image.seed}"
    inline = base64.b64encode(file.read_bytes()).decode()
    picture = f'<img src="data:image/png;base64,{inline}" alt="{escape(image.caption)}">'
    return f"<figure>{picture}<figcaption>{escape(made)}</figcaption></figure>"


def _check(check: Check) -> str:
    asked = f' <span class="asked">({escape(check.asked)})</span>' if check.asked else ""
    text = f"{escape(check.what)}: {escape(check.wanted)}; found: {escape(check.found)}"
    return f'<li class="{"yes" if check.passed else "no"}">{text}{asked}</li>'
