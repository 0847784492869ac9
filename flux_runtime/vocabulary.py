"""The declared words of a model with a closed vocabulary, and which words of a text are not among them.

It checks a declared word list and nothing else: it neither corrects, translates nor understands a text.
"""

from __future__ import annotations

import re
from functools import cached_property

from pydantic import BaseModel, ConfigDict

_CHINESE = r"\u3400-\u9fff"
_PIECES = re.compile(rf"[^\W\d_{_CHINESE}]+(?:'[^\W\d_{_CHINESE}]+)?|[{_CHINESE}]+")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ", "'"))


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
        low = text.translate(_APOSTROPHES).lower()
        words = f" {' '.join(re.findall(r'[a-z]+', low))} "
        spelled = [each for spellings in self.groups.get(group, {}).values() for each in spellings]
        return any(f" {each} " in words if each.isascii() else each in low for each in spelled)

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
