"""Which stored image is meant by what it was called. It reads records, neither pixels nor the message.

In this order: attached to or replied to by this message; `#n`; ordinals; a description, by the words that the
images were made from; "last" or nothing, which is the current image. Two that fit equally are a question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assistant.phrases import Language, listed, no_such_image, numbers, say
from flux_runtime.interface import Vocabulary
from sessions.records import ImageRecord

CAPTION_LENGTH = 40
"""Characters of a caption shown beside a number."""

MOST_OFFERED = 8
"""Images that a person is asked to choose between, at most."""

LONGEST_NUMBER = 30
"""Digits of an image's number that are read and said again; no image has nearly as many."""

#: "#2", "picture 2", "图2"; a size, "picture 256x256", is no number
_NUMBERED = re.compile(r"(?:#|\bimage|\bpicture|\bpic|图片?)\s*(\d+)(?!\d|\s*[x×]\s*\d)")

#: What a planner may say for the current image, besides words that tell no image from another.
_CURRENT = {"", "last", "latest", "current", "it", "this", "that", "this one", "the last one"}
_ORDINALS = {
    word: n
    for n, words in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth", "seventh", "eighth"),
        start=1,
    )
    for word in words.split()
}
_CHINESE_DIGITS = "零一二三四五六七八九"
_CHINESE_ORDINAL = re.compile(
    r"第\s*(?:(\d+)|([一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])(?![十百千万]))"
)
#: Words that tell no image from another.
_EMPTY_WORDS = {
    *("the", "a", "an", "one", "of", "with", "in", "on", "at", "to", "and", "image", "picture", "drawing"),
    *"的那这张幅个只了是在和图画片",
}


@dataclass(frozen=True)
class Album:
    """The images a message can mean: the stored ones, those it came with or replies to, the current one.

    `attached` may hold numbers that are not stored yet, when a plan is only being looked at.
    """

    images: tuple[ImageRecord, ...]
    attached: tuple[int, ...]
    head: int | None

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(sorted({image.n for image in self.images} | set(self.attached)))


@dataclass(frozen=True)
class Question:
    """Asked back when it is not clear which image is meant; `candidates` are the numbers to choose from."""

    text: str
    candidates: tuple[int, ...] = ()


def resolve(
    name: str, album: Album, language: Language, vocabulary: Vocabulary | None = None
) -> tuple[int, ...] | Question:
    """The numbers of the images that `name` means, the one to work on first; or the question to ask."""
    name = name.strip().lower()
    if album.attached:
        return _of_attached(name, album.attached)
    if not album.numbers:
        return Question(say(language, "no_image_yet"))
    named = numbers_in(name) or _bare_number(name)
    if named:
        missing = next((n for n in named if n not in album.numbers), None)
        return named if missing is None else unknown_number(missing, album, language)
    ordinal, description = _split_ordinal(name)
    if ordinal is not None:
        return _ordinal(ordinal, description, album, language, vocabulary)
    if names_current(name):
        if album.head is None:
            text = say(language, "nothing_current", images=numbers(language, album.numbers))
            return Question(text, album.numbers[-MOST_OFFERED:])
        return (album.head,)
    if len(album.numbers) == 1:
        return album.numbers
    best = _described(name, album, vocabulary)
    if len(best) == 1:
        return (best[0].n,)
    return which_image(tuple(image.n for image in best) or album.numbers, album, language)


def _of_attached(name: str, attached: tuple[int, ...]) -> tuple[int, ...]:
    """Of several images that came with a message, those that it names by number or place; else all."""
    if len(attached) > 1:
        named = tuple(n for n in numbers_in(name) if n in attached)
        place, _ = _split_ordinal(name)
        if named:
            return named
        if place is not None and 1 <= place <= len(attached):
            return (attached[place - 1],)
    return attached


def numbers_in(text: str) -> tuple[int, ...]:
    """Every `#n` of a text, in order. Of an endless number, what comes first tells enough."""
    return tuple(int(digits[:LONGEST_NUMBER]) for digits in re.findall(r"#\s*(\d+)", text))


def written_numbers(text: str, album: Album) -> tuple[int, ...]:
    """The images that a person wrote by number, be there such or not: "#2", "picture 13", "第23张"."""
    found = [(each.start(), int(each[1][:LONGEST_NUMBER])) for each in _NUMBERED.finditer(text.lower())]
    for each in _CHINESE_ORDINAL.finditer(text):
        if text[each.end() :].lstrip().startswith(("张", "幅")):
            place = _chinese_place(each)
            n = album.numbers[place - 1] if 1 <= place <= len(album.numbers) else place
            found.append((each.start(), n))
    return tuple(dict.fromkeys(n for _, n in sorted(found)))


def mentioned(text: str, album: Album) -> tuple[int, ...]:
    """The images of the album that words may mean by number or by place ("picture 2", "第二张")."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    places = [_ORDINALS[word] for word in words if word in _ORDINALS]
    places += [_chinese_place(found) for found in _CHINESE_ORDINAL.finditer(text)]
    by_place = [album.numbers[place - 1] for place in places if 1 <= place <= len(album.numbers)]
    return tuple(n for n in (*written_numbers(text, album), *by_place) if n in album.numbers)


def names_current(name: str) -> bool:
    """Whether a planner that says this means the current image, or what an earlier step of its plan made."""
    return name.strip().lower() in _CURRENT or not _words(name)


def which_image(candidates: tuple[int, ...], album: Album, language: Language) -> Question:
    """Ask which of the candidates is meant, saying what each shows; of many, the latest are offered."""
    candidates = candidates[-MOST_OFFERED:]
    captions = {image.n: image.caption for image in album.images}
    named = [f"#{n} ({_short(caption)})" if (caption := captions.get(n)) else f"#{n}" for n in candidates]
    return Question(say(language, "which_image", images=listed(language, named, choice=True)), candidates)


def _bare_number(name: str) -> tuple[int, ...]:
    found = re.fullmatch(r"(?:image|picture|图)?\s*(\d+)", name)
    return (int(found[1][:LONGEST_NUMBER]),) if found else ()


def _split_ordinal(name: str) -> tuple[int | None, str]:
    """ "the second cat" -> (2, "the cat")"""
    chinese = _CHINESE_ORDINAL.search(name)
    if chinese:
        return _chinese_place(chinese), name.replace(chinese[0], "")
    words = name.split()
    ordinal = next((word for word in words if word in _ORDINALS), None)
    if ordinal is None:
        return None, name
    return _ORDINALS[ordinal], " ".join(word for word in words if word != ordinal)


def _chinese_place(ordinal: re.Match[str]) -> int:
    digits, numeral = ordinal.groups()
    return int(digits[:LONGEST_NUMBER]) if digits else _chinese_number(numeral)


def _chinese_number(numeral: str) -> int:
    """ "三" -> 3, "十二" -> 12, "二十" -> 20; up to 99"""
    tens, ten, ones = numeral.partition("十")
    if not ten:
        return _CHINESE_DIGITS.index(numeral)
    return 10 * _CHINESE_DIGITS.index(tens or "一") + _CHINESE_DIGITS.index(ones or "零")


def _ordinal(
    n: int, description: str, album: Album, language: Language, vocabulary: Vocabulary | None
) -> tuple[int, ...] | Question:
    """The n-th image, or the n-th of those that fit the description best."""
    fitting = album.numbers
    if _words(description):
        fitting = tuple(image.n for image in _described(description, album, vocabulary, own=False)) or fitting
    if 1 <= n <= len(fitting):
        return (fitting[n - 1],)
    text = say(language, "no_nth_image", images=numbers(language, fitting))
    return Question(text, fitting[-MOST_OFFERED:])


def _described(
    description: str, album: Album, vocabulary: Vocabulary | None, *, own: bool = True
) -> list[ImageRecord]:
    """The images that share most words with the description, in order of number; [] if none shares any.

    Of an image and one edited from it, which carries its words on, the one that got them itself fits better.
    """
    wanted = _words(description)
    scores = []
    for image in album.images:
        made_from = _known_words(f"{image.prompt_used} {image.prompt_typed}", vocabulary)
        everything = made_from | _known_words(image.caption, vocabulary)
        scores.append((len(wanted & everything), len(wanted & made_from) if own else 0))
    best = max(scores, default=(0, 0))
    return [image for image, score in zip(album.images, scores, strict=True) if score == best and best[0]]


def _words(text: str) -> set[str]:
    """English words without a plural s, and single Chinese characters, without those that say nothing."""
    found = {word.rstrip("s") or word for word in re.findall(r"[a-z0-9]+|[\u3400-\u9fff]", text.lower())}
    return found - _EMPTY_WORDS


def _known_words(text: str, vocabulary: Vocabulary | None) -> set[str]:
    """The words of a prompt and, from the declared vocabulary, all other spellings of what it names."""
    found = _words(text)
    for spellings in (
        each for group in (vocabulary.groups if vocabulary else {}).values() for each in group.values()
    ):
        if any(_words(spelling) and _words(spelling) <= found for spelling in spellings):
            found = found.union(*(_words(spelling) for spelling in spellings))
    return found


def unknown_number(n: int, album: Album, language: Language) -> Question:
    """There is no image of that number; which of those that there are is meant?"""
    return Question(no_such_image(n, album.numbers, language), album.numbers[-MOST_OFFERED:])


def _short(caption: str) -> str:
    return caption if len(caption) <= CAPTION_LENGTH else f"{caption[: CAPTION_LENGTH - 1]}…"
