"""The model card and `docs/pocket.md`, written from what was measured: evaluation, recipe and logs.

No number in either is typed by hand; run `make pocket-card` after an evaluation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flux_runtime.pocket.changes import EDIT_TYPES
from flux_runtime.pocket.questions import OBJECT_QUESTIONS, SCENE_QUESTIONS
from flux_runtime.pocket.world import ATTRIBUTES

# What the first edition aims at: a path into evaluation.json -> at least.
GOALS: dict[str, float] = {
    **{f"generation.seen.{key}": 0.95 for key in ATTRIBUTES},
    "generation.seen.objects": 0.75,
    **{f"answers.seen.{about}": 0.97 for about in SCENE_QUESTIONS},
    **{f"answers.seen.{about}": 0.90 for about in OBJECT_QUESTIONS},
    "edits.change": 0.85,
    **{f"edits.types.{type_}": 0.70 for type_ in EDIT_TYPES},
    "edits.kept": 0.95,
    "edits.outside_psnr": 29.0,
    "chains.3": 0.85,
    "plans.en": 0.95,
    "plans.zh": 0.95,
    "vae_psnr": 28.0,
}


def value_at(report: dict[str, Any], path: str) -> float:
    """`value_at(report, "edits.types.add")`."""
    value: Any = report
    for key in path.split("."):
        value = value[key]
    return float(value)


def goals_table(report: dict[str, Any]) -> str:
    """Every goal, what was reached, and whether that is enough."""
    rows = ["| measured | goal | reached | |", "|---|---|---|---|"]
    for path, goal in GOALS.items():
        reached = value_at(report, path)
        enough = "yes" if reached >= goal else "**no**"
        rows.append(f"| {path.replace('.', ' · ')} | {goal:g} | {reached:g} | {enough} |")
    return "\n".join(rows)


def unseen_table(report: dict[str, Any]) -> str:
    """Seen against unseen compositions, drawing and answering."""
    rows = ["| | drawn, seen | drawn, unseen | judge on renders |", "|---|---|---|---|"]
    seen, unseen, judge = report["generation"]["seen"], report["generation"]["unseen"], report["judge"]
    rows += [f"| {key} | {seen[key]:.3f} | {unseen[key]:.3f} | {judge[key]:.3f} |" for key in seen]
    rows += ["", "| question | answers, seen | answers, unseen |", "|---|---|---|"]
    answers = report["answers"]
    rows += [
        f"| {key} | {answers['seen'][key]:.3f} | {answers['unseen'].get(key, float('nan')):.3f} |"
        for key in answers["seen"]
    ]
    rows.append(f"| on its own pictures | {answers['own_pictures']:.3f} | |")
    return "\n".join(rows)


def write_curves(runs: Path, target: Path) -> None:
    """Losses over minutes of every stage, one small plot each (needs matplotlib, from the dev extra)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logs = {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(runs.glob("*/log.jsonl"))
    }
    figure, axes = pyplot.subplots(2, 3, figsize=(12, 6), constrained_layout=True)
    for axis in axes.flat[len(logs) :]:
        axis.set_visible(False)
    for axis, (name, rows) in zip(axes.flat, logs.items(), strict=False):
        for key in (key for key, value in rows[0].items() if isinstance(value, float) and key != "minutes"):
            points = [(row["minutes"], row[key]) for row in rows if key in row]
            axis.plot(*zip(*points, strict=True), label=key)
        axis.set_title(name)
        axis.set_xlabel("minutes")
        axis.legend(fontsize="small")
    figure.savefig(target, dpi=90)
    pyplot.close(figure)


_ABOUT = """\
Pocket is a FLUX.3 of the unmodified classes (`Flux3Transformer2DModel`, `AutoencoderKLFlux2`,
`Qwen3VLForConditionalGeneration`), small enough for two CPU cores and trained from nothing by this
repository's recipe on a storybook world that the repository draws. Nothing in it comes from another model or
data set. Licence: Apache-2.0."""

_LIMITS = """\
It knows one world: four characters with or without a space suit, five actions, five places, four kinds of
weather, and up to two objects (one a side) of six kinds in five colours, at 256x256, in English and Chinese.
It edits one thing at a time: {edits}. Of these, below their goal: {weak}. It is no art tool: it is there so
that everything around it can be tried, tested and understood on a laptop."""

_HISTORY = """\
The shipped weights were not made in one go. The language model's first course ran for 2,500 steps; the
second, `answers`, for 3,720, with its schedule restarted four times: at 1,260 the grammar had become four
times as wide, at 2,500 lessons with two objects in plain words were put in (until then planner and prompts
mixed up which colour and side belong to which of two objects), at 2,740 the batch became smaller, at 3,400
chat and undo more frequent. The flow learned its first 1,460 of 2,380 steps (14 drawings and 20 edits a
process) from the first course's features, the next 640 (10 and 24) from the second's, on new pairs, and the
last 280 (6 and 28) with most edits being of one object among two, each of the three with a schedule of its
own; of those last steps the weights themselves are shipped, not their average, which lagged behind. A run
of `make pocket` from nothing does the courses one after the other."""

_CARD = """\
---
license: apache-2.0
language: [en, zh]
---

# pocket

{about}

## What it can and cannot do

{limits}

## Measured

`flux-assistant evaluate`, {minutes:.0f} minutes on a CPU.

{numbers}

## Recipe

{recipe}

{history}
"""

_PAGE = """\
# Pocket

{about}

{limits}

Made by `make pocket`; measured by `flux-assistant evaluate`; this page is written from the results by
`make pocket-card`, so no number here is typed by hand.

## Numbers

Held out: {seen} scenes whose exact combination was never in training, and {unseen} of compositions
(character, action, place) that were never together. Pictures are judged from their pixels by a separately
trained classifier, whose own accuracy on unseen renders stands beside. Planning: 120 sentences a language,
written before the training grammar and never trained on.

{numbers}

## Pictures, uncurated

The first forty held-out scenes, in order:

![drawn from captions](images/generated-seen.png)

The first forty of unseen compositions:

![drawn from captions of unseen compositions](images/generated-unseen.png)

Edits, one column a type ({types}); each cell from top to bottom: source, exact target, result:

![edits](images/edited.png)

Three edits in a row on its own pictures:

![chains of edits](images/chains-3.png)

Ten in a row:

![chains of ten edits](images/chains-10.png)

## Learning curves

{history}

![losses over minutes](images/curves.png)
"""


def write_card(weights: Path, docs: Path) -> None:
    """`<weights>/README.md` and `<docs>/pocket.md`."""
    report = json.loads((weights / "evaluation.json").read_text())
    recipe = json.loads((weights / "recipe.json").read_text())
    types = report["edits"]["types"]
    weak = [type_ for type_, right in types.items() if right < GOALS[f"edits.types.{type_}"]]
    shared = {
        "about": _ABOUT,
        "history": _HISTORY,
        "limits": _LIMITS.format(edits=", ".join(types), weak=", ".join(weak) or "none"),
        "numbers": f"{goals_table(report)}\n\n{unseen_table(report)}",
    }
    settings = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in recipe.items())
    card = _CARD.format(**shared, minutes=report["seconds"] / 60, recipe=settings)
    page = _PAGE.format(
        **shared,
        seen=report["n"]["generation seen"],
        unseen=report["n"]["generation unseen"],
        types=", ".join(types),
    )
    (weights / "README.md").write_text(card, encoding="utf-8")
    (docs / "pocket.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    import argparse
    import shutil

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    given = parser.parse_args()
    write_card(Path(__file__).parent / "weights", given.docs)
    (given.docs / "images").mkdir(exist_ok=True)
    for sheet in given.runs.glob("sheets/*.png"):
        shutil.copy(sheet, given.docs / "images")
    write_curves(given.runs, given.docs / "images" / "curves.png")
