"""The declared vocabulary of the storybook world: every concept's canonical name and its spellings in both languages.

Used to write training sentences, and shipped beside the weights (`vocabulary.json`) so that a word that the model never
saw can be named. Data only.
"""

from __future__ import annotations

# group -> canonical name -> language -> spellings; the first spelling is the one used in answers.
NAMES: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "characters": {
        "robot": {"en": ("robot", "bot", "little robot", "droid"), "zh": ("机器人", "小机器人")},
        "cat": {"en": ("cat", "kitty", "kitten", "little cat"), "zh": ("猫", "小猫", "猫咪", "小猫咪")},
        "dog": {"en": ("dog", "puppy", "doggy", "pup", "little dog"), "zh": ("狗", "小狗", "狗狗", "小狗狗")},
        "rabbit": {
            "en": ("rabbit", "bunny", "little rabbit", "hare"),
            "zh": ("兔子", "小兔子", "小兔", "兔兔"),
        },
    },
    "outfits": {
        "space suit": {
            "en": ("space suit", "spacesuit", "astronaut suit", "astronaut outfit"),
            "zh": ("宇航服", "太空服", "航天服", "太空衣"),
        },
    },
    "actions": {
        "watering plants": {
            "en": (
                "watering plants",
                "watering the plants",
                "watering flowers",
                "watering a plant",
                "watering the garden",
            ),
            "zh": ("浇花", "浇水", "给植物浇水", "给花浇水", "浇植物"),
        },
        "playing guitar": {
            "en": (
                "playing guitar",
                "playing the guitar",
                "playing a guitar",
                "strumming a guitar",
                "strumming the guitar",
            ),
            "zh": ("弹吉他", "弹着吉他", "玩吉他", "弹奏吉他"),
        },
        "reading": {
            "en": ("reading", "reading a book", "reading books", "reading its book", "reading a story"),
            "zh": ("看书", "读书", "阅读", "看着书", "读一本书"),
        },
        "holding an umbrella": {
            "en": (
                "holding an umbrella",
                "carrying an umbrella",
                "with an umbrella",
                "under an umbrella",
                "holding up an umbrella",
            ),
            "zh": ("打伞", "撑伞", "打着伞", "撑着伞", "举着伞", "拿着雨伞"),
        },
        "sleeping": {
            "en": (
                "sleeping",
                "asleep",
                "taking a nap",
                "napping",
                "fast asleep",
                "having a nap",
                "snoozing",
            ),
            "zh": ("睡觉", "睡着", "打盹", "睡大觉", "午睡"),
        },
    },
    "settings": {
        "greenhouse": {"en": ("greenhouse", "glasshouse", "hothouse"), "zh": ("温室", "花房", "玻璃温室")},
        "beach": {"en": ("beach", "seaside", "shore", "sandy beach"), "zh": ("沙滩", "海滩", "海边")},
        "city": {
            "en": ("city", "town", "downtown", "city street", "big city"),
            "zh": ("城市", "城里", "街上", "都市", "街道"),
        },
        "forest": {"en": ("forest", "woods", "wood", "woodland"), "zh": ("森林", "树林", "林子", "树林子")},
        "mars": {"en": ("mars", "planet mars", "the red planet"), "zh": ("火星", "火星表面")},
    },
    "weather": {
        "sunny": {
            "en": ("sunny", "sunshine", "sun", "clear", "bright"),
            "zh": ("晴天", "阳光明媚", "大晴天", "出太阳", "晴朗", "阳光"),
        },
        "rainy": {
            "en": ("rainy", "rain", "raining", "rainfall", "pouring rain"),
            "zh": ("下雨", "雨天", "下雨天", "雨中", "下着雨", "大雨"),
        },
        "snowy": {
            "en": ("snowy", "snow", "snowing", "snowfall"),
            "zh": ("下雪", "雪天", "下雪天", "雪中", "下着雪", "大雪"),
        },
        "night": {
            "en": ("night", "nighttime", "moonlight", "midnight", "evening", "dark"),
            "zh": ("夜晚", "晚上", "夜里", "夜间", "深夜", "月光"),
        },
    },
    "objects": {
        "flower": {"en": ("flower", "blossom"), "zh": ("花", "花朵", "小花")},
        "bird": {"en": ("bird", "birdie", "little bird"), "zh": ("鸟", "小鸟", "鸟儿")},
        "balloon": {"en": ("balloon",), "zh": ("气球",)},
        "ball": {"en": ("ball", "beach ball", "toy ball"), "zh": ("球", "皮球", "小球")},
        "mushroom": {"en": ("mushroom", "toadstool"), "zh": ("蘑菇", "小蘑菇")},
        "star": {"en": ("star",), "zh": ("星星", "星", "五角星")},
    },
    "colours": {
        "red": {"en": ("red",), "zh": ("红色", "红")},
        "blue": {"en": ("blue",), "zh": ("蓝色", "蓝")},
        "yellow": {"en": ("yellow",), "zh": ("黄色", "黄")},
        "green": {"en": ("green",), "zh": ("绿色", "绿")},
        "purple": {"en": ("purple", "violet"), "zh": ("紫色", "紫")},
    },
}

GROUP_OF = {name: group for group, names in NAMES.items() for name in names}


def spellings(name: str, language: str) -> tuple[str, ...]:
    """All spellings of a canonical name in `en` or `zh`."""
    return NAMES[GROUP_OF[name]][name][language]


def plain(name: str, language: str) -> str:
    """The spelling used in answers."""
    return spellings(name, language)[0]
