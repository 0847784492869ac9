"""Questions about a storybook scene with their answers, in English and Chinese. Training and evaluation only."""

from __future__ import annotations

import random
from dataclasses import dataclass

from flux_runtime.pocket.language import Language, article, canonical_prompt, name, stated_attributes
from flux_runtime.pocket.vocabulary import plain
from flux_runtime.pocket.world import (
    ACTIONS,
    ATTRIBUTES,
    CHARACTERS,
    COLORS,
    KINDS,
    SETTINGS,
    SIDES,
    WEATHERS,
    Scene,
    Thing,
)

SCENE_QUESTIONS = ("character", "outfit", "action", "setting", "weather")
OBJECT_QUESTIONS = ("count", "exists", "color", "side", "left", "right")
YES_NO_QUESTIONS = ("is_character", "is_outfit", "is_action", "is_setting", "is_weather", "is_color")
ABOUTS = (*SCENE_QUESTIONS, *OBJECT_QUESTIONS, *YES_NO_QUESTIONS, "describe")


@dataclass(frozen=True)
class Question:
    """What is asked: one of ABOUTS; `object` for exists, color, side, is_color; `value` for the yes/no kinds."""

    about: str
    object: str | None = None
    value: str | None = None


def random_question(rng: random.Random, scene: Scene, about: str | None = None) -> Question:
    """A question that makes sense for the scene; yes/no kinds are answered yes half of the time."""
    about = about or rng.choice(ABOUTS)
    kinds = [thing.kind for thing in scene.things.values()]
    if about in ("color", "side", "is_color") and not kinds:
        about = "exists"
    if about == "exists":
        present = kinds and rng.random() < 0.5
        return Question(
            about, rng.choice(kinds if present else [kind for kind in KINDS if kind not in kinds])
        )
    if about in ("color", "side"):
        return Question(about, rng.choice(kinds))
    if about == "is_color":
        kind = rng.choice(kinds)
        color = next(thing.color for thing in scene.things.values() if thing.kind == kind)
        return Question(
            about, kind, color if rng.random() < 0.5 else rng.choice([c for c in COLORS if c != color])
        )
    if about.startswith("is_"):
        key = about.removeprefix("is_")
        truth = getattr(scene, key)
        if key == "outfit":
            return Question(about, value="space suit")
        return Question(
            about,
            value=truth if rng.random() < 0.5 else rng.choice([v for v in ATTRIBUTES[key] if v != truth]),
        )
    return Question(about)


# ---- canonical wordings: what the planner writes -------------------------------------------------------------------

_BE_WEATHER = {"sunny": "sunny", "rainy": "raining", "snowy": "snowing", "night": "night"}
_BE_WEATHER_ZH = {"sunny": "晴天", "rainy": "下雨", "snowy": "下雪", "night": "夜晚"}
_PLACE_EN = {
    "greenhouse": "in a greenhouse",
    "beach": "on the beach",
    "city": "in the city",
    "forest": "in the forest",
    "mars": "on mars",
}
_PLACE_ZH = {
    "greenhouse": "在温室里",
    "beach": "在沙滩上",
    "city": "在城市里",
    "forest": "在森林里",
    "mars": "在火星上",
}
_ACTION_ZH = {
    "watering plants": "浇花",
    "playing guitar": "弹吉他",
    "reading": "看书",
    "holding an umbrella": "打伞",
    "sleeping": "睡觉",
}
_SIDE_ZH = {"left": "左边", "right": "右边"}


def canonical_question(question: Question, language: Language) -> str:
    """The one wording of a question in the person's language."""
    thing = question.object or "ball"
    value = question.value or ""
    english = {
        "character": "who is in the picture?",
        "outfit": "what is it wearing?",
        "action": "what is it doing?",
        "setting": "where is it?",
        "weather": "how is the weather?",
        "count": "how many objects are there?",
        "exists": f"is there a {thing}?",
        "color": f"what color is the {thing}?",
        "side": f"which side is the {thing} on?",
        "left": "what is on the left?",
        "right": "what is on the right?",
        "describe": "describe the picture.",
        "is_character": f"is it {article(value) if value else ''}?",
        "is_outfit": "is it wearing a space suit?",
        "is_action": f"is it {value}?",
        "is_setting": f"is it {_PLACE_EN.get(value, '')}?",
        "is_weather": f"is it {_BE_WEATHER.get(value, '')}?",
        "is_color": f"is the {thing} {value}?",
    }
    chinese = {
        "character": "图里是谁？",
        "outfit": "它穿着什么？",
        "action": "它在做什么？",
        "setting": "它在哪里？",
        "weather": "天气怎么样？",
        "count": "有几个物体？",
        "exists": f"有{plain(thing, 'zh')}吗？",
        "color": f"{plain(thing, 'zh')}是什么颜色？",
        "side": f"{plain(thing, 'zh')}在哪边？",
        "left": "左边是什么？",
        "right": "右边是什么？",
        "describe": "描述一下这张图。",
        "is_character": f"是{plain(value, 'zh') if value in CHARACTERS else ''}吗？",
        "is_outfit": "它穿着宇航服吗？",
        "is_action": f"它在{_ACTION_ZH.get(value, '')}吗？",
        "is_setting": f"它{_PLACE_ZH.get(value, '')}吗？",
        "is_weather": f"是{_BE_WEATHER_ZH.get(value, '')}吗？",
        "is_color": f"{plain(thing, 'zh')}是{plain(value, 'zh') if value in COLORS else ''}的吗？",
    }
    return (chinese if language == "zh" else english)[question.about]


# ---- answers -------------------------------------------------------------------------------------------------------


def answer(scene: Scene, question: Question, language: Language) -> str:
    """The true answer, one short sentence."""
    return (_answer_zh if language == "zh" else _answer_en)(scene, question)


def _noun_en(thing: Thing) -> str:
    return f"a {thing.color} {thing.kind}"


def _noun_zh(thing: Thing) -> str:
    measure = {"flower": "朵", "bird": "只", "balloon": "个", "ball": "个", "mushroom": "个", "star": "颗"}[
        thing.kind
    ]
    return f"一{measure}{plain(thing.color, 'zh')}的{plain(thing.kind, 'zh')}"


def _answer_en(scene: Scene, question: Question) -> str:
    who, things = f"the {scene.character}", scene.things
    side = next((s for s, t in things.items() if t.kind == question.object), None)
    weather = {
        "sunny": "it is sunny.",
        "rainy": "it is raining.",
        "snowy": "it is snowing.",
        "night": "it is night.",
    }[scene.weather]
    clothes = (
        f"{who} is wearing a space suit."
        if scene.outfit == "space suit"
        else f"{who} is not wearing a space suit."
    )
    match question.about:
        case "character":
            return f"it is {article(scene.character)}."
        case "outfit" | "is_outfit":
            return (
                {"space suit": "yes, ", "none": "no, "}[scene.outfit] if question.about == "is_outfit" else ""
            ) + clothes
        case "action":
            return f"{who} is {scene.action}."
        case "setting":
            return f"{who} is {_PLACE_EN[scene.setting]}."
        case "weather":
            return weather
        case "count":
            return ("there are no objects.", "there is one object.", "there are two objects.")[len(things)]
        case "exists":
            return (
                f"yes, there is {_noun_en(things[side])} on the {side}."
                if side
                else f"no, there is no {question.object}."
            )
        case "color":
            return (
                f"the {question.object} is {things[side].color}."
                if side
                else f"there is no {question.object}."
            )
        case "side":
            return f"the {question.object} is on the {side}." if side else f"there is no {question.object}."
        case "left" | "right":
            thing = things.get(question.about)
            return (
                f"{_noun_en(thing)} is on the {question.about}."
                if thing
                else f"there is nothing on the {question.about}."
            )
        case "describe":
            return canonical_prompt(stated_attributes(scene)) + "."
        case "is_character":
            return (
                f"{'yes' if question.value == scene.character else 'no'}, it is {article(scene.character)}."
            )
        case "is_action":
            return f"{'yes' if question.value == scene.action else 'no'}, {who} is {scene.action}."
        case "is_setting":
            return (
                f"{'yes' if question.value == scene.setting else 'no'}, {who} is {_PLACE_EN[scene.setting]}."
            )
        case "is_weather":
            return f"{'yes' if question.value == scene.weather else 'no'}, {weather}"
        case "is_color":
            color = things[side].color if side else None
            return (
                f"{'yes' if question.value == color else 'no'}, the {question.object} is {color}."
                if side
                else f"no, there is no {question.object}."
            )
    raise ValueError(f"unknown question {question.about!r}")


def _answer_zh(scene: Scene, question: Question) -> str:
    who, things = plain(scene.character, "zh"), scene.things
    side = next((s for s, t in things.items() if t.kind == question.object), None)
    thing_name = plain(question.object, "zh") if question.object else ""
    weather = {"sunny": "是晴天。", "rainy": "在下雨。", "snowy": "在下雪。", "night": "是夜晚。"}[
        scene.weather
    ]
    clothes = f"{who}穿着宇航服。" if scene.outfit == "space suit" else f"{who}没有穿宇航服。"

    def yes(true: bool) -> str:
        return "是的，" if true else "不是，"

    match question.about:
        case "character":
            return f"是{who}。"
        case "outfit":
            return clothes
        case "is_outfit":
            return ("是的，" if scene.outfit == "space suit" else "没有，") + clothes
        case "action":
            return f"{who}在{_ACTION_ZH[scene.action]}。"
        case "setting":
            return f"{who}{_PLACE_ZH[scene.setting]}。"
        case "weather":
            return weather
        case "count":
            return ("没有物体。", "有一个物体。", "有两个物体。")[len(things)]
        case "exists":
            return f"有，{_SIDE_ZH[side]}有{_noun_zh(things[side])}。" if side else f"没有{thing_name}。"
        case "color":
            return f"{thing_name}是{plain(things[side].color, 'zh')}的。" if side else f"没有{thing_name}。"
        case "side":
            return f"{thing_name}在{_SIDE_ZH[side]}。" if side else f"没有{thing_name}。"
        case "left" | "right":
            thing = things.get(question.about)
            return (
                f"{_SIDE_ZH[question.about]}是{_noun_zh(thing)}。"
                if thing
                else f"{_SIDE_ZH[question.about]}什么也没有。"
            )
        case "describe":
            suit = "穿宇航服的" if scene.outfit == "space suit" else ""
            sky = {"sunny": "晴天", "rainy": "下雨", "snowy": "下雪", "night": "夜晚"}[scene.weather]
            rest = "".join(f"，{_SIDE_ZH[s]}是{_noun_zh(t)}" for s, t in things.items())
            return f"{suit}{who}{_PLACE_ZH[scene.setting]}{_ACTION_ZH[scene.action]}，{sky}{rest}。"
        case "is_character":
            return f"{yes(question.value == scene.character)}是{who}。"
        case "is_action":
            return f"{yes(question.value == scene.action)}{who}在{_ACTION_ZH[scene.action]}。"
        case "is_setting":
            return f"{yes(question.value == scene.setting)}{who}{_PLACE_ZH[scene.setting]}。"
        case "is_weather":
            return f"{yes(question.value == scene.weather)}{weather}"
        case "is_color":
            color = things[side].color if side else None
            return (
                f"{yes(question.value == color)}{thing_name}是{plain(color, 'zh')}的。"
                if color
                else f"不是，没有{thing_name}。"
            )
    raise ValueError(f"unknown question {question.about!r}")


# ---- a person's wordings -------------------------------------------------------------------------------------------


def ask(rng: random.Random, question: Question, language: Language, scene: Scene | None = None) -> str:
    """One of many ways to ask; the canonical one a quarter of the time. `scene` lets it name the character."""
    if rng.random() < 0.25:
        return canonical_question(question, language)
    return (_ask_zh if language == "zh" else _ask_en)(rng, question, scene)


def _ask_en(rng: random.Random, question: Question, scene: Scene | None) -> str:
    pick = rng.choice
    who = (
        pick(("it", "he", "she", "the character"))
        if scene is None or rng.random() < 0.5
        else f"the {name(rng, scene.character, 'en')}"
    )
    thing = name(rng, question.object, "en", 0.85) if question.object else ""
    here = pick(
        (
            "",
            "",
            "",
            " in the picture",
            " here",
            " in this picture",
            " in the image",
            " there",
            " now",
            " right now",
        )
    )
    value = question.value or ""
    match question.about:
        case "character":
            text = pick(
                (
                    "who is it",
                    "who is that",
                    "what animal is it",
                    "which character is it",
                    "who is in the picture",
                    "what kind of character is this",
                    "what is the character",
                    "what is this",
                    "who do you see",
                    "who is there",
                    "tell me who it is",
                    "which animal is this",
                    "what creature is in the picture",
                    "name the character",
                    "what is the subject",
                )
            )
        case "outfit":
            text = pick(
                (
                    f"what is {who} wearing{here}",
                    f"what does {who} wear",
                    f"what clothes does {who} have on",
                    f"what outfit is {who} in",
                    f"how is {who} dressed",
                    f"what is {who} dressed in",
                    "what is the outfit",
                    f"what does {who} have on",
                    f"is {who} wearing something",
                    f"what has {who} got on",
                )
            )
        case "action":
            text = pick(
                (
                    f"what is {who} doing{here}",
                    f"what is {who} doing",
                    f"what is {who} doing",
                    f"what is {who} up to{here}",
                    "what is happening",
                    "what is going on here",
                    f"what does {who} do",
                    "what is the action",
                    f"tell me what {who} is doing",
                    f"what activity is {who} doing",
                    f"do you know what {who} is doing",
                    "what's happening",
                    f"what's {who} doing",
                )
            )
        case "setting":
            text = pick(
                (
                    f"where is {who}{here}",
                    f"where is {who}",
                    "where is this",
                    "where does it take place",
                    "what place is this",
                    "what is the background",
                    "what is the setting",
                    "what is the place",
                    "where are we",
                    f"in what place is {who}",
                    "which place is it",
                    "where does the scene happen",
                    "what location is it",
                    f"where's {who}",
                )
            )
        case "weather":
            text = pick(
                (
                    "what is the weather",
                    "how is the weather",
                    "what is the weather like",
                    "what weather is it",
                    f"what's the weather like{here}",
                    "what's the weather",
                    "how does the sky look",
                    "tell me the weather",
                    "what kind of weather is there",
                    "is it sunny or rainy",
                    "what is the sky like",
                    "is it day or night",
                )
            )
        case "count":
            text = pick(
                (
                    "how many objects are there",
                    f"how many things are there{here}",
                    f"how many objects{here}",
                    "count the objects",
                    "how many things do you see",
                    f"how many other objects are there{here}",
                    "how many items are there",
                    "how many things are next to the character",
                    "what is the number of objects",
                    "how many objects can you count",
                )
            )
        case "exists":
            text = pick(
                (
                    f"is there a {thing}{here}",
                    f"is there a {thing}",
                    f"do you see a {thing}",
                    f"can you see a {thing}{here}",
                    f"is there any {thing}",
                    f"does it have a {thing}",
                    f"are there any {thing}s",
                    f"is a {thing} there",
                    f"does the picture show a {thing}",
                    f"is there a {thing} anywhere",
                    f"any {thing}{here}",
                )
            )
        case "color":
            text = pick(
                (
                    f"what color is the {thing}",
                    f"what colour is the {thing}",
                    f"which color is the {thing}",
                    f"what is the color of the {thing}",
                    f"the {thing} is what color",
                    f"what color does the {thing} have",
                    f"tell me the color of the {thing}",
                    f"what's the color of the {thing}",
                    f"which colour does the {thing} have",
                )
            )
        case "side":
            text = pick(
                (
                    f"where is the {thing}",
                    f"which side is the {thing} on",
                    f"on which side is the {thing}",
                    f"is the {thing} on the left or on the right",
                    f"is the {thing} left or right",
                    f"on what side is the {thing}",
                    f"the {thing} is on which side",
                    f"what side is the {thing} on",
                    f"where's the {thing}",
                    f"where do you see the {thing}",
                )
            )
        case "left" | "right":
            side = question.about
            text = pick(
                (
                    f"what is on the {side}",
                    f"what is on the {side}{here}",
                    f"what's on the {side}",
                    f"what do you see on the {side}",
                    f"what object is on the {side}",
                    f"what is to the {side} of {who}",
                    f"what stands on the {side}",
                    f"what is at the {side}",
                    f"which object is on the {side} side",
                    f"what can you see on the {side}",
                    f"is there something on the {side}",
                    f"what is on the {side} side",
                )
            )
        case "describe":
            text = pick(
                (
                    "describe the picture",
                    "describe it",
                    "what do you see",
                    "tell me what you see",
                    "what is in the picture",
                    "describe this image",
                    "what does the picture show",
                    "describe the image",
                    "give me a description",
                    "can you describe it",
                    "what can you see",
                    "tell me about the picture",
                    "explain the picture",
                    "caption this",
                    "describe what you see",
                )
            )
        case "is_character":
            noun = article(name(rng, value, "en"))
            text = pick(
                (
                    f"is it {noun}",
                    f"is this {noun}",
                    f"is that {noun}",
                    f"is there {noun}{here}",
                    f"do you see {noun}",
                    f"is the character {noun}",
                    f"is {noun} in the picture",
                )
            )
        case "is_outfit":
            suit = name(rng, "space suit", "en")
            text = pick(
                (
                    f"is {who} wearing a {suit}",
                    f"does {who} wear a {suit}",
                    f"does {who} have a {suit} on",
                    f"is {who} in a {suit}",
                    f"is there a {suit}",
                    f"has {who} got a {suit}",
                    f"is {who} an astronaut",
                )
            )
        case "is_action":
            text = pick(
                (
                    f"is {who} {name(rng, value, 'en')}",
                    f"is {who} {name(rng, value, 'en')}{here}",
                    f"is {who} still {name(rng, value, 'en')}",
                    f"do you see {who} {name(rng, value, 'en')}",
                )
            )
        case "is_setting":
            text = pick(
                (
                    f"is {who} {_PLACE_EN[value]}",
                    f"is it {_PLACE_EN[value]}",
                    f"is this {_PLACE_EN[value]}",
                    f"are we {_PLACE_EN[value]}",
                    f"does it take place {_PLACE_EN[value]}",
                )
            )
        case "is_weather":
            states = {
                "sunny": ("sunny", "a sunny day", "clear"),
                "rainy": ("raining", "rainy", "a rainy day", "wet"),
                "snowy": ("snowing", "snowy", "a snowy day"),
                "night": ("night", "dark", "nighttime"),
            }[value]
            text = pick(
                (
                    f"is it {pick(states)}",
                    f"is it {pick(states)}{here}",
                    f"is it still {pick(states)}",
                    f"is the weather {value}" if value != "night" else "is it night",
                    f"does it {'rain' if value == 'rainy' else 'snow'}"
                    if value in ("rainy", "snowy")
                    else f"is it {pick(states)}",
                )
            )
        case _:
            text = pick(
                (
                    f"is the {thing} {value}",
                    f"is there a {value} {thing}",
                    f"do you see a {value} {thing}",
                    f"is it a {value} {thing}",
                    f"is the color of the {thing} {value}",
                )
            )
    if question.about != "describe" and rng.random() < 0.1:
        text = pick(("so ", "and ", "hey, ", "please tell me, ", "tell me, ", "ok, ")) + text
    return text + pick(("?", "?", "?", ""))


def _ask_zh(rng: random.Random, question: Question, scene: Scene | None) -> str:
    pick = rng.choice
    who = (
        pick(("它", "它", "他", "她", "主角"))
        if scene is None or rng.random() < 0.5
        else name(rng, scene.character, "zh")
    )
    thing = name(rng, question.object, "zh", 0.85) if question.object else ""
    here = pick(("", "", "", "图里", "图中", "画面里", "这张图里", "现在"))
    value = question.value or ""
    match question.about:
        case "character":
            text = pick(
                (
                    "图里是谁",
                    "这是谁",
                    "是什么动物",
                    "主角是谁",
                    "画的是谁",
                    "这是什么角色",
                    "图里有谁",
                    "这是什么",
                    "你看到了谁",
                    "画里是什么动物",
                    "主角是什么",
                    "图上是哪个角色",
                    "它是谁",
                    "它是什么动物",
                )
            )
        case "outfit":
            text = pick(
                (
                    f"{who}穿着什么",
                    f"{who}穿的是什么",
                    f"{who}穿了什么衣服",
                    f"{who}穿什么",
                    f"{who}身上穿着什么",
                    f"{here}{who}穿的什么衣服",
                    f"{who}是什么打扮",
                    f"{who}穿衣服了吗",
                )
            )
        case "action":
            text = pick(
                (
                    f"{who}在做什么",
                    f"{who}在干什么",
                    f"{here}{who}在做什么",
                    f"{who}正在做什么",
                    f"{who}正在干嘛",
                    f"{who}在干嘛",
                    f"{who}现在在做什么",
                    f"{who}在干啥",
                    "图里在发生什么",
                    f"{who}在忙什么",
                    f"告诉我{who}在做什么",
                    f"{who}做什么呢",
                    f"{who}现在在干什么",
                )
            )
        case "setting":
            text = pick(
                (
                    f"{who}在哪里",
                    f"{who}在哪儿",
                    f"{who}在什么地方",
                    "这是哪里",
                    "这是什么地方",
                    "背景是什么",
                    "场景是哪里",
                    f"{here}{who}在哪",
                    "地点是哪里",
                    f"{who}现在在哪里",
                    "这里是哪儿",
                )
            )
        case "weather":
            text = pick(
                (
                    "天气怎么样",
                    "天气如何",
                    "是什么天气",
                    "现在是什么天气",
                    f"{here}天气怎么样",
                    "今天天气怎样",
                    "外面天气怎么样",
                    "天气好吗",
                    "天上是什么样",
                    "是白天还是晚上",
                    "什么天气",
                )
            )
        case "count":
            text = pick(
                (
                    "有几个物体",
                    "有几个东西",
                    f"{here}有几样东西",
                    "有多少个物体",
                    "旁边有几个东西",
                    "一共有几个东西",
                    "数一数有几个物体",
                    "除了主角还有几个东西",
                    "有多少东西",
                    "有几件东西",
                )
            )
        case "exists":
            text = pick(
                (
                    f"有{thing}吗",
                    f"{here}有{thing}吗",
                    f"有没有{thing}",
                    f"能看到{thing}吗",
                    f"{here}有没有{thing}",
                    f"看得到{thing}吗",
                    f"有{thing}没有",
                    f"里面有{thing}吗",
                    f"你看到{thing}了吗",
                )
            )
        case "color":
            text = pick(
                (
                    f"{thing}是什么颜色",
                    f"{thing}什么颜色",
                    f"{thing}是什么颜色的",
                    f"{thing}的颜色是什么",
                    f"那个{thing}是什么颜色",
                    f"{here}{thing}是什么颜色",
                    f"{thing}是啥颜色",
                    f"{thing}啥颜色",
                )
            )
        case "side":
            text = pick(
                (
                    f"{thing}在哪边",
                    f"{thing}在左边还是右边",
                    f"{thing}在哪一边",
                    f"{thing}在哪里",
                    f"{thing}在哪一侧",
                    f"{thing}是在左边还是右边",
                    f"{thing}在什么位置",
                    f"{thing}在哪儿",
                )
            )
        case "left" | "right":
            side = {"left": ("左边", "左侧", "左面"), "right": ("右边", "右侧", "右面")}[question.about]
            text = pick(
                (
                    f"{pick(side)}是什么",
                    f"{pick(side)}有什么",
                    f"{pick(side)}有什么东西",
                    f"{here}{pick(side)}是什么",
                    f"{pick(side)}那个是什么",
                    f"{who}{pick(side)}是什么",
                    f"{pick(side)}放着什么",
                    f"{pick(side)}的东西是什么",
                    f"{pick(side)}有东西吗",
                )
            )
        case "describe":
            text = pick(
                (
                    "描述一下这张图",
                    "描述这张图片",
                    "你看到了什么",
                    "图里有什么",
                    "说说这张图",
                    "这张图画了什么",
                    "讲讲这幅画",
                    "描述一下",
                    "画面里有什么",
                    "介绍一下这张图",
                    "图上都有什么",
                    "告诉我你看到什么",
                )
            )
        case "is_character":
            text = pick(
                (
                    f"是{name(rng, value, 'zh')}吗",
                    f"这是{name(rng, value, 'zh')}吗",
                    f"它是{name(rng, value, 'zh')}吗",
                    f"图里有{name(rng, value, 'zh')}吗",
                    f"主角是{name(rng, value, 'zh')}吗",
                    f"是不是{name(rng, value, 'zh')}",
                )
            )
        case "is_outfit":
            suit = name(rng, "space suit", "zh")
            text = pick(
                (
                    f"{who}穿着{suit}吗",
                    f"{who}穿{suit}了吗",
                    f"{who}有没有穿{suit}",
                    f"{who}是不是穿着{suit}",
                    f"{who}穿没穿{suit}",
                )
            )
        case "is_action":
            text = pick(
                (
                    f"{who}在{name(rng, value, 'zh')}吗",
                    f"{who}是在{name(rng, value, 'zh')}吗",
                    f"{who}是不是在{name(rng, value, 'zh')}",
                    f"{who}还在{name(rng, value, 'zh')}吗",
                    f"{who}正在{name(rng, value, 'zh')}吗",
                )
            )
        case "is_setting":
            text = pick(
                (
                    f"{who}{_PLACE_ZH[value]}吗",
                    f"这是{_PLACE_ZH[value]}吗",
                    f"{who}是不是{_PLACE_ZH[value]}",
                    f"是{_PLACE_ZH[value]}吗",
                    f"背景是{plain(value, 'zh')}吗",
                )
            )
        case "is_weather":
            states = {
                "sunny": ("晴天", "出太阳"),
                "rainy": ("下雨", "在下雨"),
                "snowy": ("下雪", "在下雪"),
                "night": ("夜晚", "晚上"),
            }[value]
            text = pick(
                (
                    f"是{pick(states)}吗",
                    f"{pick(states)}了吗" if value in ("rainy", "snowy") else f"是{pick(states)}吗",
                    f"现在是{pick(states)}吗",
                    f"是不是{pick(states)}",
                    f"{here}是{pick(states)}吗",
                )
            )
        case _:
            text = pick(
                (
                    f"{thing}是{plain(value, 'zh')}的吗",
                    f"{thing}是不是{plain(value, 'zh')}的",
                    f"有{plain(value, 'zh')}的{thing}吗",
                    f"{thing}是{plain(value, 'zh')}吗",
                )
            )
    if rng.random() < 0.1:
        text = pick(("请问", "那", "告诉我", "所以")) + text
    if question.about not in ("describe",) and not text.endswith("吗") and rng.random() < 0.15:
        text += "呢" if rng.random() < 0.5 else "呀"
    return text + pick(("？", "？", "?", ""))


def is_right(scene: Scene, question: Question, reply: str, language: Language) -> bool:
    """Exact match with the true answer, spaces and case aside."""
    return reply.strip().casefold() == answer(scene, question, language).casefold()


__all__ = [
    "ABOUTS",
    "ACTIONS",
    "OBJECT_QUESTIONS",
    "SCENE_QUESTIONS",
    "SETTINGS",
    "SIDES",
    "WEATHERS",
    "YES_NO_QUESTIONS",
    "Question",
    "answer",
    "ask",
    "canonical_question",
    "is_right",
    "random_question",
]
