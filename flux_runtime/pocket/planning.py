"""Planning examples: what a person types, and the tool call that it should lead to. Training only.

The planner sees the message and the numbers of the pictures that exist. It rewrites drawing wishes into the canonical
English that the flow transformer knows best, and keeps questions in the person's language.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass

from flux_runtime.pocket.language import (
    Language,
    canonical_instruction,
    canonical_prompt,
    caption,
    instruction,
    random_change,
)
from flux_runtime.pocket.questions import ask, canonical_question, random_question
from flux_runtime.pocket.splits import training_scene
from flux_runtime.pocket.world import ATTRIBUTES, Scene, Thing


@dataclass(frozen=True)
class PlanExample:
    """`system` is the state line, `message` the person's words, `target` the model's whole turn."""

    system: str
    message: str
    target: str


def state_line(images: int, attached: tuple[int, ...] = ()) -> str:
    """What the planner is told of the conversation: `images: none`, `images: #1 #2`, `images: #1 #2 attached: #2`."""
    numbers = " ".join(f"#{n}" for n in range(1, images + 1)) or "none"
    return f"images: {numbers}" + (" attached: " + " ".join(f"#{n}" for n in attached) if attached else "")


def tool_call(name: str, **arguments: str) -> str:
    """One call in Qwen's format."""
    return (
        f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"
    )


def partial(rng: random.Random, scene: Scene) -> dict[str, object]:
    """A random part of what can be stated of a scene: from one attribute to all."""
    keys: list[str] = [key for key in ATTRIBUTES if key != "outfit"]
    count = rng.choice((1, 2, 2, 3, 3, 4, 4, 4))
    chosen = set(rng.sample(keys, count))
    if rng.random() < 0.8:
        chosen.add("character")
    if (scene.outfit == "space suit" and "character" in chosen and rng.random() < 0.7) or (
        scene.outfit == "none" and "character" in chosen and rng.random() < 0.04
    ):
        chosen.add("outfit")
    stated: dict[str, object] = {key: getattr(scene, key) for key in ATTRIBUTES if key in chosen}
    if "character" in chosen:
        stated.update({side: thing for side, thing in scene.things.items() if rng.random() < 0.6})
    return stated


_DRAW_EN = (
    "{}",
    "{}",
    "{}",
    "draw {}",
    "draw me {}",
    "please draw {}",
    "can you draw {}",
    "could you draw {}",
    "paint {}",
    "make a picture of {}",
    "a picture of {}",
    "generate {}",
    "generate an image of {}",
    "create an image of {}",
    "i want a picture of {}",
    "i would like to see {}",
    "show me {}",
    "sketch {}",
    "make an image of {}",
    "i want {}",
    "let's draw {}",
    "give me {}",
    "i'd like a drawing of {}",
    "how about {}",
    "imagine {}",
    "please make {}",
    "can i have {}",
    "an image with {}",
    "a drawing of {}",
    "illustrate {}",
    "could i get an image of {}",
    "i need a picture with {}",
    "do {}",
    "picture {}",
    "i was thinking of {}",
    "would you paint {}",
    "design {}",
)
_NEW_EN = (
    "draw a new picture of {}",
    "now draw {}",
    "draw another picture: {}",
    "new picture: {}",
    "another one: {}",
    "start over with {}",
    "from scratch: {}",
    "make another image with {}",
    "a new image: {}",
    "next, draw {}",
    "draw another one, {}",
    "now a different picture, {}",
    "begin again: {}",
    "new image of {}",
    "one more: {}",
    "this time draw {}",
    "ok now a new one with {}",
    "forget that, draw {}",
)
_DRAW_ZH = (
    "{}",
    "{}",
    "{}",
    "画{}",
    "画一张{}",
    "请画{}",
    "帮我画{}",
    "给我画{}",
    "能画{}吗",
    "生成{}",
    "生成一张图：{}",
    "来一张{}",
    "我想要{}",
    "画一幅{}的图",
    "我想看{}",
    "做一张{}的图片",
    "麻烦画{}",
    "可以画{}吗",
    "创作{}",
    "想要一张{}的画",
    "请生成{}的图片",
    "给我来个{}",
    "能不能画{}",
    "整一个{}",
    "设计一张{}",
    "绘制{}",
    "请帮我生成{}",
    "弄一张{}",
)
_NEW_ZH = (
    "再画一张{}",
    "画一张新的：{}",
    "重新画{}",
    "另画一张{}",
    "再来一张{}",
    "换一张新图，{}",
    "从头画{}",
    "新画一张，{}",
    "接下来画{}",
    "这次画{}",
    "新的一张：{}",
    "再画{}",
    "重画一张，{}",
)

_POLITE_EN = (
    "please",
    "thanks",
    "pls",
    "thank you",
    "if you can",
    "for me",
    "would you",
    "ok?",
    "right now",
    "okay",
)
_LEAD_EN = (
    "please ",
    "can you ",
    "could you ",
    "hey, ",
    "ok, ",
    "now ",
    "hmm, ",
    "great, now ",
    "next, ",
    "would you please ",
    "i'd like you to ",
    "cool. ",
    "nice, ",
    "and ",
    "then ",
    "so ",
    "actually, ",
    "well, ",
    "oh, ",
)
_LEAD_ZH = (
    "请",
    "请你",
    "麻烦",
    "帮我",
    "能不能",
    "可以",
    "现在",
    "那",
    "嗯，",
    "好，",
    "接着",
    "然后",
    "我想",
    "麻烦你",
    "来，",
    "不错，",
    "对了，",
)
_TAIL_ZH = ("吧", "好吗", "谢谢", "可以吗", "呗", "啊", "，谢谢", "行吗", "一下")

_ORDINALS_EN = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_ORDINALS_ZH = ("一", "二", "三", "四", "五", "六", "七", "八")

_CLARIFY_EN = (
    "car",
    "airplane",
    "house",
    "tree house",
    "boat",
    "ship",
    "train",
    "horse",
    "cow",
    "elephant",
    "lion",
    "tiger",
    "monkey",
    "whale",
    "shark",
    "unicorn",
    "wizard",
    "princess",
    "king",
    "queen",
    "castle",
    "burger",
    "cake",
    "banana",
    "apple",
    "sandwich",
    "coffee",
    "teapot",
    "laptop",
    "phone",
    "computer",
    "clock",
    "chair",
    "table",
    "sofa",
    "lamp",
    "bridge",
    "mountain",
    "volcano",
    "desert",
    "river",
    "waterfall",
    "lake",
    "island",
    "pyramid",
    "rocket",
    "spaceship",
    "alien",
    "ghost",
    "zombie",
    "vampire",
    "pirate",
    "ninja",
    "superman",
    "batman",
    "spiderman",
    "my mother",
    "my father",
    "my boss",
    "the president",
    "a footballer",
    "tennis",
    "soccer",
    "football",
    "piano",
    "violin",
    "drums",
    "trumpet",
    "skateboard",
    "motorbike",
    "truck",
    "bus",
    "tractor",
    "helicopter",
    "umbrella stand",
    "snake",
    "frog",
    "turtle",
    "fish",
    "octopus",
    "penguin",
    "panda",
    "bear",
    "fox",
    "wolf",
    "deer",
    "london",
    "paris",
    "tokyo",
    "new york",
    "the moon landing",
    "a wedding",
    "a birthday party",
    "christmas tree",
    "santa claus",
    "halloween",
    "a logo",
    "a map",
    "a chart",
    "a diagram",
    "a ring",
    "shoes",
    "a hat",
    "a red dress",
    "sunglasses",
    "a cowboy",
    "a knight",
    "a sword",
    "a gun",
    "a bomb",
    "the mona lisa",
    "a selfie",
    "a porsche",
    "a tesla",
    "a toyota",
    "a bmw",
    "an iphone",
    "coca cola",
    "school",
    "hospital",
    "kitchen",
    "bathroom",
    "office",
    "dancing",
    "swimming",
    "cooking",
    "driving",
    "singing",
    "running",
    "jumping",
    "fishing",
    "skiing",
    "surfing",
    "boxing",
    "writing",
    "crying",
    "fighting",
    "shopping",
    "flying a kite",
    "eating noodles",
    "climbing a wall",
)
_CLARIFY_ZH = (
    "汽车",
    "飞机",
    "房子",
    "轮船",
    "火车",
    "马",
    "牛",
    "大象",
    "狮子",
    "老虎",
    "猴子",
    "鲸鱼",
    "鲨鱼",
    "独角兽",
    "巫师",
    "公主",
    "国王",
    "城堡",
    "汉堡",
    "蛋糕",
    "香蕉",
    "苹果",
    "三明治",
    "咖啡",
    "茶壶",
    "电脑",
    "手机",
    "时钟",
    "椅子",
    "桌子",
    "沙发",
    "台灯",
    "大桥",
    "高山",
    "火山",
    "沙漠",
    "河流",
    "瀑布",
    "湖",
    "小岛",
    "金字塔",
    "火箭",
    "飞船",
    "外星人",
    "鬼",
    "僵尸",
    "海盗",
    "忍者",
    "超人",
    "蝙蝠侠",
    "妈妈",
    "老板",
    "总统",
    "足球",
    "网球",
    "钢琴",
    "小提琴",
    "鼓",
    "滑板",
    "摩托车",
    "卡车",
    "公交车",
    "直升机",
    "蛇",
    "青蛙",
    "乌龟",
    "鱼",
    "章鱼",
    "企鹅",
    "熊猫",
    "熊",
    "狐狸",
    "狼",
    "鹿",
    "北京",
    "上海",
    "长城",
    "婚礼",
    "生日派对",
    "圣诞树",
    "圣诞老人",
    "地图",
    "图表",
    "戒指",
    "鞋子",
    "帽子",
    "裙子",
    "墨镜",
    "牛仔",
    "骑士",
    "剑",
    "枪",
    "炸弹",
    "自拍",
    "保时捷",
    "特斯拉",
    "学校",
    "医院",
    "厨房",
    "办公室",
    "跳舞",
    "游泳",
    "做饭",
    "开车",
    "唱歌",
    "跑步",
    "跳绳",
    "钓鱼",
    "滑雪",
    "冲浪",
    "拳击",
    "写字",
    "打架",
    "购物",
    "放风筝",
    "吃面条",
    "爬墙",
    "奶奶",
    "老师",
)
_VAGUE_EN = (
    "make it better",
    "change something",
    "hmm",
    "again?",
    "something nice",
    "this",
    "that thing",
    "more",
    "go on",
    "you know what i mean",
    "the other",
    "whatever",
    "do something",
    "fix it",
    "not like that",
    "anything",
    "a bit different",
    "no",
    "what about that",
    "improve",
    "different please",
    "just do your thing",
    "like before but not",
    "well you know",
    "it needs something",
    "can you do that",
    "the usual",
    "surprise",
    "make that",
    "use the stuff",
)
_VAGUE_ZH = (
    "改一下",
    "弄好看点",
    "嗯",
    "那个",
    "随便",
    "你懂的",
    "再弄弄",
    "不对",
    "换一下",
    "怎么说呢",
    "就那样",
    "做点什么",
    "不是这样",
    "搞一下",
    "这个嘛",
    "差点意思",
    "那种的",
    "来点不一样的",
    "你看着办",
    "还差一点",
    "就那个东西",
    "调整一下",
    "优化一下",
    "给我那个",
    "感觉不太对",
    "换个感觉",
    "就是那个意思",
)

_CHAT = {
    "en": {
        "hello! tell me what to draw, ask about a picture, or say what to change.": ("hi", "hello", "hey", "hello there", "good evening", "good afternoon", "hi robot", "hey you", "greetings", "howdy", "hello!", "hi, nice to meet you", "morning", "how is it going", "how do you do", "what's up", "how are you", "hey, how are you doing"),
        "you are welcome!": ("thanks", "thank you", "thanks a lot", "thank you so much", "great, thanks", "cheers", "thx", "many thanks", "perfect, thank you", "thanks, that is great", "wow, thank you", "i appreciate it", "thanks for the picture", "that's what i wanted, thanks"),
        "i draw a robot, cat, dog or rabbit in five places and four kinds of weather, answer questions about pictures and change them.": ("what can you do", "help", "help me", "how does this work", "what can you draw", "what do you know", "how do i use this", "what are my options", "what should i type", "tell me what you can do", "what are you able to do", "instructions please", "which things can you draw", "show me what is possible"),
        "i am pocket, a very small FLUX model that runs on your own machine.": ("who are you", "what are you", "what is your name", "are you a human", "are you a robot", "tell me about yourself", "what model are you", "are you real", "who built you", "do you have a name", "which model is this", "who created you"),
        "glad you like it!": ("nice", "wow", "beautiful", "i love it", "great job", "cool", "awesome", "that is cute", "so cute", "well done", "perfect", "amazing", "good work", "lovely picture", "it looks great", "haha", "haha that is funny", "very good", "that's adorable", "excellent"),
        "goodbye, and come back soon!": ("bye", "goodbye", "see you", "see you tomorrow", "bye bye", "good night", "that is all for today", "i have to go", "talk to you later", "ciao", "i'm done, bye", "farewell"),
    },
    "zh": {
        "你好！告诉我画什么，问问图里的事，或者说说怎么改。": ("你好", "您好", "嗨", "早上好", "下午好", "晚上好", "哈喽", "你好啊", "hello", "早", "你好机器人", "很高兴认识你", "最近怎么样", "你好吗", "嘿", "有人吗", "喂"),
        "不客气！": ("谢谢", "谢谢你", "多谢", "太感谢了", "谢啦", "非常感谢", "谢谢，很好", "感谢", "辛苦了", "谢了", "好的谢谢", "谢谢你的画"),
        "我能画机器人、猫、狗、兔子，在五个地方、四种天气里，还能回答图里的问题、修改图片。": ("你能做什么", "你会什么", "帮助", "怎么用", "你会画什么", "能画些什么", "你有什么功能", "我该怎么说", "使用说明", "你可以干嘛", "你有哪些本事", "教教我怎么用", "帮帮我"),
        "我是 pocket，一个在你自己电脑上运行的小小 FLUX 模型。": ("你是谁", "你是什么", "你的名字是什么", "你是真人吗", "你是机器人吗", "介绍一下你自己", "你是什么模型", "谁做的你", "你叫啥", "怎么称呼你"),
        "很高兴你喜欢！": ("真好看", "太棒了", "好可爱", "我喜欢", "真不错", "厉害", "漂亮", "哈哈", "画得好", "完美", "好美", "棒", "真有意思", "哈哈真好玩", "不错哦", "可爱死了"),
        "再见，欢迎再来！": ("再见", "拜拜", "回头见", "明天见", "晚安", "我走了", "下次再聊", "先这样吧", "我要下线了", "今天先到这", "88"),
    },
}  # fmt: skip

_UNDO_EN = (
    "undo",
    "undo that",
    "take it back",
    "go back",
    "revert",
    "undo the last change",
    "back to the previous one",
    "cancel the last edit",
    "step back",
    "undo please",
    "restore the previous picture",
    "i liked it better before",
    "put it back",
    "revert the change",
    "return to the last version",
    "never mind the change",
    "go one step back",
    "back",
    "reverse that",
    "that was wrong, go back",
    "please undo it",
    "roll back",
)
_UNDO_ZH = (
    "撤销",
    "撤回",
    "退回去",
    "恢复",
    "撤销上一步",
    "回到上一张",
    "还原",
    "退一步",
    "取消刚才的修改",
    "改回来",
    "还是原来的好",
    "回退",
    "撤销刚才的操作",
    "恢复到之前",
    "返回上一步",
    "不要刚才的改动",
    "变回去",
    "回到之前的样子",
    "上一步不算",
)


def _typo(rng: random.Random, text: str) -> str:
    """One slip of the keyboard in a longer Latin word."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 4 and word.isascii() and word.isalpha()]
    if not long:
        return text
    i = rng.choice(long)
    word, at = words[i], rng.randrange(1, len(words[i]) - 1)
    words[i] = rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at] + word[at:],
        )
    )
    return " ".join(words)


def _reference(rng: random.Random, images: int, language: Language) -> tuple[str, str | None]:
    """(the tool's image argument, how the person says it or None when left unsaid)."""
    if rng.random() < 0.55:
        said = rng.choice(
            (
                None,
                None,
                "this picture",
                "the picture",
                "the last one",
                "the image",
                "this one",
                "the last picture",
                "this image",
            )
            if language == "en"
            else (None, None, "这张图", "这张", "图", "最后一张", "刚才那张", "这幅画", "上一张")
        )
        return "last", said
    n = rng.randint(1, images if rng.random() < 0.9 else images + 6)  # at times one that does not exist
    if language == "en":
        if rng.random() < 0.5 or n > len(_ORDINALS_EN):
            return f"#{n}", rng.choice(
                (f"#{n}", f"picture {n}", f"image {n}", f"number {n}", f"picture #{n}", f"no. {n}")
            )
        return f"#{n}", rng.choice(
            (
                f"the {_ORDINALS_EN[n - 1]} one",
                f"the {_ORDINALS_EN[n - 1]} picture",
                f"the {_ORDINALS_EN[n - 1]} image",
                f"the {_ORDINALS_EN[n - 1]}",
            )
        )
    if rng.random() < 0.4 or n > len(_ORDINALS_ZH):
        return f"#{n}", rng.choice((f"#{n}", f"图{n}", f"{n}号图", f"第{n}张", f"第{n}幅"))
    return f"#{n}", rng.choice(
        (
            f"第{_ORDINALS_ZH[n - 1]}张",
            f"第{_ORDINALS_ZH[n - 1]}张图",
            f"第{_ORDINALS_ZH[n - 1]}幅",
            f"第{_ORDINALS_ZH[n - 1]}个",
        )
    )


def _place_reference(
    rng: random.Random, text: str, said: str | None, language: Language, asking: bool
) -> str:
    if said is None:
        return text
    if language == "en":
        text = text.removesuffix("?")
        forms = (
            (f"in {said}, {text}", f"{text} in {said}", f"{said}: {text}", f"in {said} {text}")
            if not asking
            else (
                f"in {said}, {text}",
                f"{text} in {said}",
                f"{said}: {text}",
                f"look at {said}, {text}",
                f"about {said}: {text}",
            )
        )
        text = rng.choice(forms)
        return text + "?" if asking and rng.random() < 0.7 else text
    return rng.choice(
        (
            f"{said}{text}",
            f"{said}里{text}",
            f"{said}，{text}",
            f"在{said}里{text}",
            f"把{said}{text}"
            if not asking and not text.startswith(("把", "让", "给", "在"))
            else f"{said}的{text}",
            f"看{said}，{text}" if asking else f"{said}：{text}",
        )
    )


def _decorate(rng: random.Random, text: str, language: Language) -> str:
    if language == "en":
        if rng.random() < 0.25:
            text = rng.choice(_LEAD_EN) + text
        if rng.random() < 0.15:
            text = text.rstrip("?.") + rng.choice((" ", ", ")) + rng.choice(_POLITE_EN)
        if rng.random() < 0.08:
            text = _typo(rng, text)
        return text + rng.choice(("", "", "", ".", "!")) if not text.endswith("?") else text
    if rng.random() < 0.25:
        text = rng.choice(_LEAD_ZH) + text
    if rng.random() < 0.2 and not text.endswith(("？", "?")):
        text += rng.choice(_TAIL_ZH)
    return text + rng.choice(("", "", "", "。", "！")) if not text.endswith(("？", "?")) else text


def _nonsense(rng: random.Random) -> str:
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(3, 8)))


def _unknown_thing(rng: random.Random, language: Language) -> str:
    if language == "zh":
        return rng.choice(_CLARIFY_ZH)
    thing = rng.choice(_CLARIFY_EN)
    if rng.random() < 0.25:
        thing = _nonsense(rng)
    return thing


def _clarify(rng: random.Random, scene: Scene, images: int, language: Language) -> tuple[str, str]:
    kind = rng.random()
    if kind < 0.15:
        return (rng.choice(_VAGUE_ZH) if language == "zh" else rng.choice(_VAGUE_EN)), tool_call(
            "clarify", about="unclear"
        )
    if kind < 0.22:
        words = " ".join(_nonsense(rng) for _ in range(rng.randint(1, 4)))
        if language == "zh":
            words = "".join(rng.choice("啦噜咕嘟哒叽呱嘻嘿呀哇嗒咚") for _ in range(rng.randint(3, 8)))
        return words, tool_call("clarify", about="unclear")
    thing = _unknown_thing(rng, language)
    stated = partial(rng, scene)
    if images and kind < 0.45:  # an edit with something from outside the world
        if language == "zh":
            text = rng.choice(
                (
                    f"加一个{thing}",
                    f"左边放个{thing}",
                    f"右边加{thing}",
                    f"把它换成{thing}",
                    f"让它{thing}",
                    f"背景换成{thing}",
                    f"改成{thing}",
                    f"给它一个{thing}",
                    f"让它去{thing}",
                    f"在右边画一个{thing}",
                )
            )
        else:
            text = rng.choice(
                (
                    f"add a {thing}",
                    f"put a {thing} on the right",
                    f"change it to a {thing}",
                    f"make it {thing}",
                    f"change the background to {thing}",
                    f"replace it with {thing}",
                    f"add {thing} on the left",
                    f"let it {thing}",
                    f"give it a {thing}",
                    f"make the {scene.character} do {thing}",
                )
            )
    else:
        for key in ("character", "outfit"):
            stated.pop(key, None)
        stated = {key: value for key, value in stated.items() if not isinstance(value, Thing)}
        rest = (
            caption(
                rng,
                {key: stated[key] for key in ("setting", "weather") if key in stated and rng.random() < 0.6},
                language,
            )
            if stated
            else ""
        )
        if language == "zh":
            core = rng.choice(
                (
                    f"{thing}",
                    f"一个{thing}",
                    f"一只{thing}",
                    f"{thing}的画",
                    f"一辆{thing}",
                    f"一张{thing}",
                    f"{scene.character and rng.choice(('猫', '狗', '机器人', '兔子'))}在{thing}",
                )
            )
            text = rng.choice(_DRAW_ZH).format(core + ("在" + rest if rest and rng.random() < 0.7 else ""))
        else:
            core = rng.choice(
                (
                    thing,
                    f"a {thing}",
                    f"the {thing}",
                    f"some {thing}",
                    f"a {scene.character} {thing}",
                    f"a big {thing}",
                    f"my {thing}",
                )
            )
            text = rng.choice(_DRAW_EN).format(f"{core} {rest}".strip())
    return text, tool_call("clarify", about="unknown")


def plan_example(rng: random.Random, language: Language | None = None) -> PlanExample:
    """One random message with its target."""
    language = language or rng.choice(("en", "zh"))
    scene = training_scene(rng)
    images = rng.choice((0, 1, 1, 2, 3, 4, rng.randint(5, 24)))
    attached: tuple[int, ...] = (images,) if images and rng.random() < 0.08 else ()
    kind = rng.choices(("generate", "edit", "ask", "undo", "chat", "clarify"), weights=(36, 30, 20, 3, 5, 9))[
        0
    ]
    if kind in ("edit", "ask") and not images:
        kind = "generate"
    if kind == "generate":
        stated = partial(rng, scene)
        new = images and rng.random() < 0.4
        frames = (_NEW_ZH if new else _DRAW_ZH) if language == "zh" else (_NEW_EN if new else _DRAW_EN)
        text = rng.choice(frames).format(caption(rng, stated, language))
        target = tool_call("generate_image", prompt=canonical_prompt(stated))
    elif kind == "edit":
        change = random_change(rng, scene)
        reference, said = _reference(rng, images, language)
        if said is None and attached:
            reference = "attached"
        text = _place_reference(
            rng,
            instruction(rng, change, language, scene if rng.random() < 0.6 else None),
            said,
            language,
            asking=False,
        )
        if rng.random() < 0.05 and language == "en":
            text = f"edit the image: {text}"
        target = tool_call("edit_image", image=reference, instruction=canonical_instruction(change))
    elif kind == "ask":
        question = random_question(rng, scene)
        reference, said = _reference(rng, images, language)
        if said is None and attached:
            reference = "attached"
        text = _place_reference(rng, ask(rng, question, language, scene), said, language, asking=True)
        target = tool_call(
            "answer_question", image=reference, question=canonical_question(question, language)
        )
    elif kind == "undo":
        text, target = rng.choice(_UNDO_ZH if language == "zh" else _UNDO_EN), tool_call("undo")
    elif kind == "chat":
        target, ways = rng.choice(list(_CHAT[language].items()))
        text = rng.choice(ways)
    else:
        text, target = _clarify(rng, scene, images, language)
    return PlanExample(state_line(images, attached), _decorate(rng, text, language), target)
