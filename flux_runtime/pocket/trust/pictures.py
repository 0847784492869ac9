"""Questions about pictures that the first courses lack: what is not there, what is missing, other worlds."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from flux_runtime.pocket.changes import Change
from flux_runtime.pocket.instructions import canonical_instruction
from flux_runtime.pocket.language import article, canonical_prompt, caption, place, stated_attributes
from flux_runtime.pocket.lessons import exchange, loosen
from flux_runtime.pocket.planning import partial
from flux_runtime.pocket.questions import SCENE_QUESTIONS, Question, answer, ask
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.trust.counting import COUNT_ASKED, count_answer, count_words
from flux_runtime.pocket.trust.phrases import PLANNING, TRUST
from flux_runtime.pocket.vocabulary import LANGUAGES, Language, plain
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, SIZE, Scene, Thing

MISSING: dict[Language, str] = {"en": "missing: ", "zh": "缺少："}
"""Before a canonical prompt or instruction, asks of a picture what of it the picture does not show."""
NOTHING: dict[Language, str] = {"en": "nothing.", "zh": "没有。"}


def missing_exchange(rng: random.Random, scene: Scene) -> tuple[str, str]:
    """A prompt or an instruction that the picture fulfils, or does not, and what is missing."""
    language = rng.choice(LANGUAGES)
    asked, absent = (
        _of_instruction(rng, scene, language) if rng.random() < 0.4 else _of_prompt(rng, scene, language)
    )
    mark, end = ("，", "。") if language == "zh" else (", ", ".")
    return MISSING[language] + asked, mark.join(absent) + end if absent else NOTHING[language]


def _of_prompt(rng: random.Random, scene: Scene, language: Language) -> tuple[str, list[str]]:
    """A canonical prompt, half of the time with one or two things that are not so."""
    stated: dict[str, str | Thing] = partial(rng, scene)
    if rng.random() < 0.5:
        stated = stated_attributes(scene)
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
    for side in SIDES:  # something asked for where nothing is
        if side not in stated and side not in scene.things and rng.random() < 0.15:
            stated[side] = Thing(rng.choice(KINDS), rng.choice(COLORS))
    false = [key for key in stated if stated[key] != _shown(scene, key)]
    order = [key for key in (*ATTRIBUTES, *SIDES) if key in false]
    words = canonical_prompt(stated) if rng.random() < 0.75 else caption(rng, stated, language)
    return words, [part(key, stated[key], language) for key in order]


def _of_instruction(rng: random.Random, scene: Scene, language: Language) -> tuple[str, list[str]]:
    """A canonical instruction that was followed, or was not, and what of it the picture does not show."""
    done = rng.random() < 0.5
    kinds = [thing.kind for thing in scene.things.values()]
    absent = rng.choice([kind for kind in KINDS if kind not in kinds])
    options = ["weather", "setting", "action", "character", "outfit", "add", "remove"] + (
        ["recolor", "replace"] if kinds else []
    )
    type_ = rng.choice(options)
    if type_ in ATTRIBUTES:
        value = getattr(scene, type_)
        if not done:
            value = rng.choice([each for each in ATTRIBUTES[type_] if each != value])
        change, missing = Change(type_, value), part(type_, value, language)
    elif type_ == "add":
        side, value = rng.choice(SIDES), Thing(rng.choice(KINDS), rng.choice(COLORS))
        if kinds and rng.random() < 0.6:
            side = rng.choice(sorted(scene.things))
            value = (
                scene.things[side]
                if done
                else rng.choice(
                    (Thing(value.kind, scene.things[side].color), Thing(scene.things[side].kind, value.color))
                )
            )
        done = scene.things.get(side) == value
        change, missing = Change("add", value, side=side), part(side, value, language)
    elif type_ == "remove":
        target = absent if done or not kinds else rng.choice(kinds)
        if rng.random() < 0.3:
            target = rng.choice(SIDES)
        done = target not in kinds and target not in scene.things
        change = Change("remove", target=target)
        missing = (
            still(scene.things[target].kind if target in scene.things else target, language)
            if not done
            else ""
        )
    else:
        side = rng.choice(sorted(scene.things))
        thing, by_side = scene.things[side], rng.random() < 0.3
        if type_ == "recolor":
            color = thing.color if done else rng.choice([each for each in COLORS if each != thing.color])
            change = Change("recolor", color, side if by_side else thing.kind)
            others = [
                each for each in scene.things.values() if each.kind == thing.kind and each.color == color
            ]
            done = done or (not by_side and bool(others))
            missing = part(side, Thing(thing.kind, color), language, with_side=False)
        else:
            kind = thing.kind if done else absent
            old = (
                side
                if by_side
                else rng.choice([each for each in KINDS if each not in (kind, *kinds)] if done else kinds)
            )
            change, missing = Change("replace", kind, old), plain(kind, language)
    return canonical_instruction(change), [] if done else [missing]


def _shown(scene: Scene, key: str) -> str | Thing | None:
    return scene.things.get(key) if key in SIDES else getattr(scene, key)


def part(key: str, value: Any, language: Language, *, with_side: bool = True) -> str:
    """Words for one thing that a prompt states."""
    if isinstance(value, Thing):
        if language == "zh":
            side = {"left": "左边的", "right": "右边的"}[key] if with_side else ""
            return f"{side}{plain(value.color, 'zh')}的{plain(value.kind, 'zh')}"
        return f"a {value.color} {value.kind}" + (f" on the {key}" if with_side else "")
    if key == "outfit":
        suit = {"en": ("in a space suit", "without a space suit"), "zh": ("穿着宇航服", "没穿宇航服")}
        return suit[language][value != "space suit"]
    if key == "setting":
        return place(value, language)
    return article(value) if (key, language) == ("character", "en") else plain(value, language)


def still(kind: str, language: Language) -> str:
    """That something is there which should have gone."""
    return f"还有{plain(kind, 'zh')}" if language == "zh" else f"there still is a {kind}"


def count_exchange(rng: random.Random, scene: Scene) -> tuple[str, str]:
    """How many there are of one kind."""
    language, kinds = rng.choice(LANGUAGES), [thing.kind for thing in scene.things.values()]
    kind = rng.choice(kinds) if kinds and rng.random() < 0.6 else rng.choice(KINDS)
    asked = rng.choice([*TRUST[language]["count_kind"], COUNT_ASKED[language], COUNT_ASKED[language]])
    return loosen(rng, asked.format(**count_words(kind, language))), count_answer(
        kind, kinds.count(kind), language
    )


def absence_exchange(rng: random.Random, scene: Scene) -> tuple[str, str]:
    """A question about a thing that is not there, of another colour, or that it has never seen."""
    if rng.random() < 0.25:
        return count_exchange(rng, scene)
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
    asked = asked.format(color=plain(color, language), kind=plain(supposed, language))
    return loosen(rng, asked), answer(scene, Question("is_color", supposed, color), language)


def foreign_exchange(rng: random.Random) -> tuple[str, str]:
    """Any question about a picture that shows nothing of its world."""
    scene = training_scene(rng)
    if rng.random() < 0.2:
        language = rng.choice(LANGUAGES)
        return MISSING[language] + canonical_prompt(partial(rng, scene)), TRUST[language]["cannot_tell"]
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
