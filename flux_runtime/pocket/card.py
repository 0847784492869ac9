"""The model card and `docs/pocket.md`, written from what was measured: evaluation, recipe and logs.

    python -m flux_runtime.pocket.card                  # write both (make pocket-card)
    python -m flux_runtime.pocket.card --measure plans  # measure this part of the shipped weights again first

What is measured or counted is read, never typed; the goals below are the only numbers that a person set.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from flux_runtime.pocket.changes import EDIT_TYPES
from flux_runtime.pocket.evaluation import PARTS, SHEET, evaluate
from flux_runtime.pocket.overlap import SHINGLE
from flux_runtime.pocket.questions import OBJECT_QUESTIONS, SCENE_QUESTIONS
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.world import (
    ACTIONS,
    ATTRIBUTES,
    CHARACTERS,
    COLORS,
    KINDS,
    SETTINGS,
    SIDES,
    SIZE,
    WEATHERS,
)

# What the second edition aims at: a path into evaluation.json -> at least.
GOALS: dict[str, float] = {
    **{f"generation.seen.{key}": 0.95 for key in ATTRIBUTES},
    "generation.seen.objects": 0.75,
    **{f"answers.seen.{about}": 0.97 for about in SCENE_QUESTIONS},
    **{f"answers.seen.{about}": 0.90 for about in OBJECT_QUESTIONS},
    "edits.change": 0.95,
    **{f"edits.types.{type_}": 0.80 if type_ == "replace" else 0.70 for type_ in EDIT_TYPES},
    "edits.kept": 0.985,
    "edits.outside_psnr": 29.0,
    "chains.3": 0.85,
    "plans.en": 0.95,
    "plans.zh": 0.95,
    **{f"everyday.{language}.asked_for": 0.97 for language in LANGUAGES},
    **{f"everyday.{language}.clear": 0.95 for language in LANGUAGES},
    "trust.right": 0.90,
    "vae_psnr": 30.0,
}
AT_MOST: dict[str, float] = {"trust.false_claims": 0.03}
"""Goals that a figure must not be above."""


def value_at(report: dict[str, Any], path: str) -> float:
    """`value_at(report, "edits.types.add")`."""
    value: Any = report
    for key in path.split("."):
        value = value[key]
    return float(value)


def goals_table(report: dict[str, Any]) -> str:
    """Every goal, what was reached, and whether that is enough."""
    rows = ["| measured | goal | reached | |", "|---|---|---|---|"]
    for path, goal in {**GOALS, **AT_MOST}.items():
        reached = value_at(report, path)
        enough = "yes" if (reached <= goal if path in AT_MOST else reached >= goal) else "**no**"
        bound = f"at most {goal:g}" if path in AT_MOST else f"{goal:g}"
        rows.append(f"| {path.replace('.', ' · ')} | {bound} | {reached:g} | {enough} |")
    return "\n".join(rows)


def trust_table(report: dict[str, Any]) -> str:
    """Turns on which trust is lost, by kind, and what the check of pictures does for claims."""
    trust = report["trust"]
    rows = ["| turns on which trust is lost | right |", "|---|---|"]
    rows += [f"| {kind} | {right:.3f} |" for kind, right in trust["kinds"].items()]
    rows += [f"| {name} | {trust[name]:.3f} |" for name in ("en", "zh")]
    rows += [
        "",
        f"Replies that claim what is not so: {trust['false_claims']:.3f} of all turns, "
        f"{trust['false_claims_unchecked']:.3f} where pictures are not looked at before they are claimed; "
        f"{trust['needless_doubts']:.3f} doubt a picture that is right. Looking costs "
        f"{trust['check_seconds']:.2f} s a picture, second tries included.",
    ]
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
    """Losses over minutes of the stages in `runs`, one small plot each (needs matplotlib)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logs = {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(runs.glob("*/log.jsonl"))
    }
    across = min(3, len(logs))
    size = (4 * across, 3 * -(-len(logs) // across))
    figure, axes = pyplot.subplots(size[1] // 3, across, figsize=size, constrained_layout=True, squeeze=False)
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

_LIMITS = f"""\
It knows one world: {len(CHARACTERS)} characters with or without a space suit, {len(ACTIONS)} actions,
{len(SETTINGS)} places, {len(WEATHERS)} kinds of weather, and up to {len(SIDES)} objects (one a side) of
{len(KINDS)} kinds in {len(COLORS)} colours, at {SIZE}x{SIZE}, in English and Chinese. It edits one thing
at a time: {{edits}}. Of these, below their goal: {{weak}}. It is no art tool: it is there so that
everything around it can be tried, tested and understood on a laptop."""

_TRAINED = """\
Pictures: what `world.py` draws of random scenes, the held-out scenes and compositions left out; for what
it cannot tell, noise, gradients, shapes and text. Words: what the grammar (`language.py`,
`instructions.py`, `questions.py`, `planning.py`) and the lessons in `trust/` make of the templates and
words in `wordings/` and `trust/`, in both languages: captions, wishes to change a picture, questions with
their answers, planning messages with the tool calls or the reply that each should lead to, prompts that
leave things open with whole scenes, and what of a request a picture lacks. Nothing else. Every message
that the planner learned from came from there, so it is best at messages like these and guesses at
others."""

_PLANNING = f"""\
Planning: {{en}} messages in English and {{zh}} in Chinese, written by hand, of which the grammar can
make none, also without their polite words, and which share no {SHINGLE["en"]} words (Chinese:
{SHINGLE["zh"]} characters) in a row with anything that it makes (a test holds both); a plan is right
when tool, picture and content are, a chat reply when it says what it should. The lessons of the third
course are turned away when they share that much with a held-out message, of whichever set."""

_HISTORY = """\
The shipped weights were not made in one go, and `make pocket` does not make the same ones. The second
course of the language model was restarted several times, as its lessons and batches changed. The flow
was trained in three parts, each with a schedule of its own: first on features of the first course, then
on those of the second, at last mostly on edits of one object among two; the weights of its last step are
shipped, where `make pocket` ships their moving average. The third course (`trust/course.py`) came after
it and is no part of `make pocket`: `python -m flux_runtime.pocket.trust.course FOLDER MINUTES` takes it
from the shipped weights, on a CPU or a CUDA device, and `trust/pack.py` ships what it learned. How good
a run of `make pocket` from nothing becomes has not been measured."""

_CARD = """\
---
license: apache-2.0
language: [en, zh]
---

# pocket

{about}

## What it can and cannot do

{limits}

## What it was trained on

{trained}

## Measured

`flux-assistant evaluate`, {minutes:.0f} minutes on a CPU{again}.

{planning}

{numbers}

## Recipe

What `make pocket` runs from nothing on a CPU:

{recipe}

{history}
"""

_PAGE = """\
# Pocket

{about}

{limits}

Measured by `flux-assistant evaluate`{again}; written from the results by `make pocket-card`.

## What it was trained on

{trained}

## Numbers

Held out: {seen} scenes whose exact combination was never in training, and {unseen} of compositions
(character, action, place) that were never together. Pictures are judged from their pixels by a separately
trained classifier, whose own accuracy on unseen renders stands beside. {planning}

{numbers}

## Pictures, uncurated

The first {sheet} held-out scenes, in order:

![drawn from captions](images/generated-seen.png)

Everyday prompts, which leave most of a scene open, in order, English and then Chinese:

![drawn from everyday prompts](images/everyday-en.png)

![drawn from everyday prompts in Chinese](images/everyday-zh.png)

What a stranger would type first, a row a prompt, a column a seed (`first_prompts.py`):

![first prompts](images/first-prompts.png)

The first {sheet} of unseen compositions:

![drawn from captions of unseen compositions](images/generated-unseen.png)

Edits, one column a type ({edits}); each cell from top to bottom: source, exact target, result:

![edits](images/edited.png)

{chains}

## Learning curves

{history}

![losses over minutes](images/curves.png)

The third course of the language model:

![losses over minutes](images/curves-trust.png)
"""


def write_card(weights: Path, docs: Path) -> None:
    """`<weights>/README.md` and `<docs>/pocket.md`."""
    report = json.loads((weights / "evaluation.json").read_text())
    recipe = json.loads((weights / "recipe.json").read_text())
    types, n = report["edits"]["types"], report["n"]
    weak = [type_ for type_, right in types.items() if right < GOALS[f"edits.types.{type_}"]]
    shared = {
        "about": _ABOUT,
        "history": _HISTORY,
        "trained": _TRAINED,
        "limits": _LIMITS.format(edits=", ".join(types), weak=", ".join(weak) or "none"),
        "planning": _PLANNING.format(en=n["plans en"], zh=n["plans zh"]),
        "again": "".join(f"; {part} again since then" for part in report.get("again", ())),
        "numbers": f"{goals_table(report)}\n\n{unseen_table(report)}\n\n{trust_table(report)}",
    }
    settings = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in recipe.items())
    card = _CARD.format(**shared, minutes=report["seconds"] / 60, recipe=settings)
    page = _PAGE.format(
        **shared,
        seen=n["generation seen"],
        unseen=n["generation unseen"],
        edits=", ".join(types),
        sheet=SHEET,
        chains="\n\n".join(
            f"{length} edits in a row on its own pictures:\n\n![chains of edits](images/chains-{length}.png)"
            for length in report["chains"]
        ),
    )
    (weights / "README.md").write_text(card, encoding="utf-8")
    (docs / "pocket.md").write_text(page, encoding="utf-8")


def measure_again(weights: Path, parts: Collection[str]) -> None:
    """Measure parts of a model again; the other figures in its evaluation.json stay, for its weights do."""
    file = weights / "evaluation.json"
    report, measured = json.loads(file.read_text()), evaluate(weights, parts=parts)
    report |= {part: measured[part] for part in parts}
    report["n"] |= measured["n"]
    report["again"] = {**report.get("again", {}), **dict.fromkeys(parts, measured["seconds"])}
    file.write_text(json.dumps(report, indent=2) + "\n")


def main() -> None:
    """Write the card and the page, with the sheets and logs of the last run where there are any."""
    parser = argparse.ArgumentParser(description="Write the model card and docs/pocket.md.")
    parser.add_argument("--runs", type=Path, default=Path("runs/pocket"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--measure", nargs="+", choices=PARTS, default=[], help="what to measure again first")
    given = parser.parse_args()
    weights = Path(__file__).parent / "weights"
    if given.measure:
        measure_again(weights, given.measure)
    write_card(weights, given.docs)
    (given.docs / "images").mkdir(exist_ok=True)
    for sheet in given.runs.glob("sheets/*.png"):
        shutil.copy(sheet, given.docs / "images")
    stages = {path.parent.name for path in given.runs.glob("*/log.jsonl")}
    if stages:
        # The courses were run at different times; what is not here keeps its curves.
        name = "curves-trust.png" if stages == {"trust"} else "curves.png"
        write_curves(given.runs, given.docs / "images" / name)


if __name__ == "__main__":
    main()
