"""Questions about pictures that the first courses lack: what is not there, what is missing, other worlds."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from flux_runtime.pocket.language import canonical_prompt, place
from flux_runtime.pocket.lessons import exchange, loosen
from flux_runtime.pocket.planning import partial
from flux_runtime.pocket.questions import SCENE_QUESTIONS, Question, answer, ask
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.trust.lessons import PLANNING, TRUST
from flux_runtime.pocket.vocabulary import LANGUAGES
from flux_runtime.pocket.vocabulary import plain as spelled
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIZE, Scene, Thing

MISSING = "missing: "
"""Before a canonical prompt, asks of a picture what of the prompt it does not show."""
NOTHING = "nothing."


def missing_exchange(rng: random.Random, scene: Scene) -> tuple[str, str]:
    """A prompt that the picture fulfils, or all but one or two things of, and what is missing."""
    stated: dict[str, str | Thing] = partial(rng, scene)
    wrong: list[str] = []
    if rng.random() < 0.5:
        wrong = rng.sample(sorted(stated), min(len(stated), rng.choice((1, 1, 2))))
    for key in wrong:
        value = stated[key]
        if isinstance(value, Thing):
            other = Thing(rng.choice(KINDS), rng.choice(COLORS)) if rng.random() < 0.3 else None
            kind = rng.choice([k for k in KINDS if k != value.kind])
            color = rng.choice([c for c in COLORS if c != value.color])
            other = other or rng.choice((Thing(kind, value.color), Thing(value.kind, color)))
            stated[key] = other
        else:
            stated[key] = rng.choice([each for each in ATTRIBUTES[key] if each != value])
    for side in ("left", "right"):  # something asked for where nothing is
        if side not in stated and side not in scene.things and rng.random() < 0.15:
            stated[side] = Thing(rng.choice(KINDS), rng.choice(COLORS))
    true = [key for key in stated if stated[key] != _shown(scene, key)]
    absent = [_part(key, stated[key]) for key in (*ATTRIBUTES, "left", "right") if key in true]
    return MISSING + canonical_prompt(stated), ", ".join(absent) + "." if absent else NOTHING


def _shown(scene: Scene, key: str) -> str | Thing | None:
    return scene.things.get(key) if key in ("left", "right") else getattr(scene, key)


def _part(key: str, value: Any) -> str:
    """One part of a canonical prompt."""
    if isinstance(value, Thing):
        return f"a {value.color} {value.kind} on the {key}"
    if key == "character":
        return f"a {value}"
    if key == "outfit":
        return "in a space suit" if value == "space suit" else "without a space suit"
    return place(value, "en") if key == "setting" else value


def absence_exchange(rng: random.Random, scene: Scene) -> tuple[str, str]:
    """A question about a thing that is not there, of another colour, or that it has never seen."""
    language, kind = rng.choice(LANGUAGES), rng.random()
    kinds = {thing.kind: thing for thing in scene.things.values()}
    if kind < 0.35:
        thing = rng.choice(PLANNING[language]["unknown"])
        ways = (*TRUST[language]["is_there"], TRUST[language]["exists_asked"])
        asked = rng.choice(ways).format(thing=thing)
        return loosen(rng, asked), TRUST[language]["nothing_like_it"]
    absent = rng.choice([each for each in KINDS if each not in kinds])
    if kind < 0.65:
        question = Question(rng.choice(("color", "color", "side")), absent)
        return loosen(rng, ask(rng, question, language, scene)), answer(scene, question, language)
    supposed = rng.choice(sorted(kinds)) if kinds and rng.random() < 0.75 else absent
    color = rng.choice(COLORS)
    if supposed in kinds and rng.random() < 0.5:
        color = kinds[supposed].color
    asked = rng.choice(TRUST[language]["is_colored"])
    asked = asked.format(color=spelled(color, language), kind=spelled(supposed, language))
    return loosen(rng, asked), answer(scene, Question("is_color", supposed, color), language)


def foreign_exchange(rng: random.Random) -> tuple[str, str]:
    """Any question about a picture that shows nothing of its world."""
    scene = training_scene(rng)
    if rng.random() < 0.2:
        return MISSING + canonical_prompt(partial(rng, scene)), TRUST["en"]["cannot_tell"]
    asked, told = exchange(rng, scene, rng.choice((*SCENE_QUESTIONS, "describe", "count", "exists")))
    language = "zh" if any("\u3400" <= character <= "\u9fff" for character in asked + told) else "en"
    return asked, TRUST[language]["cannot_tell"]


def foreign_pictures(rng: random.Random, count: int) -> torch.Tensor:
    """(count, 3, 256, 256) in [-1, 1]: colours, gradients, noise, textures, shapes, text, icons."""
    pictures = [np.asarray(_foreign(rng), np.float32) for _ in range(count)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1


def _foreign(rng: random.Random) -> Image.Image:
    noise = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(7)
    if kind == 0:
        return Image.new("RGB", (SIZE, SIZE), _color(rng))
    if kind == 1:  # a gradient between some colours
        small = noise.integers(0, 256, (rng.randint(1, 4), rng.randint(2, 4), 3), dtype=np.uint8)
        return Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    if kind == 2:  # noise at some scale, in colour or grey
        side = rng.choice((8, 16, 32, 64, 128, 256))
        small = noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
        smooth = rng.choice((Image.Resampling.NEAREST, Image.Resampling.BILINEAR))
        picture = Image.fromarray(small).resize((SIZE, SIZE), smooth)
        return picture.convert("L").convert("RGB") if rng.random() < 0.4 else picture
    if kind == 3:  # clouds of several scales, as photographs of nothing in particular look
        field = np.zeros((SIZE, SIZE, 3), np.float32)
        tint = noise.uniform(0, 1, 3)
        for side in (4, 8, 16, 32, 64, 128):
            small = Image.fromarray(noise.integers(0, 256, (side, side), dtype=np.uint8))
            layer = np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float32) / 255 - 0.5
            field += layer[..., None] * (4 / side**0.5) * noise.uniform(0.6, 1.4, 3)
        field = (field - field.min()) / (np.ptp(field) + 1e-6) * 0.7 + tint * 0.3
        return Image.fromarray((field.clip(0, 1) * 255).astype(np.uint8))
    picture = Image.new("RGB", (SIZE, SIZE), rng.choice(("white", "white", "black", _color(rng))))
    drawn = ImageDraw.Draw(picture)
    if kind == 4:  # shapes
        for _ in range(rng.randint(1, 30)):
            (left, right), (top, bottom) = (_ends(rng) for _ in range(2))
            box = (left, top, right, bottom)
            rng.choice((drawn.ellipse, drawn.rectangle, drawn.line))(box, fill=_color(rng))
    elif kind == 5:  # a page of text
        for line in range(rng.randint(3, 18)):
            letters = "abcdefghijklm nopqrstuvwxyz 0123456789 .,"
            words = "".join(rng.choices(letters, k=rng.randint(4, 40)))
            drawn.text(
                (rng.randint(2, 40), 6 + line * 14),
                words,
                fill="black" if rng.random() < 0.7 else _color(rng),
            )
    else:  # one icon: an outline or a filled figure in the middle
        points = [(rng.randint(50, 206), rng.randint(50, 206)) for _ in range(rng.randint(3, 9))]
        drawn.polygon(points, fill=_color(rng), outline=_color(rng))
        if rng.random() < 0.5:
            drawn.ellipse((90, 90, 166, 166), outline=_color(rng), width=rng.randint(2, 14))
    return picture


def _ends(rng: random.Random) -> list[int]:
    return sorted(rng.randint(-40, SIZE + 40) for _ in range(2))


def _color(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)
