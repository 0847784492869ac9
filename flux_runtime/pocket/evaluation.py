"""`flux-assistant evaluate`: the acceptance numbers of a storybook model, through people's own runtime.

Scenes and sentences are held out (splits.py, plans/, held_out/). Pictures are judged from their pixels by a
separately trained judge; edits also against the renderer's exact target; answers and plans by exact match.
What whole turns come to is measured above this folder (assistant/trust_evaluation.py).
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from flux_runtime.catalogue import find_model
from flux_runtime.interface import AnswerRequest, EditRequest, GenerateRequest, PlanRequest, ToolSchema
from flux_runtime.pixels import to_tensor
from flux_runtime.pocket.changes import EDIT_TYPES, Change, applies, apply_change, random_change, settled
from flux_runtime.pocket.held_out_messages import evenly, everyday_prompts, shows
from flux_runtime.pocket.instructions import canonical_instruction
from flux_runtime.pocket.judge import Judge, image_batch, load_judge
from flux_runtime.pocket.language import canonical_prompt, stated_attributes
from flux_runtime.pocket.plan_labels import labelled_messages, plan_is_right
from flux_runtime.pocket.questions import ABOUTS, Question, answer, ask, random_question
from flux_runtime.pocket.splits import held_out_composition_scenes, held_out_scenes
from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import ATTRIBUTES, SIDES, Scene, Thing, draw, random_layout
from flux_runtime.runtime import LocalRuntime

T = TypeVar("T")
PARTS = ("judge", "vae_psnr", "generation", "answers", "edits", "chains", "plans", "everyday")
SHEET = 40  # pictures on a contact sheet
SURE = 0.9  # a picture is clear if the judge's least sure head gives what it reads more probability than this
OnProgress = Callable[[str, int, int], None]


def _tool(name: str, *arguments: str) -> ToolSchema:
    properties = {argument: {"type": "string"} for argument in arguments}
    return ToolSchema(name=name, description="", parameters={"type": "object", "properties": properties})


TOOLS = (
    _tool("generate_image", "prompt"),
    _tool("answer_question", "image", "question"),
    _tool("edit_image", "image", "instruction"),
    _tool("undo"),
    _tool("clarify", "about"),
)


@dataclass(frozen=True)
class Sizes:
    """How many of each are measured."""

    seen: int = 400
    unseen: int = 200
    edits_per_type: int = 30
    chains3: int = 30
    chains10: int = 10
    answered: int = 100  # scenes of each kind, every question type each
    own: int = 100  # own pictures asked about
    everyday: int = 150  # prompts of each language
    trust: int = 130  # turns of each language

    @classmethod
    def of(cls, *, quick: bool = False, share: float | None = None) -> Sizes:
        """All, a twentieth if it is to be quick, or the share that is given."""
        return cls().scaled(share if share is not None else 0.05 if quick else 1.0)

    def scaled(self, share: float) -> Sizes:
        """A share of each, but at least two."""
        return Sizes(*(max(2, round(value * share)) for value in vars(self).values()))


def evaluate(
    model: str | os.PathLike[str] | None = None,
    *,
    quick: bool = False,
    share: float | None = None,
    parts: Collection[str] = PARTS,
    sheets: Path | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Measure everything, or only some parts; returns what `flux-assistant evaluate --json` prints.

    Args:
        model: a catalogue name or model folder, as LocalRuntime takes it.
        quick: measure a twentieth.
        share: measure so much of everything, 0 to 1.
        parts: which of PARTS are measured; the others are left out of the result.
        sheets: a folder for contact sheets of the first pictures of each kind, uncurated.
        on_progress: hears (stage, done, of).
    """
    began = time.perf_counter()
    sizes = Sizes.of(quick=quick, share=share)
    judge = load_judge(find_model("pocket") / "judge" / "model.safetensors")
    runtime = LocalRuntime(model)
    try:
        measure = _Measurement(runtime, judge, sizes, on_progress or (lambda stage, done, of: None), sheets)
        measures: dict[str, Callable[[], Any]] = {
            "judge": measure.judge_accuracy,
            "vae_psnr": measure.vae_psnr,
            "generation": lambda: {
                "seen": measure.generation("seen", held_out_scenes()[: sizes.seen]),
                "unseen": measure.generation("unseen", held_out_composition_scenes()[: sizes.unseen]),
            },
            "answers": lambda: {
                "seen": measure.answers("seen", held_out_scenes()[: sizes.answered]),
                "unseen": measure.answers("unseen", held_out_composition_scenes()[: sizes.answered]),
                "own_pictures": measure.own_pictures(),
            },
            "edits": measure.edits,
            "chains": lambda: {
                "3": measure.chains(3, sizes.chains3),
                "10": measure.chains(10, sizes.chains10),
            },
            "plans": lambda: {language: measure.plans(language) for language in LANGUAGES},
            "everyday": lambda: {language: measure.everyday(language) for language in LANGUAGES},
        }
        result = {part: figures() for part, figures in measures.items() if part in parts}
        result |= {"n": measure.counts, "model": runtime.capabilities.model}
    finally:
        runtime.close()
    return {**result, "seconds": round(time.perf_counter() - began, 1)}


class _Measurement:
    """One run of all measurements; each returns shares of 0 to 1, or decibels."""

    def __init__(
        self, runtime: LocalRuntime, judge: Judge, sizes: Sizes, on_progress: OnProgress, sheets: Path | None
    ) -> None:
        self.runtime, self.judge, self.sizes = runtime, judge, sizes
        self.on_progress, self.sheets = on_progress, sheets
        self.counts: dict[str, int] = {}
        self.own_drawings: list[Image.Image] = []  # of the seen scenes, for the questions about them

    def _each(self, stage: str, items: Iterable[T]) -> Iterable[T]:
        """The items, counted and reported as they are done."""
        rows = list(items)
        self.counts[stage] = len(rows)
        for done, item in enumerate(rows):
            self.on_progress(stage, done, len(rows))
            yield item
        self.on_progress(stage, len(rows), len(rows))

    def judge_accuracy(self) -> dict[str, float]:
        """The judge on exact renders that it never saw."""
        rng = random.Random("judge renders")
        scenes = [*held_out_scenes(), *held_out_composition_scenes()]
        score = _Score()
        for scene in self._each("judge", scenes):
            score.add(scene, self._read(draw(scene, random_layout(rng))))
        return score.result()

    def vae_psnr(self) -> float:
        """Encode and decode held-out renders: dB over all their pixels."""
        model, rng, errors = self.runtime.instance.model, random.Random("round trip"), []
        with torch.inference_mode():
            for scene in self._each("vae", held_out_scenes()[:60]):
                picture = draw(scene, random_layout(rng))
                latents = model.unpack(model.encode_references([picture]).source, picture.size)
                pixels, decoded = to_tensor(picture), model.decode(latents).float().clamp(-1, 1)
                errors.append(float((decoded - pixels).square().mean()))
        return _decibels(errors, peak=2)

    def generation(self, name: str, scenes: tuple[Scene, ...]) -> dict[str, float]:
        """One picture a scene from its canonical caption."""
        score, pictures = _Score(), []
        for i, scene in enumerate(self._each(f"generation {name}", scenes)):
            picture = self._drawn(scene, i)
            pictures.append(picture)
            score.add(scene, self._read(picture))
        self._sheet(f"generated-{name}", [[picture] for picture in pictures[:SHEET]], columns=8)
        if name == "seen":
            self.own_drawings = pictures
        return score.result()

    def answers(self, name: str, scenes: tuple[Scene, ...]) -> dict[str, float]:
        """Every question type about every render, languages in turn; exact match by type."""
        rng, right = random.Random(f"answers {name}"), defaultdict(list)
        for i, scene in enumerate(self._each(f"answers {name}", scenes)):
            picture = draw(scene, random_layout(rng))
            for j, about in enumerate(ABOUTS):
                question = random_question(rng, scene, about)
                hit = self._answers_right(rng, picture, scene, question, LANGUAGES[(i + j) % 2])
                right[question.about].append(hit)
        return {about: _mean(hits) for about, hits in right.items()}

    def own_pictures(self) -> float:
        """The same on pictures that the model drew; the judge's reading counts as the truth."""
        rng, hits = random.Random("own pictures"), []
        scenes = held_out_scenes()[: min(self.sizes.own, self.sizes.seen)]
        pictures = self.own_drawings or [self._drawn(scene, i) for i, scene in enumerate(scenes)]
        for i, picture in enumerate(self._each("own pictures", pictures[: len(scenes)])):
            scene = self._read(picture)
            for about in ("character", "action", "setting", "weather", "left", "right"):
                question = random_question(rng, scene, about)
                hits.append(self._answers_right(rng, picture, scene, question, LANGUAGES[i % 2]))
        return _mean(hits)

    def edits(self) -> dict[str, Any]:
        """Edits of exact renders without a region, every type equally often, all held out."""
        rng = random.Random("edits")
        types, kept, outside, rows = defaultdict(list), [], [], []
        jobs = [(type_, i) for i in range(self.sizes.edits_per_type) for type_ in EDIT_TYPES]
        for type_, i in self._each("edits", jobs):
            scene, change = _editable(rng, type_)
            target, layout = apply_change(scene, change), settled(random_layout(rng), change)
            source, wanted = draw(scene, layout), draw(target, layout)
            result = self._edited(source, change, i)
            success, stayed = _compare(scene, target, self._read(result))
            types[type_].append(success)
            kept += stayed
            outside.append(_outside_error(source, wanted, result))
            rows.append([source, wanted, result])
        self._sheet("edited", rows[: 3 * len(EDIT_TYPES)], columns=len(EDIT_TYPES))
        return {
            "change": _mean([hit for hits in types.values() for hit in hits]),
            "types": {type_: _mean(hits) for type_, hits in types.items()},
            "kept": _mean(kept),
            "outside_psnr": _decibels([error for error in outside if error is not None], peak=255),
        }

    def chains(self, length: int, count: int) -> float:
        """Share of all attributes that are right after `length` edits of an own picture."""
        rng, hits, rows = random.Random(f"chains {length}"), [], []
        for i, scene in enumerate(self._each(f"chains of {length}", held_out_scenes()[:count])):
            picture = self._drawn(scene, i)
            row = [picture]
            for step in range(length):
                change = random_change(rng, scene)
                scene = apply_change(scene, change)
                picture = self._edited(picture, change, step)
                row.append(picture)
            rows.append(row)
            read = self._read(picture)
            hits += [_part(scene, key) == _part(read, key) for key in (*ATTRIBUTES, *SIDES)]
        self._sheet(f"chains-{length}", rows[:8], columns=4, across=True)
        return _mean(hits)

    def plans(self, language: Language) -> float:
        """Held-out sentences: tool, source and text all right."""
        hits = []
        for row in self._each(f"plans {language}", labelled_messages(language)):
            images = tuple(range(1, row["images"] + 1))
            result = self.runtime.plan(PlanRequest(message=row["say"], images=images, tools=TOOLS))
            hits.append(plan_is_right(row, result, language))
        return _mean(hits)

    def everyday(self, language: Language) -> dict[str, float]:
        """Prompts that leave most of a picture open: `planned` as one drawing, and of the pictures those that
        show what was `asked_for` and those that are `clear`."""
        planned, asked_for, clear, pictures = [], [], [], []
        rows = evenly(everyday_prompts(language), self.sizes.everyday)
        for i, row in enumerate(self._each(f"everyday {language}", rows)):
            prompt = self._prompt_planned(row["say"])
            planned.append(prompt is not None)
            if prompt is None:
                continue
            upsample = self.runtime.capabilities.upsampler
            request = GenerateRequest(prompt=prompt, upsample=upsample, seed=i)
            pictures.append(self.runtime.generate(request).image)
            asked_for.append(shows(row["scene"], self._read(pictures[-1])))
            clear.append(is_clear(self.judge.sureness(image_batch(pictures[-1:]))[0]))
        self._sheet(f"everyday-{language}", [[picture] for picture in pictures[:SHEET]], columns=8)
        return {"planned": _mean(planned), "asked_for": _mean(asked_for), "clear": _mean(clear)}

    def _prompt_planned(self, message: str) -> str | None:
        """What the planner would have drawn, or None if it plans anything but one drawing."""
        calls = self.runtime.plan(PlanRequest(message=message, images=(), tools=TOOLS)).calls
        prompts = [call.arguments.get("prompt") for call in calls if call.name == "generate_image"]
        (prompt,) = prompts if len(calls) == len(prompts) == 1 else (None,)
        return prompt if isinstance(prompt, str) and prompt else None

    def _drawn(self, scene: Scene, seed: int) -> Image.Image:
        prompt = canonical_prompt(stated_attributes(scene))
        return self.runtime.generate(GenerateRequest(prompt=prompt, seed=seed)).image

    def _edited(self, picture: Image.Image, change: Change, seed: int) -> Image.Image:
        instruction = canonical_instruction(change)
        return self.runtime.edit(EditRequest(instruction=instruction, images=(picture,), seed=seed)).image

    def _read(self, picture: Image.Image) -> Scene:
        return self.judge.read(image_batch([picture]))[0]

    def _answers_right(
        self, rng: random.Random, picture: Image.Image, scene: Scene, question: Question, language: Language
    ) -> bool:
        """Ask in a person's words; right is the exact answer, spaces and case aside."""
        request = AnswerRequest(question=ask(rng, question, language, scene), images=(picture,))
        given = self.runtime.answer(request).text
        return given.strip().casefold() == answer(scene, question, language).casefold()

    def _sheet(self, name: str, rows: list[list[Image.Image]], *, columns: int, across: bool = False) -> None:
        """Cells of stacked (or, across, side by side) pictures in a grid, as PNG in the sheets folder."""
        if self.sheets is None or not rows:
            return
        self.sheets.mkdir(parents=True, exist_ok=True)
        side, deep = 128, len(rows[0])
        wide, tall = (deep, 1) if across else (1, deep)
        sheet = Image.new("RGB", (columns * wide * side, -(-len(rows) // columns) * tall * side), "white")
        for i, row in enumerate(rows):
            left, top = i % columns * wide * side, i // columns * tall * side
            for j, picture in enumerate(row):
                sheet.paste(
                    picture.resize((side, side)), (left + j * side, top) if across else (left, top + j * side)
                )
        sheet.quantize(256).save(self.sheets / f"{name}.png", optimize=True)


class _Score:
    """Accuracy by attribute, of stated objects (kind, colour and side together), and of all at once."""

    def __init__(self) -> None:
        self.hits: dict[str, list[bool]] = defaultdict(list)

    def add(self, wanted: Scene, read: Scene) -> None:
        right = {key: getattr(wanted, key) == getattr(read, key) for key in ATTRIBUTES}
        for key, hit in right.items():
            self.hits[key].append(hit)
        objects = [getattr(read, side) == thing for side, thing in wanted.things.items()]
        self.hits["objects"] += objects
        self.hits["all"].append(all(right.values()) and all(objects))

    def result(self) -> dict[str, float]:
        return {key: _mean(hits) for key, hits in self.hits.items()}


def is_clear(sureness: dict[str, float]) -> bool:
    """Whether a picture is one thing in all that tells a scene: no two characters or poses over each other.

    Weather and objects are left out: they are there or not, and no two of them mix.
    """
    return min(sureness[head] for head in ("character", "outfit", "action", "setting")) > SURE


def _mean(hits: list[bool]) -> float:
    return round(sum(hits) / max(1, len(hits)), 4)


def _decibels(errors: list[float], *, peak: float) -> float:
    """Peak signal-to-noise ratio of mean squared errors."""
    return round(10 * float(np.log10(peak**2 / np.mean(errors))), 2)


def _part(scene: Scene, key: str) -> str | Thing | None:
    return getattr(scene, key)


def _editable(rng: random.Random, type_: str) -> tuple[Scene, Change]:
    """A held-out scene to which an edit of the type applies."""
    while True:
        scene = rng.choice(held_out_scenes())
        if applies(type_, scene):
            return scene, random_change(rng, scene, type_)


def _compare(before: Scene, wanted: Scene, read: Scene) -> tuple[bool, list[bool]]:
    """Whether everything that should change did, and for each thing that should stay whether it stayed."""
    keys = (*ATTRIBUTES, *SIDES)
    changed = [key for key in keys if _part(before, key) != _part(wanted, key)]
    return (
        all(_part(read, key) == _part(wanted, key) for key in changed),
        [_part(read, key) == _part(wanted, key) for key in keys if key not in changed],
    )


def _outside_error(source: Image.Image, wanted: Image.Image, result: Image.Image) -> float | None:
    """Mean squared error (0 to 255) where the exact edit leaves the source's pixels; None if nowhere."""
    before, after, ours = (np.asarray(image, np.float32) for image in (source, wanted, result))
    same = np.abs(before - after).max(-1) == 0
    return float(((ours - before)[same] ** 2).mean()) if same.sum() > 500 else None
