"""What can be said about a storybook scene, in English and Chinese: captions, and what all sentences share.

A person's way of saying it is drawn with a `random.Random` from the many in `wordings/`; of the canonical
forms, which the planner writes and evaluation compares, there is one each. Training and evaluation only:
nothing here runs when a person talks to the assistant.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from flux_runtime.pocket.vocabulary import Language, spellings, wordings
from flux_runtime.pocket.world import ATTRIBUTES, SIDES, Scene, Thing

# What a sentence states: character, outfit, action, setting, weather; and things by side, left and right.
Stated = Mapping[str, str | Thing]

_CAPTIONS = wordings("captions")


def stated_attributes(scene: Scene) -> dict[str, str | Thing]:
    """Everything there is to say of the scene; the outfit only when there is one."""
    keys = [key for key in ATTRIBUTES if key != "outfit" or scene.outfit != "none"]
    return {**{key: getattr(scene, key) for key in keys}, **scene.things}


def _parts(stated: Stated) -> tuple[dict[str, str], dict[str, Thing]]:
    """The stated attributes, and the stated things from left to right."""
    attributes = {key: value for key, value in stated.items() if isinstance(value, str)}
    return attributes, {side: thing for side in SIDES if isinstance(thing := stated.get(side), Thing)}


def article(noun: str) -> str:
    """The English noun with `a` or `an`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def place(setting: str, language: Language) -> str:
    """Where the setting is, in canonical words: `on mars`, `在火星上`."""
    return _CAPTIONS[language]["place"][setting]


def measure(kind: str) -> str:
    """The Chinese measure word of a kind of object."""
    return _CAPTIONS["zh"]["measure"][kind]


def canonical_prompt(stated: Stated) -> str:
    """The one English wording: `a cat in a space suit reading on mars, night, a red ball on the left`."""
    attributes, things = _parts(stated)
    text = article(attributes["character"]) if "character" in attributes else "someone"
    if "outfit" in attributes:
        text += " in a space suit" if attributes["outfit"] == "space suit" else " without a space suit"
    if "action" in attributes:
        text += f" {attributes['action']}"
    if "setting" in attributes:
        text += f" {place(attributes['setting'], 'en')}"
    if "weather" in attributes:
        text += f", {attributes['weather']}"
    return text + "".join(f", a {thing.color} {thing.kind} on the {side}" for side, thing in things.items())


def name(rng: random.Random, canonical: str, language: Language, common: float = 0.6) -> str:
    """One spelling; the first one with probability `common`."""
    options = spellings(canonical, language)
    return options[0] if rng.random() < common else rng.choice(options)


def mention(rng: random.Random, scene: Scene | None, language: Language, pronouns: list[str]) -> str:
    """The character as a pronoun, or half of the time, if the scene is known, by its name."""
    if scene is None or rng.random() < 0.5:
        return rng.choice(pronouns)
    return ("the " if language == "en" else "") + name(rng, scene.character, language)


def caption(rng: random.Random, stated: Stated, language: Language) -> str:
    """A person's way to describe the stated attributes."""
    return _caption_zh(rng, stated) if language == "zh" else _caption_en(rng, stated)


def _caption_en(rng: random.Random, stated: Stated) -> str:
    attributes, things = _parts(stated)
    who = _who_en(rng, attributes.get("character"), attributes.get("outfit"))
    doing = _doing_en(rng, attributes["action"]) if "action" in attributes else ""
    where = place_en(rng, attributes["setting"]) if "setting" in attributes else ""
    if not attributes.keys() & {"character", "outfit", "action"} and rng.random() < 0.5:
        core = rng.choice(("a scene ", "something ", "a view ", "a place ", "")) + where
    else:
        parts = [doing, where]
        if rng.random() < 0.15:
            parts.reverse()
        core = " ".join([who, *(part for part in parts if part)])
    pieces = [core.strip()]
    if "weather" in attributes:
        tail = rng.choice(_CAPTIONS["en"]["weather"][attributes["weather"]])
        if rng.random() < 0.2:
            pieces.insert(0, tail)
        elif rng.random() < 0.5:
            pieces[0] += f" {tail}"
        else:
            pieces.append(tail)
    # People tell of several objects in one manner: the place first or last, with articles or without.
    place_first, bare = rng.random() < 0.2, rng.random() < 0.2
    objects = [
        _thing_en(rng, thing, side, place_first=place_first, bare=bare) for side, thing in things.items()
    ]
    return _joined(rng, pieces, objects, (", ", ", ", ", ", " and ", " ", ". "))


def _joined(rng: random.Random, pieces: list[str], objects: list[str], marks: tuple[str, ...]) -> str:
    """Pieces of a caption and its objects, mostly after them, in any order; one mark between all."""
    if rng.random() < 0.5:
        objects.reverse()
    pieces = objects + pieces if objects and rng.random() < 0.12 else pieces + objects
    return rng.choice(marks).join(piece for piece in pieces if piece)


def _who_en(rng: random.Random, character: str | None, outfit: str | None) -> str:
    if character:
        who = name(rng, character, "en")
        who = f"{rng.choice(('a', 'a', 'a', 'the', ''))} {who}".strip()
    else:
        who = rng.choice(("someone", "somebody", "a character"))
    if outfit is None:
        return who
    suit = name(rng, "space suit", "en")
    if outfit == "none":
        without = rng.choice(("without", "not wearing", "with no"))
        return f"{who} {without} {suit if without == 'with no' or rng.random() < 0.3 else 'a ' + suit}"
    if rng.random() < 0.12:
        return f"{who} {rng.choice(('dressed as an astronaut', 'as an astronaut'))}"
    return f"{who} {rng.choice(('in a', 'wearing a', 'with a', 'dressed in a', 'in its'))} {suit}"


def _doing_en(rng: random.Random, action: str) -> str:
    doing = name(rng, action, "en")
    whole = ("with an umbrella", "under an umbrella", "asleep", "fast asleep")
    if doing not in whole and rng.random() < 0.12:
        return rng.choice(("that is ", "who is ", "busy ")) + doing
    return doing


def place_en(rng: random.Random, setting: str) -> str:
    """A person's way to say in English where it is."""
    noun = name(rng, setting, "en")
    if setting == "mars":
        return f"on {noun}"
    if noun == "downtown":
        return noun
    if setting == "beach":
        where = "on" if rng.random() < 0.6 else "at"
    else:
        where = rng.choice(("in", "in", "inside"))
    return f"{where} {rng.choice(('the', 'a'))} {noun}"


def _thing_en(rng: random.Random, thing: Thing, side: str, *, place_first: bool, bare: bool) -> str:
    noun = f"{name(rng, thing.color, 'en', 0.9)} {name(rng, thing.kind, 'en', 0.8)}"
    noun = noun if bare else article(noun)
    where = rng.choice(_CAPTIONS["en"]["side"][side])
    if place_first:
        return f"{where} {noun}"
    return f"{rng.choice(('', 'with ', 'and ', ''))}{noun} {where}"


def _caption_zh(rng: random.Random, stated: Stated) -> str:
    attributes, things = _parts(stated)
    clothes = _clothes_zh(rng, attributes.get("outfit"))
    sky = rng.choice(_CAPTIONS["zh"]["weather"][attributes["weather"]]) if "weather" in attributes else ""
    if not attributes.keys() & {"character", "outfit", "action"} and rng.random() < 0.6:
        where = _place_zh(rng, attributes["setting"]).removeprefix("在") if "setting" in attributes else ""
        pieces = ["的".join(part for part in (sky, where) if part)]
    else:
        core = _core_zh(rng, attributes, clothes)
        if not sky or rng.random() < 0.6:
            pieces = [core, sky]
        elif rng.random() < 0.7:
            pieces = [sky + rng.choice(("，", "的时候，", "，", "")) + core]
        else:
            pieces = [f"{sky}的{core}"]
    place_first = rng.random() < 0.85
    objects = [_thing_zh(rng, thing, side, place_first=place_first) for side, thing in things.items()]
    return _joined(rng, pieces, objects, ("，", "，", "，", " ", "、"))


def _core_zh(rng: random.Random, attributes: dict[str, str], clothes: str) -> str:
    """Who is where, doing what, in one of four word orders."""
    character = attributes.get("character")
    who = name(rng, character, "zh") if character else rng.choice(("人", "家伙", "角色"))
    doing = name(rng, attributes["action"], "zh") if "action" in attributes else ""
    where = _place_zh(rng, attributes["setting"]) if "setting" in attributes else ""
    one = "个" if character in (None, "robot") else "只"
    if character == "dog" and rng.random() < 1 / 3:
        one = "条"
    count = rng.choices((f"一{one}", "", one), weights=(0.5, 0.425, 0.075))[0]
    style = rng.random()
    if style < 0.45:  # 一只穿宇航服的猫在火星上弹吉他
        now = "正在" if doing and not where and rng.random() < 1 / 3 else ""
        return f"{count}{clothes + '的' if clothes else ''}{who}{where}{now}{doing}"
    if style < 0.75:  # 在火星上弹吉他的猫，穿着宇航服
        front = f"{where}{doing}的" if where or doing else ""
        return f"{count if rng.random() < 0.3 else ''}{front}{who}{'，' + clothes if clothes else ''}"
    if style < 0.9:  # 火星上，一只猫穿着宇航服弹吉他
        front = where.removeprefix("在") + rng.choice(("，", "有", "")) if where else ""
        return f"{front}{count}{who}{clothes}{doing}"
    return "，".join(part for part in (f"{count}{who}", clothes, doing, where) if part)


def _clothes_zh(rng: random.Random, outfit: str | None) -> str:
    if outfit is None:
        return ""
    verbs = ("穿", "穿着", "身穿", "身着") if outfit == "space suit" else ("不穿", "没穿", "没有穿")
    return rng.choice(verbs) + name(rng, "space suit", "zh")


def _place_zh(rng: random.Random, setting: str) -> str:
    noun = name(rng, setting, "zh")
    if noun.endswith(("里", "上", "边")):
        ending = ""
    else:
        ending = rng.choice(("上", "上", "") if setting in ("mars", "beach") else ("里", "里", "上", ""))
    return rng.choice(("在", "在", "")) + noun + ending


def _thing_zh(rng: random.Random, thing: Thing, side: str, *, place_first: bool) -> str:
    noun = counted_zh(rng, thing, common=0.8)
    where = rng.choice(_CAPTIONS["zh"]["side"][side])
    if place_first:
        return f"{where}{rng.choice(('有', '是', '放', '有', ''))}{noun}"
    return f"{noun}在{where}"


def counted_zh(rng: random.Random, thing: Thing, *, common: float) -> str:
    """`一朵红色的花`, or less of it."""
    one = measure(thing.kind)
    color = name(rng, thing.color, "zh")
    if color.endswith("色") and rng.random() < 0.8:
        color += "的"
    return rng.choice((f"一{one}", f"一{one}", one, "")) + color + name(rng, thing.kind, "zh", common)
