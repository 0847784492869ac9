"""Whether a message is one that the training grammar could have produced: what held-out messages must not be.

The wordings, in which finitely many sentences stand beside templates with slots, become one automaton over
tokens: words in English, characters in Chinese. It accepts more than the grammar produces (the parts of a
caption in any order, any way to begin with any way to end, any number of polite words), so a message that it
turns down is surely new. Nonsense words, which the grammar makes of random letters, are left out.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise

from flux_runtime.pocket import instructions, language, planning, questions
from flux_runtime.pocket.changes import EDIT_TYPES, applies, random_change
from flux_runtime.pocket.vocabulary import LANGUAGES, NAMES, Language, plain
from flux_runtime.pocket.world import CHARACTERS, KINDS, SIDES, random_scene

SHINGLE = {"en": 5, "zh": 8}
"""Tokens that no held-out message may share in a row with a training message; a Chinese word has 1 to 2."""

Chain = tuple[set[str], ...]
"""Alternatives for each of several words in a row."""

Filling = set[str] | list[Chain] | tuple[int, int]
"""What a slot holds: one of some texts, one of some chains, or whatever leads from one state to another."""

_DRAWS = 3000  # of each kind of filling; the rarest one has a chance of more than one in a hundred


def tokens(text: str, spoken: Language) -> list[str]:
    """The text without case and punctuation, numbers alike: words in English, characters in Chinese."""
    text = re.sub(r"\d+", "1", unicodedata.normalize("NFKC", text).casefold().replace("'", ""))
    return re.findall(r"#?[a-z0-9]+", text) if spoken == "en" else re.findall(r"#?[^\W_]", text)


@cache
def grammar(spoken: Language) -> Grammar:
    """All that planning messages of a language can be; built in seconds, once."""
    return Grammar(spoken)


class Grammar:
    """The automaton of one language. States are numbers; a message leads from `_begin` to `_end`."""

    def __init__(self, spoken: Language) -> None:
        self.spoken: Language = spoken
        self._next: defaultdict[int, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._free: defaultdict[int, set[int]] = defaultdict(set)
        self._states = 0
        self._begin, self._end = self._state(), self._state()
        self._caption_in, self._caption_out = self._state(), self._state()
        self._text_in, self._text_out = self._state(), self._state()
        self._free[self._text_out].add(self._end)
        self._free[self._begin].add(self._text_in)
        self._messages()
        self._captions()
        self._instructions()
        self._questions()
        self._after: defaultdict[str, set[int]] = defaultdict(set)
        for moves in self._next.values():
            for token, states in moves.items():
                self._after[token] |= states

    def produces(self, text: str) -> bool:
        """Whether the whole message, polite words around it aside, is one of the grammar's."""
        return self._end in self._walk(tokens(text, self.spoken), {self._begin})

    def shared_shingle(self, text: str) -> str | None:
        """The first `SHINGLE` tokens in a row that also stand in a message of the grammar; None without."""
        words, size = tokens(text, self.spoken), SHINGLE[self.spoken]
        for at in range(len(words) - size + 1):
            first, *rest = words[at : at + size]
            if self._walk(rest, self._after[first]):
                return (" " if self.spoken == "en" else "").join([first, *rest])
        return None

    def _walk(self, words: Iterable[str], states: set[int]) -> set[int]:
        """Where the words lead from any of the states."""
        for word in words:
            states = {after for state in self._reached(states) for after in self._next[state].get(word, ())}
        return self._reached(states)

    def _reached(self, states: set[int]) -> set[int]:
        """The states, and those that are reached from them without a word."""
        found, open_ = set(states), list(states)
        while open_:
            new = self._free.get(open_.pop(), set()) - found
            found |= new
            open_ += new
        return found

    def _state(self) -> int:
        self._states += 1
        return self._states

    def _add(self, text: str, start: int, end: int) -> None:
        """The words of `text` lead from `start` to `end`."""
        words = tokens(text, self.spoken)
        if not words:
            self._free[start].add(end)
            return
        path = [start, *(self._state() for _ in words[1:]), end]
        for word, (here, there) in zip(words, pairwise(path), strict=True):
            self._next[here][word].add(there)

    def _template(self, template: str, slots: Mapping[str, Filling], start: int, end: int) -> None:
        """A template leads from `start` to `end`, its slots filled."""
        first, *rest = re.split(r"\{(\w+)\}(s?)", template)  # `{thing}s`: one word with its filling
        here = self._state() if rest else end
        self._add(first, start, here)
        for at in range(0, len(rest), 3):
            slot, plural, after = rest[at : at + 3]
            filling, filled = slots[slot], self._state()
            if isinstance(filling, tuple):
                self._free[here].add(filling[0])
                filled = filling[1]
            else:
                self._fill(filling, plural, here, filled)
            here = end if at + 3 == len(rest) else self._state()
            self._add(after, filled, here)

    def _fill(self, filling: set[str] | list[Chain], plural: str, start: int, end: int) -> None:
        for chain in [(filling,)] if isinstance(filling, set) else filling:
            here = start
            for at, words in enumerate(chain):
                there = end if at + 1 == len(chain) else self._state()
                for word in words:
                    self._add(word + (plural if there == end else ""), here, there)
                here = there

    def _messages(self) -> None:
        """What stands in wordings/planning.yaml: fixed sentences, and the frames around all others."""
        phrases = planning._PHRASES[self.spoken]
        for lead in phrases["lead"]:
            self._add(lead, self._begin, self._begin)
        for polite in phrases["polite"]:
            self._add(polite, self._end, self._end)
        sentences = [*phrases["undo"], *phrases["vague"]]
        sentences += [says for topic in phrases["chat"] for says in topic["says"]]
        for sentence in sentences:
            self._add(sentence, self._begin, self._end)
        words: dict[str, Filling] = {
            "thing": set(phrases["unknown"]),
            "character": {plain(character, self.spoken) for character in CHARACTERS},
        }
        for template in phrases["unknown_edit"]:
            self._template(template, words, self._begin, self._end)
        for template in phrases["unknown_subject"]:
            self._template(template, words, self._caption_in, self._caption_out)
        caption = (self._caption_in, self._caption_out)
        for template in [*phrases["draw"], *phrases["draw_another"]]:
            self._template(template, {"what": caption}, self._begin, self._end)
        said = set(phrases["last"]) | {numbered.format(n=1) for numbered in phrases["numbered"]}
        said |= {way.format(nth=nth) for way in phrases["counted"] for nth in phrases["ordinals"]}
        text = (self._text_in, self._text_out)
        for templates in phrases["placed"].values():
            for template in templates:
                self._template(template, {"said": said, "text": text}, self._begin, self._end)
        self._add("edit the image", self._begin, self._begin)

    def _captions(self) -> None:
        """The parts of a caption, in any order and number."""
        spoken, english, rng = self.spoken, self.spoken == "en", _Even("captions")
        parts = {way for options in language._CAPTIONS[spoken]["weather"].values() for way in options}
        if english:
            parts |= {"a scene", "something", "a view", "a place", "and", "with"}
        else:
            parts |= {"的", "的时候", "正在", "有", "是", "放", "在", "人", "家伙", "角色"}
            parts |= {f"{count}{one}" for count in ("", "一") for one in ("个", "只", "条")}
        for _ in range(_DRAWS):
            scene = random_scene(rng)
            outfit = rng.choice((None, "none", "space suit"))
            if english:
                parts.add(language._who_en(rng, scene.character, None))
                parts.add(someone := language._who_en(rng, None, outfit))
                parts.add(re.sub("^(someone|somebody|a character)", "", someone))
                parts.add(language._doing_en(rng, scene.action))
                parts.add(language.place_en(rng, scene.setting))
            else:
                parts.add(language._clothes_zh(rng, outfit))
                parts.add(language._place_zh(rng, scene.setting))
        if not english:
            parts |= {word for key in ("characters", "actions") for word in _spelled(key, spoken)}
        for part in parts:
            self._add(part, self._caption_in, self._caption_in)
        self._free[self._caption_in].add(self._caption_out)
        self._free[self._caption_out].add(self._caption_in)
        things: list[Chain] = [_things(spoken)]
        if english:
            things.append(({"a", "an"}, *_things(spoken)))
        sides = {where for side in SIDES for where in language._CAPTIONS[spoken]["side"][side]}
        orders = ("{thing} {side}", "{side} {thing}")
        if not english:
            orders = ("{thing}在{side}", *(f"{{side}}{there}{{thing}}" for there in ("", "有", "是", "放")))
        for template in orders:
            self._template(template, {"thing": things, "side": sides}, self._caption_in, self._caption_in)

    def _instructions(self) -> None:
        """The ways to ask for an edit."""
        phrases = instructions._PHRASES[self.spoken]
        words = instructions._words_en if self.spoken == "en" else instructions._words_zh
        for type_ in EDIT_TYPES:
            slots: defaultdict[str, set[str]] = defaultdict(set)
            rng = _Even(f"instructions {type_}")
            for _ in range(_DRAWS):
                scene = random_scene(rng)
                if applies(type_, scene):
                    known = scene if rng.random() < 0.5 else None
                    for slot, filling in words(rng, random_change(rng, scene, type_), known).items():
                        slots[slot].add(filling)
            filled: dict[str, Filling] = dict(slots)
            # An object with its colour is said in too many ways to wait until each of them is drawn.
            that, kinds = set(phrases["that"]), set(_spelled("objects", self.spoken))
            for slot in slots.keys() & {"noun", "target", "bare_target"}:
                filled[slot] = [(slots[slot],), (that, *_things(self.spoken)), (that, kinds)]
            for way in _all_ways(phrases["ways"][type_]):
                self._template(way, filled, self._text_in, self._text_out)
            for detail in slots["detail"]:
                self._add(detail, self._text_out, self._text_out)
                self._add(f"and {detail}", self._text_out, self._text_out)

    def _questions(self) -> None:
        """The ways to ask about a picture."""
        spoken, phrases = self.spoken, questions._PHRASES[self.spoken]
        for lead in phrases["lead"]:
            self._add(lead, self._text_in, self._text_in)
        for end in ("呢", "呀", *phrases["end"]) if spoken == "zh" else ():
            self._add(end, self._text_out, self._text_out)
        for about in questions.ABOUTS:
            rng, canonical = _Even(f"questions {about}"), set()
            slots: dict[str, set[str]] = {
                "who": set(phrases["who"]),
                "here": set(phrases["here"]),
                "side": {side for sides in phrases["sides"].values() for side in sides},
                "thing": set(),
                "value": set(),
                "name": set(),
            }
            for _ in range(_DRAWS):
                scene = random_scene(rng)
                question = questions.random_question(rng, scene, about)
                slots["who"].add(language.mention(rng, scene, spoken, phrases["who"]))
                slots["value"].add(questions._asked_value(rng, question, spoken))
                if question.object:
                    slots["thing"].add(language.name(rng, question.object, spoken))
                if question.value:
                    slots["name"].add(plain(question.value, spoken))
                canonical.add(questions.canonical_question(question, spoken))
            for sentence in canonical:
                self._add(sentence, self._text_in, self._text_out)
            for way in _all_ways(phrases["ways"]["at_side" if about in SIDES else about]):
                self._template(way, slots, self._text_in, self._text_out)


class _Even(random.Random):
    """Draws in which what is likely and what is rare come alike, so that few are needed to see all."""

    getrandbits = random.Random.getrandbits  # named here, or `choice` would draw by the uneven `random` below

    def random(self) -> float:
        return (
            (self.getrandbits(5) + 0.5) / 32 if self.getrandbits(1) else (0.001, 0.999)[self.getrandbits(1)]
        )


def _all_ways(options: list[str] | dict[str, list[str]]) -> Iterable[str]:
    """Every way, whichever value it is for."""
    return options if isinstance(options, list) else (way for some in options.values() for way in some)


def _spelled(group: str, spoken: Language) -> Iterable[str]:
    return (word for words in NAMES[group].values() for word in words[spoken])


def _things(spoken: Language) -> Chain:
    """Every way to name an object with its colour."""
    colors, kinds = set(_spelled("colours", spoken)), set(_spelled("objects", spoken))
    if spoken == "en":
        return colors, kinds
    measures = {language.measure(name) for name in KINDS}
    return {"", *measures, *(f"一{measure}" for measure in measures)}, colors, {"", "的"}, kinds


def main() -> None:
    """Print every held-out message that the grammar produces, or shares a shingle with."""
    from flux_runtime.pocket.plan_labels import labelled_messages

    for spoken in LANGUAGES:
        known = grammar(spoken)
        for row in labelled_messages(spoken):
            if known.produces(row["say"]):
                print(spoken, "produced:", row["say"])
            elif shared := known.shared_shingle(row["say"]):
                print(spoken, f"shares {shared!r}:", row["say"])


if __name__ == "__main__":
    main()
