"""Played dialogs as one HTML file to look at: every message, every picture, every check."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from assistant.dialogs.script import READERS, PlayedScript, pass_rates


def write_report(played: Iterable[PlayedScript], file: Path) -> None:
    """Write `file` from report.html.j2; the pictures are inside it, so it can be passed on alone."""
    environment = Environment(
        loader=PackageLoader("assistant.dialogs", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["inline"] = lambda path: base64.b64encode(path.read_bytes()).decode()
    scripts = list(played)
    checks = [check for script in scripts for turn in script.turns for check in turn.checks]
    page = environment.get_template("report.html.j2").render(
        scripts=scripts,
        rates=pass_rates(scripts),
        met=sum(check.passed for check in checks),
        asked=len(checks),
        readers=sorted({READERS[script.reader] for script in scripts}),
    )
    file.write_text(page, encoding="utf-8")
