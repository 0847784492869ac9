"""What the chat page itself says, in English and Chinese: starters, settings, hints, progress.

Replies are written elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

from assistant.phrases import Language


class Starter(NamedTuple):
    """A first message to click on. `icon` is a file of public/icons/."""

    label: str
    message: str
    icon: str


class PageWords(NamedTuple):
    """One language's words; what stands in braces is filled in."""

    language: Language
    starters: tuple[Starter, ...]
    size: str
    steps: str
    seed: str
    seed_hint: str
    bad_seed: str
    bad_size_or_steps: str
    unreadable: str
    empty_upload: str
    too_much_uploaded: str
    thinking: str
    waiting: str
    drawing: str
    failed: str


_ENGLISH = PageWords(
    language="en",
    starters=(
        Starter("A robot in a greenhouse", "A robot watering plants in a greenhouse, sunny day", "robot.svg"),
        Starter("A cat on Mars", "A cat in a space suit playing guitar on Mars", "mars.svg"),
        Starter(
            "A rabbit at the beach", "A rabbit reading on the beach, a red balloon on the left", "balloon.svg"
        ),
        Starter("说中文也可以", "画一只狗在森林里睡觉，下雪天", "snow.svg"),
    ),
    size="Size",
    steps="Steps (more take longer)",
    seed="Seed (empty: a new one every time)",
    seed_hint="a whole number",
    bad_seed="The seed must be a whole number from 0 to 4294967295; a new one is used until then.",
    bad_size_or_steps="This size or number of steps cannot be used; the model's own are used until then.",
    empty_upload="This file is empty.",
    unreadable="The page sent something that could not be read. Please reload it and try again.",
    too_much_uploaded="Too many pictures wait on the page. Start a new chat, or close other tabs of it.",
    thinking="Thinking…",
    waiting="Waiting, number {position} in the queue…",
    drawing="Drawing, step {step} of {of}…",
    failed="Something went wrong on this side (reference {reference}). Please try again.",
)

_CHINESE = PageWords(
    language="zh",
    starters=(
        Starter("温室里的机器人", "一个机器人在温室里浇花，晴天", "robot.svg"),
        Starter("火星上的猫", "画一只穿太空服的猫在火星上弹吉他", "mars.svg"),
        Starter("沙滩上的兔子", "一只兔子在沙滩上看书，左边有一个红色的气球", "balloon.svg"),
        Starter("In English, too", "A dog sleeping in the forest, snowy day", "snow.svg"),
    ),
    size="尺寸",
    steps="步数（越多越慢）",
    seed="随机种子（留空：每次换新的）",
    seed_hint="一个整数",
    bad_seed="随机种子必须是 0 到 4294967295 的整数；在那之前每次使用新的种子。",
    bad_size_or_steps="这个尺寸或步数不能用；在改好之前使用模型自己的设置。",
    empty_upload="这个文件是空的。",
    unreadable="页面发来的内容无法读取。请刷新页面后再试一次。",
    too_much_uploaded="页面上的图片太多了。请开始新的对话，或关闭其他标签页。",
    thinking="正在思考……",
    waiting="排队中，第 {position} 位……",
    drawing="正在画，第 {step}/{of} 步……",
    failed="这边出了问题，这一轮没有完成（编号 {reference}）。请再试一次。",
)


def words_for(language: str | None) -> PageWords:
    """The words for a browser's language tag, such as "zh-CN"; English unless it is Chinese."""
    return _CHINESE if (language or "").lower().startswith("zh") else _ENGLISH
