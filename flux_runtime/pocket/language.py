"""What can be said about a storybook scene, in English and Chinese: captions, questions with answers, edit instructions.

Every function takes a `random.Random` and draws one of many ways to say the thing; the canonical forms (what the planner
writes and what evaluation compares) take none. Training only: nothing here runs when a person talks to the assistant.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flux_runtime.pocket.vocabulary import spellings
from flux_runtime.pocket.world import ATTRIBUTES, COLORS, KINDS, SIDES, Scene, Thing

Language = str  # "en" or "zh"
Stated = Mapping[
    str, object
]  # the attributes a sentence states: character, outfit, action, setting, weather, left, right


def article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


# ---- canonical forms -----------------------------------------------------------------------------------------------

_PLACE = {
    "greenhouse": "in a greenhouse",
    "beach": "on the beach",
    "city": "in the city",
    "forest": "in the forest",
    "mars": "on mars",
}


def canonical_prompt(stated: Stated) -> str:
    """The one English wording of a partial scene: `a cat in a space suit reading on mars, night, a red ball on the left`."""
    character = stated.get("character")
    words = [article(str(character)) if character else "someone"]
    outfit = stated.get("outfit")
    if outfit is not None:
        words.append("in a space suit" if outfit == "space suit" else "without a space suit")
    if "action" in stated:
        words.append(str(stated["action"]))
    if "setting" in stated:
        words.append(_PLACE[str(stated["setting"])])
    text = " ".join(words)
    if "weather" in stated:
        text += f", {stated['weather']}"
    for side in SIDES:
        thing = stated.get(side)
        if isinstance(thing, Thing):
            text += f", a {thing.color} {thing.kind} on the {side}"
    return text


@dataclass(frozen=True)
class Change:
    """One edit: `type` is an attribute name, or add | remove | recolor | replace.

    `value` is the new attribute value, the colour (recolor), the kind (replace) or the Thing (add); `target` the kind or
    the side that remove, recolor and replace speak of; `side` where add puts it.
    """

    type: str
    value: object = None
    target: str | None = None
    side: str | None = None


EDIT_TYPES = ("weather", "setting", "action", "character", "outfit", "add", "remove", "recolor", "replace")


def canonical_instruction(change: Change) -> str:
    """The one English wording of an edit."""
    target = f"the object on the {change.target}" if change.target in SIDES else f"the {change.target}"
    match change.type:
        case "weather":
            return f"change the weather to {change.value}"
        case "setting":
            return f"change the place to {'mars' if change.value == 'mars' else article(str(change.value))}"
        case "action":
            return f"change the action to {change.value}"
        case "character":
            return f"change the character to {article(str(change.value))}"
        case "outfit":
            return "put on a space suit" if change.value == "space suit" else "take off the space suit"
        case "add":
            assert isinstance(change.value, Thing)
            return f"add a {change.value.color} {change.value.kind} on the {change.side}"
        case "remove":
            return f"remove {target}"
        case "recolor":
            return f"make {target} {change.value}"
        case "replace":
            return f"replace {target} by a {change.value}"
    raise ValueError(f"unknown edit type {change.type!r}")


def apply_change(scene: Scene, change: Change) -> Scene:
    """The scene after the edit. Raises ValueError where it does not apply (nothing there, side taken, no change)."""
    if change.type in ATTRIBUTES:
        after = replace(scene, **{change.type: change.value})
    elif change.type == "add":
        assert change.side is not None and isinstance(change.value, Thing)
        if getattr(scene, change.side) is not None:
            raise ValueError(f"there is already an object on the {change.side}")
        after = scene.with_thing(change.side, change.value)
    else:
        side = (
            change.target
            if change.target in SIDES
            else next((s for s, t in scene.things.items() if t.kind == change.target), None)
        )
        thing = scene.things.get(side or "")
        if side is None or thing is None:
            raise ValueError(f"there is no {change.target}")
        if change.type == "remove":
            after = scene.with_thing(side, None)
        elif change.type == "recolor":
            after = scene.with_thing(side, replace(thing, color=str(change.value)))
        else:
            after = scene.with_thing(side, replace(thing, kind=str(change.value)))
    if after == scene:
        raise ValueError("nothing would change")
    return after


def random_change(rng: random.Random, scene: Scene, kind: str | None = None) -> Change:
    """An edit that applies to the scene, of the given type or of any type, evenly."""
    things = scene.things
    possible = [t for t in EDIT_TYPES if t in ATTRIBUTES or (len(things) < 2 if t == "add" else things)]
    type_ = kind or rng.choice(possible)
    if type_ in ATTRIBUTES:
        return Change(type_, rng.choice([v for v in ATTRIBUTES[type_] if v != getattr(scene, type_)]))
    kinds = [kind for kind in KINDS if kind not in {thing.kind for thing in things.values()}]
    if type_ == "add":
        side = rng.choice([side for side in SIDES if side not in things])
        return Change("add", Thing(rng.choice(kinds), rng.choice(COLORS)), side=side)
    side = rng.choice(list(things))
    target = things[side].kind if rng.random() < 0.7 else side
    if type_ == "remove":
        return Change("remove", target=target)
    if type_ == "recolor":
        return Change(
            "recolor", rng.choice([color for color in COLORS if color != things[side].color]), target
        )
    return Change("replace", rng.choice(kinds), target)


# ---- captions ------------------------------------------------------------------------------------------------------


def name(rng: random.Random, canonical: str, language: Language, common: float = 0.6) -> str:
    """One spelling; the first one with probability `common`."""
    options = spellings(canonical, language)
    return options[0] if rng.random() < common else rng.choice(options)


def _place_en(rng: random.Random, setting: str) -> str:
    noun = name(rng, setting, "en")
    if setting == "mars":
        return f"on {noun}"
    if noun == "downtown":
        return "downtown"
    return f"{'on' if setting == 'beach' and rng.random() < 0.6 else 'at' if setting == 'beach' else rng.choice(('in', 'in', 'inside'))} {rng.choice(('the', 'a'))} {noun}"


_WEATHER_TAIL_EN = {
    "sunny": (
        "sunny",
        "sunny day",
        "on a sunny day",
        "in the sunshine",
        "in the sun",
        "under a bright sun",
        "clear weather",
        "with the sun shining",
        "in sunny weather",
        "the sun is out",
    ),
    "rainy": (
        "rainy",
        "rainy day",
        "on a rainy day",
        "in the rain",
        "while it rains",
        "in rainy weather",
        "it is raining",
        "in pouring rain",
        "with rain falling",
    ),
    "snowy": (
        "snowy",
        "snowy day",
        "on a snowy day",
        "in the snow",
        "while it snows",
        "in snowy weather",
        "it is snowing",
        "with snow falling",
        "snowflakes falling",
    ),
    "night": (
        "night",
        "at night",
        "at nighttime",
        "in the moonlight",
        "under the moon",
        "under the stars",
        "at midnight",
        "in the dark",
        "night scene",
        "late in the evening",
    ),
}
_WEATHER_HEAD_EN = {"sunny": ("sunny",), "rainy": ("rainy",), "snowy": ("snowy",), "night": ("dark",)}


def _thing_en(rng: random.Random, thing: Thing, side: str) -> str:
    noun = f"{name(rng, thing.color, 'en', 0.9)} {name(rng, thing.kind, 'en', 0.8)}"
    where = rng.choice(
        (
            f"on the {side}",
            f"on the {side}",
            f"to the {side}",
            f"at the {side}",
            f"on the {side} side",
            f"on its {side}",
        )
    )
    if rng.random() < 0.15:
        return f"{where} {article(noun)}"
    return f"{rng.choice(('', 'with ', 'and ', ''))}{article(noun)} {where}"


def _clothed_en(rng: random.Random, who: str, outfit: object) -> str:
    if outfit is None:
        return who
    suit = name(rng, "space suit", "en")
    if outfit == "none":
        return f"{who} {rng.choice(('without', 'not wearing', 'with no'))} {suit if rng.random() < 0.3 else 'a ' + suit}".replace(
            "with no a", "with no"
        )
    if rng.random() < 0.12:
        return f"{who} {rng.choice(('dressed as an astronaut', 'as an astronaut'))}"
    return f"{who} {rng.choice(('in a', 'wearing a', 'with a', 'dressed in a', 'in its'))} {suit}{''}"


def _caption_en(rng: random.Random, stated: Stated) -> str:
    character, action, setting, weather = (
        stated.get(key) for key in ("character", "action", "setting", "weather")
    )
    who = name(rng, str(character), "en") if character else rng.choice(("someone", "somebody", "a character"))
    who = _clothed_en(
        rng,
        f"{rng.choice(('a', 'a', 'a', 'the', ''))} {who}".strip() if character else who,
        stated.get("outfit"),
    )
    doing = name(rng, str(action), "en") if action else ""
    if (
        doing
        and rng.random() < 0.12
        and doing not in ("with an umbrella", "under an umbrella", "asleep", "fast asleep")
    ):
        doing = rng.choice(("that is ", "who is ", "busy ")) + doing
    place = _place_en(rng, str(setting)) if setting else ""
    if not character and not action and "outfit" not in stated and rng.random() < 0.5:
        core = rng.choice(("a scene ", "something ", "a view ", "a place ", "")) + place
    else:
        parts = [doing, place]
        if rng.random() < 0.15:
            parts.reverse()
        core = " ".join([who, *(part for part in parts if part)])
    pieces = [core.strip()]
    if weather:
        tail = rng.choice(_WEATHER_TAIL_EN[str(weather)])
        if rng.random() < 0.2:
            pieces.insert(0, tail)
        elif rng.random() < 0.5:
            pieces[0] += f" {tail}"
        else:
            pieces.append(tail)
    things = [_thing_en(rng, thing, side) for side in SIDES if isinstance(thing := stated.get(side), Thing)]
    if rng.random() < 0.5:
        things.reverse()
    if things and rng.random() < 0.12:
        pieces = [*things, *pieces]
    else:
        pieces += things
    return rng.choice((", ", ", ", ", ", " and ", " ", ". ")).join(piece for piece in pieces if piece)


_WEATHER_ZH = {
    "sunny": ("晴天", "阳光明媚", "大晴天", "出着太阳", "阳光灿烂", "天气晴朗", "阳光下"),
    "rainy": ("下雨", "雨天", "下雨天", "雨中", "下着雨", "在雨里", "大雨中", "下雨的时候"),
    "snowy": ("下雪", "雪天", "下雪天", "雪中", "下着雪", "在雪里", "大雪天", "下雪的时候"),
    "night": ("夜晚", "晚上", "夜里", "夜间", "深夜", "月光下", "星空下", "大晚上"),
}


def _place_zh(rng: random.Random, setting: str) -> str:
    noun = name(rng, setting, "zh")
    return (
        rng.choice(("在", "在", ""))
        + noun
        + (
            ""
            if noun.endswith(("里", "上", "边"))
            else rng.choice(("里", "里", "上", ""))
            if setting not in ("mars", "beach")
            else rng.choice(("上", "上", ""))
        )
    )


def _thing_zh(rng: random.Random, thing: Thing, side: str) -> str:
    color = name(rng, thing.color, "zh")
    kind = name(rng, thing.kind, "zh", 0.8)
    measure = {"flower": "朵", "bird": "只", "balloon": "个", "ball": "个", "mushroom": "个", "star": "颗"}[
        thing.kind
    ]
    noun = f"{rng.choice((f'一{measure}', f'一{measure}', '个' if measure == '个' else measure, ''))}{color}{'的' if color.endswith('色') and rng.random() < 0.8 else ''}{kind}"
    where = {"left": ("左边", "左侧", "左面", "画面左边"), "right": ("右边", "右侧", "右面", "画面右边")}[
        side
    ]
    return (
        f"{rng.choice(where)}{rng.choice(('有', '是', '放', '有', ''))}{noun}"
        if rng.random() < 0.85
        else f"{noun}在{rng.choice(where)}"
    )


def _caption_zh(rng: random.Random, stated: Stated) -> str:
    character, action, setting, weather = (
        stated.get(key) for key in ("character", "action", "setting", "weather")
    )
    suit = name(rng, "space suit", "zh")
    clothes = {
        None: "",
        "space suit": rng.choice(("穿", "穿着", "身穿", "身着")) + suit,
        "none": rng.choice(("不穿", "没穿", "没有穿")) + suit,
    }[stated.get("outfit")]  # type: ignore[index]
    measure = (
        "个"
        if character in (None, "robot")
        else rng.choice(("只", "只", "条" if character == "dog" else "只"))
    )
    who = name(rng, str(character), "zh") if character else rng.choice(("人", "家伙", "角色"))
    doing = name(rng, str(action), "zh") if action else ""
    place = _place_zh(rng, str(setting)) if setting else ""
    sky = rng.choice(_WEATHER_ZH[str(weather)]) if weather else ""
    count = rng.choice((f"一{measure}", f"一{measure}", "", measure if rng.random() < 0.3 else ""))
    style = rng.random()
    if not character and not action and not clothes and rng.random() < 0.6:
        core = "的".join(part for part in (sky, place.removeprefix("在")) if part) or sky
        sky = ""
    elif style < 0.45:  # 一只穿宇航服的猫在火星上弹吉他
        core = f"{count}{clothes + '的' if clothes else ''}{who}{place}{rng.choice(('', '', '正在' if not place else '')) if doing else ''}{doing}"
    elif style < 0.75:  # 在火星上弹吉他的猫，穿着宇航服
        front = f"{place}{doing}"
        core = f"{count if rng.random() < 0.3 else ''}{front + '的' if front else ''}{who}{'，' + clothes if clothes else ''}"
    elif style < 0.9:  # 火星上，一只猫穿着宇航服弹吉他
        core = f"{place.removeprefix('在') + rng.choice(('，', '有', '')) if place else ''}{count}{who}{clothes}{doing}"
    else:
        core = "，".join(part for part in (f"{count}{who}", clothes, doing, place) if part)
    pieces = [core]
    if sky:
        if rng.random() < 0.4:
            pieces = (
                [sky + rng.choice(("，", "的时候，", "，", "")) + core]
                if rng.random() < 0.7
                else [f"{sky}的{core}"]
            )
        else:
            pieces.append(sky)
    things = [_thing_zh(rng, thing, side) for side in SIDES if isinstance(thing := stated.get(side), Thing)]
    if rng.random() < 0.5:
        things.reverse()
    pieces = things + pieces if things and rng.random() < 0.12 else pieces + things
    return rng.choice(("，", "，", "，", " ", "、")).join(piece for piece in pieces if piece)


def caption(rng: random.Random, stated: Stated, language: Language) -> str:
    """A person's way to describe the stated attributes."""
    return _caption_zh(rng, stated) if language == "zh" else _caption_en(rng, stated)


def stated_attributes(scene: Scene) -> dict[str, object]:
    """Everything there is to say of the scene; the outfit only when there is one."""
    stated: dict[str, object] = {
        key: getattr(scene, key) for key in ATTRIBUTES if key != "outfit" or scene.outfit != "none"
    }
    return {**stated, **scene.things}


# ---- edit instructions ---------------------------------------------------------------------------------------------

_WEATHER_DETAIL = {
    "sunny": ("change the lighting", "add a bright sun", "clear the sky"),
    "rainy": ("change lighting and add raindrops", "add raindrops", "with clouds and rain"),
    "snowy": ("add snowflakes", "cover the ground with snow", "change lighting and add snow"),
    "night": ("add a moon and stars", "darken the sky", "change the lighting"),
}


def _base(rng: random.Random, action: str) -> str:
    """The action as a bare verb phrase."""
    return rng.choice(
        {
            "watering plants": ("water plants", "water the plants", "water some flowers", "water a plant"),
            "playing guitar": ("play guitar", "play the guitar", "play a guitar", "strum a guitar"),
            "reading": ("read", "read a book", "read a story"),
            "holding an umbrella": ("hold an umbrella", "carry an umbrella", "hold up an umbrella"),
            "sleeping": ("sleep", "take a nap", "fall asleep", "go to sleep", "have a nap"),
        }[action]
    )


def instruction(rng: random.Random, change: Change, language: Language, scene: Scene | None = None) -> str:
    """A person's way to ask for the edit; `scene` lets it name the character in the picture."""
    return (_instruction_zh if language == "zh" else _instruction_en)(rng, change, scene)


def _instruction_en(rng: random.Random, change: Change, scene: Scene | None) -> str:
    pick = rng.choice
    who = (
        pick(("it", "it", "him", "her", "them", "the character"))
        if scene is None or rng.random() < 0.5
        else f"the {name(rng, scene.character, 'en')}"
    )
    he = {"him": "he", "her": "she", "them": "they"}.get(who, who)
    value = str(change.value)
    if change.target in SIDES:
        target = pick(
            (
                f"the object on the {change.target}",
                f"the thing on the {change.target}",
                f"the one on the {change.target}",
                f"what is on the {change.target}",
            )
        )
    else:
        target = f"the {name(rng, change.target, 'en', 0.85)}" if change.target else ""
        if change.target and scene is not None and rng.random() < 0.2:
            color = next(
                (thing.color for thing in scene.things.values() if thing.kind == change.target), None
            )
            target = f"the {color} {change.target}" if color else target
    match change.type:
        case "weather":
            noun = {"sunny": "sunshine", "rainy": "rain", "snowy": "snow", "night": "darkness"}[value]
            verb = {
                "sunny": ("be sunny", "clear up", "shine"),
                "rainy": ("rain", "be raining", "be rainy"),
                "snowy": ("snow", "be snowing", "be snowy"),
                "night": ("be night", "get dark", "be dark", "be nighttime"),
            }[value]
            adjective = {"night": pick(("night", "nighttime", "dark", "a night scene"))}.get(value, value)
            day = {"night": "a night"}.get(value, f"a {value} day")
            text = pick(
                (
                    f"make it {pick(verb)}"
                    if value in ("rainy", "snowy") and rng.random() < 0.5
                    else f"make it {adjective}",
                    f"change the weather to {adjective}",
                    f"make the weather {adjective}",
                    f"let it {pick(verb)}",
                    f"i want it to {pick(verb)}",
                    f"it should {pick(verb)}",
                    f"turn it into {day}",
                    f"make it {day}",
                    f"change it to {day}",
                    f"add {noun}" if value != "night" else "make it night",
                    f"now {adjective}",
                    f"can it {pick(verb)}",
                    f"set the weather to {adjective}",
                    f"with {noun}",
                    f"what if it was {adjective}",
                    f"{adjective} instead",
                    f"same but {adjective}",
                )
            )
            if rng.random() < 0.15:
                text += pick((", ", ". ", " and ")) + pick(_WEATHER_DETAIL[value])
        case "setting":
            place = _place_en(rng, value)
            noun = ("" if value == "mars" else pick(("the ", "a "))) + name(rng, value, "en")
            text = pick(
                (
                    f"move {who} to {noun}",
                    f"put {who} {place}",
                    f"change the place to {noun}",
                    f"change the background to {noun}",
                    f"change the setting to {noun}",
                    f"take {who} to {noun}",
                    f"make it happen {place}",
                    f"set it {place}",
                    f"let {who} be {place}",
                    f"now {place}",
                    f"{place} instead",
                    f"send {who} to {noun}",
                    f"replace the background by {noun}",
                    f"make the background {noun}",
                    f"i want {who} {place}",
                    f"what about {place}",
                    f"same but {place}",
                    f"{he} should be {place}",
                )
            )
        case "action":
            doing, base = name(rng, value, "en"), _base(rng, value)
            text = pick(
                (
                    f"make {who} {base}",
                    f"let {who} {base}",
                    f"{he} should {base}",
                    f"{he} should be {doing}",
                    f"change the action to {doing}",
                    f"have {who} {base}",
                    f"now {doing}",
                    f"i want {who} to {base}",
                    f"make {who} start {doing}",
                    f"show {who} {doing}",
                    f"instead {who} is {doing}",
                    f"can {he} {base}",
                    f"let {who} be {doing}",
                    f"{doing} instead",
                    f"same but {doing}",
                    f"now {he} is {doing}",
                    f"get {who} to {base}",
                )
            )
        case "character":
            new = article(name(rng, value, "en"))
            old = (
                f"the {name(rng, scene.character, 'en')}"
                if scene is not None
                else pick(("the character", "it", "the animal"))
            )
            text = pick(
                (
                    f"change {old} to {new}",
                    f"change {old} into {new}",
                    f"turn {old} into {new}",
                    f"replace {old} with {new}",
                    f"replace {old} by {new}",
                    f"make it {new}",
                    f"swap {old} for {new}",
                    f"change the character to {new}",
                    f"i want {new} instead",
                    f"{new} instead of {old}",
                    f"it should be {new}",
                    f"use {new} instead",
                    f"same but with {new}",
                    f"make {old} {new}",
                    f"with {new} instead",
                )
            )
        case "outfit":
            suit = name(rng, "space suit", "en")
            if value == "space suit":
                text = pick(
                    (
                        f"put on a {suit}",
                        f"put {who} in a {suit}",
                        f"give {who} a {suit}",
                        f"dress {who} in a {suit}",
                        f"add a {suit}",
                        f"let {who} wear a {suit}",
                        f"make {who} wear a {suit}",
                        f"{he} should wear a {suit}",
                        f"put a {suit} on {who}",
                        f"with a {suit}",
                        f"make {who} an astronaut",
                        f"dress {who} as an astronaut",
                        f"now in a {suit}",
                        f"change the outfit to a {suit}",
                    )
                )
            else:
                text = pick(
                    (
                        f"take off the {suit}",
                        f"remove the {suit}",
                        f"no {suit}",
                        f"without the {suit}",
                        f"take the {suit} off",
                        f"get rid of the {suit}",
                        f"{he} should not wear a {suit}",
                        f"let {who} take off the {suit}",
                        f"drop the {suit}",
                        f"no more {suit}",
                        f"take away the {suit}",
                        f"undress the {suit}",
                    )
                )
        case "add":
            assert isinstance(change.value, Thing)
            noun = f"{name(rng, change.value.color, 'en', 0.9)} {name(rng, change.value.kind, 'en', 0.85)}"
            where = pick(
                (
                    f"on the {change.side}",
                    f"on the {change.side}",
                    f"to the {change.side}",
                    f"on the {change.side} side",
                    f"at the {change.side}",
                )
            )
            text = pick(
                (
                    f"add a {noun} {where}",
                    f"put a {noun} {where}",
                    f"place a {noun} {where}",
                    f"draw a {noun} {where}",
                    f"i want a {noun} {where}",
                    f"there should be a {noun} {where}",
                    f"{where} add a {noun}",
                    f"add {where} a {noun}",
                    f"give {who} a {noun} {where}",
                    f"a {noun} {where} too",
                    f"with a {noun} {where}",
                    f"include a {noun} {where}",
                    f"{where}, put a {noun}",
                    f"set a {noun} {where}",
                )
            )
        case "remove":
            text = pick(
                (
                    f"remove {target}",
                    f"delete {target}",
                    f"take away {target}",
                    f"get rid of {target}",
                    f"erase {target}",
                    f"take {target} out",
                    f"without {target}",
                    f"i do not want {target}",
                    f"{target} should go",
                    f"drop {target}",
                    f"lose {target}",
                    f"no more {target.removeprefix('the ')}",
                )
            )
        case "recolor":
            text = pick(
                (
                    f"make {target} {value}",
                    f"change {target} to {value}",
                    f"color {target} {value}",
                    f"paint {target} {value}",
                    f"turn {target} {value}",
                    f"{target} should be {value}",
                    f"change the color of {target} to {value}",
                    f"i want {target} to be {value}",
                    f"make the color of {target} {value}",
                    f"recolor {target} to {value}",
                    f"let {target} be {value}",
                    f"change the colour of {target} to {value}",
                )
            )
        case _:
            new = f"a {name(rng, value, 'en', 0.9)}"
            text = pick(
                (
                    f"replace {target} by {new}",
                    f"replace {target} with {new}",
                    f"change {target} to {new}",
                    f"change {target} into {new}",
                    f"turn {target} into {new}",
                    f"swap {target} for {new}",
                    f"make {target} {new}",
                    f"{new} instead of {target}",
                )
            )
    return text


def _instruction_zh(rng: random.Random, change: Change, scene: Scene | None) -> str:
    pick = rng.choice
    who = (
        pick(("它", "它", "他", "她"))
        if scene is None or rng.random() < 0.5
        else name(rng, scene.character, "zh")
    )
    value = str(change.value)
    make = pick(("改成", "换成", "变成", "改为"))
    if change.target in SIDES:
        target = {
            "left": pick(("左边的东西", "左边那个", "左边的物体", "左侧的东西")),
            "right": pick(("右边的东西", "右边那个", "右边的物体", "右侧的东西")),
        }[str(change.target)]
    else:
        target = (
            pick(("", "", "那个", "这个")) + name(rng, change.target, "zh", 0.85) if change.target else ""
        )
        if change.target and scene is not None and rng.random() < 0.2:
            color = next(
                (thing.color for thing in scene.things.values() if thing.kind == change.target), None
            )
            target = (
                f"{name(rng, color, 'zh')}{change.target and name(rng, change.target, 'zh', 0.9)}"
                if color
                else target
            )
    match change.type:
        case "weather":
            day = pick(
                {
                    "sunny": ("晴天", "大晴天", "阳光明媚", "出太阳"),
                    "rainy": ("下雨天", "雨天", "下雨", "大雨"),
                    "snowy": ("下雪天", "雪天", "下雪", "大雪"),
                    "night": ("夜晚", "晚上", "夜里", "黑夜", "夜景"),
                }[value]
            )
            verb = pick(
                {
                    "sunny": ("出太阳", "放晴"),
                    "rainy": ("下雨", "下点雨", "下起雨来"),
                    "snowy": ("下雪", "下点雪", "下起雪来"),
                    "night": ("天黑", "到晚上"),
                }[value]
            )
            text = pick(
                (
                    f"{make}{day}",
                    f"把天气{make}{day}",
                    f"天气{make}{day}",
                    f"让它{verb}" if value in ("rainy", "snowy") else f"让天气{make}{day}",
                    f"让天{verb}" if value != "night" else "让天黑下来",
                    f"我想要{day}",
                    f"要{day}",
                    f"现在{make}{day}",
                    f"{day}吧",
                    f"换个天气，{day}",
                    f"要是{verb}就好了",
                    f"背景{make}{day}",
                )
            )
        case "setting":
            place = name(rng, value, "zh")
            text = pick(
                (
                    f"把背景{make}{place}",
                    f"场景{make}{place}",
                    f"把{who}放到{place}",
                    f"移到{place}",
                    f"搬到{place}去",
                    f"让{who}去{place}",
                    f"{make}在{place}",
                    f"把地点{make}{place}",
                    f"背景要{place}",
                    f"换到{place}",
                    f"让{who}在{place}",
                    f"带{who}去{place}",
                    f"地方{make}{place}",
                    f"我想让{who}到{place}上" if value == "mars" else f"我想让{who}到{place}",
                )
            )
        case "action":
            doing = name(rng, value, "zh")
            text = pick(
                (
                    f"让{who}{doing}",
                    f"{make}{doing}",
                    f"动作{make}{doing}",
                    f"{who}应该在{doing}",
                    f"叫{who}{doing}",
                    f"现在让{who}{doing}",
                    f"我想看{who}{doing}",
                    f"把动作{make}{doing}",
                    f"让{who}去{doing}",
                    f"{who}{make}在{doing}",
                    f"要{who}{doing}",
                    f"换个动作，{doing}",
                )
            )
        case "character":
            new = pick(
                ("", "一只" if value != "robot" else "一个", "只" if value != "robot" else "个")
            ) + name(rng, value, "zh")
            old = name(rng, scene.character, "zh") if scene is not None else pick(("角色", "主角", "它"))
            text = pick(
                (
                    f"把{old}{make}{new}",
                    f"{old}{make}{new}",
                    f"{make}{new}",
                    f"角色{make}{new}",
                    f"把主角{make}{new}",
                    f"用{new}代替{old}",
                    f"不要{old}，要{new}",
                    f"我想要{new}，不要{old}",
                    f"主角换{new}",
                    f"让它变成{new}",
                )
            )
        case "outfit":
            suit = name(rng, "space suit", "zh")
            if value == "space suit":
                text = pick(
                    (
                        f"给{who}穿上{suit}",
                        f"穿上{suit}",
                        f"让{who}穿{suit}",
                        f"加上{suit}",
                        f"让{who}穿着{suit}",
                        f"给{who}加一件{suit}",
                        f"{who}要穿{suit}",
                        f"换上{suit}",
                        f"衣服换成{suit}",
                        f"让{who}当宇航员",
                    )
                )
            else:
                text = pick(
                    (
                        f"脱掉{suit}",
                        f"把{suit}脱了",
                        f"去掉{suit}",
                        f"不要{suit}",
                        f"让{who}脱下{suit}",
                        f"别穿{suit}",
                        f"把{suit}去掉",
                        f"不穿{suit}",
                        f"把{who}的{suit}脱掉",
                        f"拿掉{suit}",
                    )
                )
        case "add":
            assert isinstance(change.value, Thing)
            color = name(rng, change.value.color, "zh")
            measure = {
                "flower": "朵",
                "bird": "只",
                "balloon": "个",
                "ball": "个",
                "mushroom": "个",
                "star": "颗",
            }[change.value.kind]
            noun = (
                pick((f"一{measure}", f"一{measure}", measure, ""))
                + color
                + ("的" if color.endswith("色") and rng.random() < 0.8 else "")
                + name(rng, change.value.kind, "zh", 0.85)
            )
            where = {"left": pick(("左边", "左侧", "左面")), "right": pick(("右边", "右侧", "右面"))}[
                str(change.side)
            ]
            text = pick(
                (
                    f"在{where}加{noun}",
                    f"{where}加{noun}",
                    f"在{where}放{noun}",
                    f"{where}放{noun}",
                    f"{where}再画{noun}",
                    f"在{where}添{noun}",
                    f"{where}加上{noun}",
                    f"{where}要有{noun}",
                    f"给{where}加{noun}",
                    f"加{noun}在{where}",
                    f"{where}来{noun}",
                    f"我想在{where}看到{noun}",
                )
            )
        case "remove":
            text = pick(
                (
                    f"去掉{target}",
                    f"把{target}去掉",
                    f"删掉{target}",
                    f"把{target}删了",
                    f"不要{target}",
                    f"移除{target}",
                    f"拿走{target}",
                    f"把{target}拿走",
                    f"擦掉{target}",
                    f"{target}不要了",
                    f"把{target}弄没",
                )
            )
        case "recolor":
            color = name(rng, value, "zh", 0.8)
            text = pick(
                (
                    f"把{target}{make}{color}",
                    f"{target}{make}{color}",
                    f"把{target}的颜色{make}{color}",
                    f"把{target}涂成{color}",
                    f"让{target}变{color}",
                    f"{target}要{color}的",
                    f"把{target}变{color}",
                    f"{target}的颜色{make}{color}",
                    f"把{target}染成{color}",
                )
            )
        case _:
            new = pick(("", "一个", "一个")) + name(rng, value, "zh", 0.9)
            text = pick(
                (
                    f"把{target}{make}{new}",
                    f"{target}{make}{new}",
                    f"用{new}代替{target}",
                    f"用{new}替换{target}",
                    f"不要{target}，要{new}",
                    f"把{target}替换成{new}",
                )
            )
    return text
