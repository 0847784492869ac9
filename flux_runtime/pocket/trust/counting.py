"""How many there are of one kind: the question and its answer, in both languages."""

from __future__ import annotations

from flux_runtime.pocket.language import measure
from flux_runtime.pocket.trust.phrases import TRUST
from flux_runtime.pocket.vocabulary import Language, plain

COUNT_ASKED: dict[Language, str] = {"en": "how many {kinds} are there?", "zh": "有几{one}{kind}？"}


def count_words(kind: str, language: Language) -> dict[str, str]:
    """What the slots of a question about a number stand for."""
    if language == "zh":
        return {"kind": plain(kind, "zh"), "one": measure(kind), "kinds": plain(kind, "zh")}
    return {"kind": kind, "kinds": TRUST["en"]["kinds"][kind]}


def count_answer(kind: str, count: int, language: Language) -> str:
    """`there is one ball.`, `没有球。`"""
    words = count_words(kind, language)
    if language == "zh":
        return (
            f"没有{words['kind']}。" if not count else f"有{'一两'[count - 1]}{words['one']}{words['kind']}。"
        )
    return (f"there is no {kind}.", f"there is one {kind}.", f"there are two {words['kinds']}.")[count]
