"""Every sentence that no tool says itself, in English and Chinese. When to say it is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tools.wording import Language, Wording, language_of

__all__ = ["Language", "group_label", "language_of", "listed", "no_such_image", "numbers", "quoted", "say"]


SHORTENED_ROW = 6
"""From so many numbers in a row on, only the first and the last are said."""


def say(language: Language, phrase: str, **values: object) -> str:
    """The phrase in that language with its values filled in."""
    return Wording(*_PHRASES[phrase]).say(language, **values)


def listed(language: Language, items: list[str], *, choice: bool = False) -> str:
    """ "a, b and c", or "a, b or c" if one is to be chosen."""
    if language == "zh":
        return "、".join(items)
    last = " or " if choice else " and "
    return f"{', '.join(items[:-1])}{last}{items[-1]}" if len(items) > 1 else "".join(items)


def quoted(language: Language, words: tuple[str, ...]) -> str:
    return listed(language, [f"“{word}”" for word in words])


def numbers(language: Language, images: Iterable[int]) -> str:
    """ "#1, #2 and #3"; many in a row as "#1 to #80"."""
    rows: list[list[int]] = []
    for n in images:
        if rows and n == rows[-1][-1] + 1:
            rows[-1].append(n)
        else:
            rows.append([n])
    to = "到" if language == "zh" else "to"
    said: list[str] = []
    for row in rows:
        long = len(row) >= SHORTENED_ROW
        said += [f"#{row[0]} {to} #{row[-1]}"] if long else [f"#{n}" for n in row]
    return listed(language, said)


def no_such_image(n: int, known: Sequence[int], language: Language) -> str:
    """There is no image of that number; `known` are those that there are."""
    if not known:
        return say(language, "no_image_yet")
    return say(language, "no_such_image", n=n, images=numbers(language, known))


def group_label(language: Language, group: str) -> str:
    """What a group of the vocabulary is called."""
    return _GROUPS.get(group, group) if language == "zh" else group


_GROUPS = {
    "characters": "角色",
    "outfits": "服装",
    "actions": "动作",
    "settings": "地点",
    "weather": "天气",
    "objects": "物品",
    "colours": "颜色",
    "colors": "颜色",
    "sides": "位置",
}

#: phrase -> (English, Chinese)
_PHRASES = {
    # What was done; the rest of it, each tool says itself.
    "left_out": (
        "I do not know {words}, so that is left out.",
        "我不认识{words}，所以没有画进去。",
    ),
    "not_recognised": (
        "I do not know {words}, so I would not recognise it.",
        "我不认识{words}，图里有也认不出来。",
    ),
    "rest_not_done": ("What was to follow is not done either.", "后面的步骤也没有做。"),
    "on_white": (
        "What could be seen through in {images} was laid on white.",
        "{images} 的透明部分已铺成白色。",
    ),
    "got_images": (
        "Got it: {images}. Ask me about it, or say what to change.",
        "收到了：{images}。可以问我它的内容，或者告诉我要改什么。",
    ),
    # One question back.
    "cannot_draw": (
        "I do not know {words}. I can draw {groups}. What shall it be?",
        "我不认识{words}。我会画的有：{groups}。想画什么？",
    ),
    "what_to_do": (
        "What would you like: shall I draw something new, answer a question about a picture, or change one?",
        "你想让我做什么：画一张新的、回答关于图片的问题，还是修改一张图片？",
    ),
    "not_sure": (
        "I am not sure what to do about “{about}”. Shall I draw something new, answer a question about a "
        "picture, or change one?",
        "关于“{about}”，我不确定该怎么做。是画一张新的、回答关于图片的问题，还是修改一张图片？",
    ),
    "not_understood": (
        "I am not sure that I understood you. {offer} If not, say it in other words.",
        "我不太确定有没有听懂。{offer}不是的话，请换个说法。",
    ),
    "yes": ("Yes, do that", "对，就这样"),
    "which_image": ("Which picture do you mean: {images}?", "你指的是哪一张：{images}？"),
    "no_such_image": (
        "There is no #{n} here. The pictures are {images}: which one do you mean?",
        "这里没有 #{n}。现有的图片是 {images}：你指的是哪一张？",
    ),
    "no_nth_image": (
        "There are not that many such pictures, only {images}: which one do you mean?",
        "没有那么多张，只有 {images}：你指的是哪一张？",
    ),
    "no_image_yet": (
        "There is no picture here yet. Say what to draw, or attach a picture.",
        "这里还没有图片。告诉我要画什么，或者上传一张图片。",
    ),
    "nothing_current": (
        "No picture is current. The pictures are {images}: which one do you mean?",
        "现在没有当前图片。现有的图片是 {images}：你指的是哪一张？",
    ),
    "unknown_command": (
        "There is no command {command}. There are {commands}.",
        "没有 {command} 这个命令。可以用 {commands}。",
    ),
    "no_planner": (
        "The model {model} does not plan by itself. Begin with {commands}.",
        "模型 {model} 不会自己判断要做什么。请用这些命令开头：{commands}。",
    ),
    # What was wrong with the message.
    "out_of_range": ("The {name} must be {low} to {high}.", "{name}应在 {low} 到 {high} 之间。"),
    "not_positive": ("The {name} must be at least 1.", "{name}至少为 1。"),
    "empty_region": (
        "The region is empty. Give x0 < x1 and y0 < y1, in pixels, not below 0.",
        "区域是空的。请给出 x0 < x1、y0 < y1 的像素坐标，且不小于 0。",
    ),
    "seed": ("seed", "种子"),
    "width": ("width", "宽度"),
    "height": ("height", "高度"),
    "num_inference_steps": ("number of steps", "步数"),
    "empty_message": (
        "The message is empty. Say what to draw, ask about a picture, or attach one.",
        "消息是空的。告诉我要画什么，问一张图片，或者上传一张。",
    ),
    "long_message": (
        "The message has more than {limit} characters. Say it in fewer words.",
        "消息超过了 {limit} 个字符。请说得短一些。",
    ),
    "many_files": (
        "That is more than {limit} pictures at once. Send at most {limit}.",
        "一次发的图片超过了 {limit} 张。最多发 {limit} 张。",
    ),
    "empty_file": (
        "The file is empty (0 bytes). Send the picture again as PNG, JPEG or WebP.",
        "文件是空的（0 字节）。请重新发送 PNG、JPEG 或 WebP 图片。",
    ),
    "big_file": (
        "The file has more than {limit} MB. Send a smaller one.",
        "文件超过了 {limit} MB。请发小一些的。",
    ),
    "not_an_image": (
        "The file is not a picture that I can read, whatever its name says. Send a PNG, JPEG or WebP.",
        "不管文件名是什么，这个文件不是我能读的图片。请发 PNG、JPEG 或 WebP。",
    ),
    "many_pixels": (
        "The picture has {width} x {height} pixels; at most {limit} megapixels and {side} pixels a side "
        "work. Send a smaller one.",
        "图片有 {width} x {height} 像素；最多 {limit} 百万像素、边长最多 {side} 像素。请发小一些的。",
    ),
    "too_many_pixels": (
        "The picture has far too many pixels; at most {limit} megapixels work. Send a smaller one.",
        "图片的像素太多了；最多 {limit} 百万像素。请发小一些的。",
    ),
    "animated": (
        "The picture has {frames} frames. Send a still picture.",
        "图片有 {frames} 帧。请发一张静止的图片。",
    ),
    "slow_file": (
        "The picture takes too long to decode. Send it again after saving it anew, as a plain PNG or JPEG.",
        "这张图片解码时间太长。请另存为普通的 PNG 或 JPEG 后重新发送。",
    ),
    "damaged": (
        "The picture is damaged and cannot be read to its end. Send it again, or save it anew first.",
        "图片已损坏，无法完整读取。请重新发送，或先另存一份。",
    ),
    # What went wrong on our side.
    "stopped": ("Stopped. What was not finished is not kept.", "已停止，没有留下未完成的内容。"),
    "no_reply": ("No reply yet: still running, or cut short.", "还没有回复：可能仍在进行，也可能中途断了。"),
    "key_reused": (
        "The idempotency key was used for another message of this session. Use a new key.",
        "这个幂等键在本会话中已用于另一条消息。请换一个新的键。",
    ),
    "internal": (
        "Something went wrong on my side; your message and pictures are kept. Try again.",
        "我这边出了问题；你的消息和图片都还在。请再试一次。",
    ),
    "disk_full": (
        "The disk is full, so this could not be kept. Nothing that was there is lost. Make room, then send "
        "it again.",
        "磁盘满了，这次的内容没能保存。原来的内容都还在。请腾出空间，然后重新发送。",
    ),
    "not_writable": (
        "The folder of the conversations cannot be written to, so this could not be kept. Nothing that was "
        "there is lost. Allow writing to it, then send it again.",
        "对话文件夹无法写入，这次的内容没能保存。原来的内容都还在。请允许写入，然后重新发送。",
    ),
    "history_busy": (
        "Another program holds the database of conversations, so this could not be done. Nothing is lost. "
        "Send it again in a moment.",
        "另一个程序正占用对话数据库，这次没能完成。没有丢失任何内容。请稍后重新发送。",
    ),
    "disk_failed": (
        "The disk could not be read or written; it may be full or failing. What was kept before was not "
        "touched. See to the disk, then send it again.",
        "磁盘读写出错，可能是满了或坏了。之前保存的内容没有动过。请检查磁盘，然后重新发送。",
    ),
    "damaged_picture": (
        "The file of #{n} is missing or damaged, so I cannot use it. Everything else is there. Use another "
        "picture, or put the file back and send this again.",
        "#{n} 的文件丢失或损坏，用不了。其他内容都还在。请换一张图片，或恢复文件后重新发送。",
    ),
    "cut_short": (
        "This was cut short: the program ended before it was done. What was made until then is kept. Send "
        "it again if you still want it.",
        "程序中途结束，这条消息没有做完。已经做出的内容都还在。还需要的话，请重新发送。",
    ),
    "conversation_deleted": (
        "This conversation was deleted meanwhile, so nothing of this is kept.",
        "这个对话在处理过程中被删除了，所以没有保留任何内容。",
    ),
    "engine_closed": (
        "I am shutting down, so this was not begun. Send it again after the next start.",
        "程序正在关闭，这条消息没有开始处理。请在下次启动后重新发送。",
    ),
}
