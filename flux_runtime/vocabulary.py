"""The declared words of a model with a closed vocabulary: which words of a text are among them and which not.

It checks a declared word list and nothing else: it neither corrects, translates nor understands a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from pydantic import BaseModel, ConfigDict

_CHINESE = r"\u3400-\u9fff"
_PIECES = re.compile(rf"[^\W\d_{_CHINESE}]+(?:'[^\W\d_{_CHINESE}]+)?|[{_CHINESE}]+")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ", "'"))


def says(text: str, phrase: str, declared: Iterable[str] = ()) -> bool:
    """Whether `text` says `phrase`: whole words in English, characters in Chinese; capitals do not matter.

    Chinese writes no spaces, so `declared` words tell where one ends: 球 is not said by 气球 where 气球 is a
    declared word, and is said by 气球和球.
    """
    low, wanted = _folded(text), _folded(phrase)
    words = () if wanted.isascii() else map(_folded, declared)
    longer = {word for word in words if word != wanted and wanted in word}
    inside = [found.span() for word in longer for found in re.finditer(_whole(word), low)]
    return any(
        not any(start <= found.start() and found.end() <= end for start, end in inside)
        for found in re.finditer(_whole(wanted), low)
    )


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold().split())


def _whole(phrase: str) -> str:
    """A pattern for the phrase where no letter or digit goes on before or after it; Chinese may go on."""
    goes_on = rf"[^\W_{_CHINESE}]"
    before = f"(?<!{goes_on})" if re.match(goes_on, phrase) else ""
    after = f"(?!{goes_on})" if re.match(goes_on, phrase[-1:]) else ""
    return f"{before}{re.escape(phrase)}{after}"


class Vocabulary(BaseModel):
    """Words a model knows, in English (lower case) and Chinese.

    `groups` maps a group ("characters") to canonical names and all their spellings; `words` holds every known
    word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    groups: dict[str, dict[str, tuple[str, ...]]]
    words: frozenset[str]

    def unknown(self, text: str) -> tuple[str, ...]:
        """The words of `text` that are not known, each once, in order.

        Words of letters are taken one by one in lower case; Chinese by the longest known match from the left,
        where consecutive characters without a match are one run. Digits and punctuation are passed over.
        """
        found: dict[str, None] = {}
        for piece in _PIECES.findall(text.translate(_APOSTROPHES).lower()):
            if re.match(f"[{_CHINESE}]", piece):
                found.update(dict.fromkeys(self._unmatched_runs(piece)))
            elif piece not in self.words:
                found[piece] = None
        return tuple(found)

    def mentions(self, text: str, group: str) -> bool:
        """Whether `text` has a spelling of anything of that group; False where there is no such group."""
        spelled = (each for spellings in self.groups.get(group, {}).values() for each in spellings)
        return any(says(text, each, self.spellings) for each in spelled)

    @cached_property
    def spellings(self) -> frozenset[str]:
        """Every spelling of everything in the groups, in both languages."""
        names = (spellings for group in self.groups.values() for spellings in group.values())
        return frozenset(each for spellings in names for each in spellings)

    @cached_property
    def _longest_chinese(self) -> int:
        return max((len(word) for word in self.words if not word.isascii()), default=1)

    def _unmatched_runs(self, piece: str) -> list[str]:
        runs: list[str] = []
        run = ""
        at = 0
        while at < len(piece):
            longest = min(self._longest_chinese, len(piece) - at)
            match = next((n for n in range(longest, 0, -1) if piece[at : at + n] in self.words), 0)
            if match and run:
                runs.append(run)
                run = ""
            elif not match:
                run += piece[at]
            at += match or 1
        return [*runs, run] if run else runs
