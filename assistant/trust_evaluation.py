"""The part of `flux-assistant evaluate` that takes whole turns: are they done right, and is what they say so?

Held-out turns on which an assistant loses trust (`flux_runtime/pocket/held_out/trust.yaml`) go through a
`Conversation` of their own. Pictures are judged from their pixels by the judge that evaluation uses.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, get_args

from PIL import Image

from assistant.conversation import Conversation
from assistant.planning.plan import SEVERAL, TALK
from assistant.settings import Settings
from assistant.turn import LOCAL_OWNER, Reply, Turn
from assistant.wiring import build_conversation
from flux_runtime.catalogue import find_model
from flux_runtime.picture_check import Checked, Verdict
from flux_runtime.pocket.held_out_messages import Row, evenly, shows, trust_pictures, trust_turns
from flux_runtime.pocket.judge import image_batch, load_judge
from flux_runtime.pocket.language import canonical_prompt, stated_attributes
from flux_runtime.pocket.vocabulary import LANGUAGES, Language
from flux_runtime.pocket.world import Scene, draw
from sessions.records import NewImage
from tools.checked import not_seen
from tools.contract import Done, DrawingOptions
from tools.generate_image import GenerateImage

TRUST = "trust"
"""What the part is called among those of evaluation."""

OnProgress = Callable[[str, int, int], None]

_LIMIT = re.compile(
    r"left out|\bcan(?:not|'t) (?!tell)|\bonly (?:one|draw)|\bcan only|\bat most|\bone at a time"
    r"|没有画|不会画|画不了|不能|只能|只会|最多|只有一",
    re.IGNORECASE,
)
"""How a reply says that it did not, or could not, do all of it."""


class Judged(NamedTuple):
    """What one turn came to."""

    right: bool
    is_false_claim: bool
    """Whether the reply says that something was done, or is so, that is not."""
    is_needless_doubt: bool = False
    """Whether it says that something may be missing in a picture that shows all of it."""


def judge_turn(row: Row, reply: Reply, seen: Scene | None) -> Judged:
    """Whether a reply does what its row says is right, and whether it claims what is not so.

    Args:
        row: one of `trust_turns`.
        reply: the turn's.
        seen: what the judge reads in the last picture that the reply shows; None if it shows none.
    """
    if reply.error:
        return Judged(right=False, is_false_claim=False)
    doubted = is_doubted(reply)
    limited = _LIMIT.search(reply.text) is not None
    fits = reply.tool in row["tool"]
    is_shown = seen is None or _is_in(row, seen)
    is_answered = reply.answer is None or "answer" not in row or _is_among(row["answer"], reply.answer)
    is_unsaid = seen is not None and row.get("says") == "cannot" and not limited
    right = (
        fits and _has_steps(row, reply) and _names(row, reply) and is_shown and is_answered and not is_unsaid
    )
    if fits:
        is_false = (not is_shown and not doubted) or not is_answered or (is_unsaid and not doubted)
    else:
        # Whatever it did was not asked for, and said without a word more it passes for what was.
        is_false = reply.tool not in TALK and not doubted and not limited
    return Judged(right, is_false, is_needless_doubt=doubted and is_shown and _states(row))


def is_doubted(reply: Reply) -> bool:
    """Whether a reply says of its picture that something is missing, or that nobody knows."""
    return any(sentence in reply.text for sentence in _DOUBTS)


def _doubt(verdict: Verdict, language: Language) -> str:
    """What a reply says after such a check, as far as that is always the same; empty if it doubts nothing."""
    said = not_seen(Done(GenerateImage(prompt="-"), checked=Checked(verdict, "|")), language)
    return said.split("|")[0].strip()


_DOUBTS = tuple(
    doubt for language in LANGUAGES for verdict in get_args(Verdict) if (doubt := _doubt(verdict, language))
)


def _is_in(row: Row, seen: Scene) -> bool:
    """Whether a picture shows what the row says it should, and nothing that it should not."""
    wanted = (row.get("scene", {}), row.get("change", {}), *({"kind": kind} for kind in row.get("keeps", ())))
    return all(shows(each, seen) for each in wanted) and not ("never" in row and shows(row["never"], seen))


def _states(row: Row) -> bool:
    return any(part in row for part in ("scene", "change", "keeps", "never"))


def _has_steps(row: Row, reply: Reply) -> bool:
    """Whether the steps are those that the row names, about the picture that it names."""
    if reply.tool == SEVERAL:
        return [step.tool for step in reply.steps] == row["tools"]
    if reply.tool in TALK or "source" not in row:
        return True
    return bool(reply.steps) and reply.steps[0].sources[:1] == (int(row["source"]),)


def _names(row: Row, reply: Reply) -> bool:
    """Whether a question back names the word that it is about, and an answer is to a question about it."""
    if reply.tool not in ("clarify", "ask"):
        return True
    asked = " ".join(step.text for step in reply.steps)
    return row.get("names", "").casefold() in f"{asked} {reply.text}".casefold()


def _is_among(words: Sequence[str], said: str) -> bool:
    """Whether one of the words is in an answer; an English one must begin there: `no` is not in "snow"."""
    return any(re.search(rf"(?<![a-z0-9]){re.escape(word)}", said.casefold()) for word in words)


def measure_trust(
    settings: Settings,
    *,
    turns: int,
    on_progress: OnProgress = lambda stage, done, of: None,
    on_judged: Callable[[Row, Reply, Judged], None] = lambda row, reply, judged: None,
) -> dict[str, Any]:
    """Take turns of each language, in an empty folder, and judge them.

    Where the model looks at its pictures before it claims them, turns that drew are taken again without that.

    Args:
        settings: only the model counts.
        turns: how many of each language, at most.
        on_progress: hears (stage, done, of).
        on_judged: hears every turn, those without the check left out.

    Returns:
        Shares of turns: `right` in all, by language and in `kinds`, `false_claims`, the same as
        `false_claims_unchecked`, and `needless_doubts`. `check_seconds` is what the check adds to a picture,
        with what is drawn again because of it; `n` is how many turns there were.

    Raises:
        FluxRuntimeError: the model cannot be loaded.
    """
    chosen = {language: evenly(trust_turns(language), turns) for language in LANGUAGES}
    right, kinds, claims, unchecked = defaultdict[str, list[bool]](list), defaultdict(list), [], []
    doubts: list[bool] = []
    added: list[float] = []
    began = time.perf_counter()
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        whole = settings.model_copy(update={"data_dir": Path(folder), "check": True, "upsample": True})
        taker = _Turns(build_conversation(whole), runner)
        try:
            for language, rows in chosen.items():
                for index, row in enumerate(rows):
                    on_progress(f"trust {language}", index, len(rows))
                    reply, judged = taker.take(row, f"{language} {index}", index, check=True)
                    on_judged(row, reply, judged)
                    right[language].append(judged.right)
                    kinds[row["kind"]].append(judged.right)
                    claims.append(judged.is_false_claim)
                    doubts.append(judged.is_needless_doubt)
                    if reply.images and taker.is_checking:
                        bare, judged = taker.take(row, f"{language} {index} bare", index, check=False)
                        added.append((reply.seconds - bare.seconds) / len(reply.images))
                    unchecked.append(judged.is_false_claim)
                on_progress(f"trust {language}", len(rows), len(rows))
        finally:
            taker.conversation.close()
    return {
        "right": _share([hit for hits in right.values() for hit in hits]),
        **{language: _share(hits) for language, hits in right.items()},
        "kinds": {kind: _share(hits) for kind, hits in kinds.items()},
        "false_claims": _share(claims),
        "false_claims_unchecked": _share(unchecked),
        "needless_doubts": _share(doubts),
        "check_seconds": round(sum(added) / max(1, len(added)), 3),
        "n": {f"trust {language}": len(rows) for language, rows in chosen.items()},
        "seconds": round(time.perf_counter() - began, 1),
    }


class _Turns:
    """Takes each turn in a session of its own, over pictures that show exactly what the row says."""

    def __init__(self, conversation: Conversation, runner: asyncio.Runner) -> None:
        self.conversation, self._runner = conversation, runner
        self._judge = load_judge(find_model("pocket") / "judge" / "model.safetensors")
        self._pictures = {name: _captioned(scene) for name, scene in trust_pictures().items()}
        self.is_checking = conversation.runtime.capabilities.check is not None

    def take(self, row: Row, session: str, seed: int, *, check: bool) -> tuple[Reply, Judged]:
        """The reply to the row's message, and what it is worth."""
        self._hang(row.get("pictures", ()), session)
        self.conversation.options = DrawingOptions(check=check)
        turn = Turn(text=row["say"], session=session, seed=seed, channel="evaluate")
        reply = self._runner.run(self.conversation.take_turn(turn))
        return reply, judge_turn(row, reply, self._seen(reply))

    def _hang(self, names: Sequence[str], session: str) -> None:
        """Put pictures into a session as if they had been drawn there, the last one current."""
        store = self.conversation.store
        record = store.session(LOCAL_OWNER, session)
        for name in names:
            caption, picture = self._pictures[name]
            turn = store.begin_turn(record, key=name, fingerprint="", text=caption, channel="evaluate").id
            new = NewImage(op="generate", prompt_typed=caption, prompt_used=caption, caption=caption)
            store.images.add(record, turn, 0, 0, picture, new)
            store.finish_turn(LOCAL_OWNER, turn, status="replied", plan=None, reply={}, seconds=0.0)

    def _seen(self, reply: Reply) -> Scene | None:
        if not reply.images:
            return None
        picture = self.conversation.store.images.pixels(LOCAL_OWNER, reply.images[-1].id)
        return self._judge.read(image_batch([picture]))[0]


def _captioned(scene: Scene) -> tuple[str, Image.Image]:
    return canonical_prompt(stated_attributes(scene)), draw(scene)


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / max(1, len(hits)), 4)


def with_trust(figures: Mapping[str, Any], trust: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of an evaluation with those of `measure_trust` among them."""
    found = {name: value for name, value in trust.items() if name not in ("n", "seconds")}
    return {
        **figures,
        TRUST: found,
        "n": {**figures["n"], **trust["n"]},
        "seconds": round(figures["seconds"] + trust["seconds"], 1),
    }


def turn_as_json(row: Row, reply: Reply, judged: Judged) -> str:
    """A turn on one line, for who wants to know which ones went wrong."""
    told = {"steps": [step.text for step in reply.steps], "reply": reply.text}
    asked = {"kind": row["kind"], "say": row["say"], "wanted": row["tool"], "tool": reply.tool}
    return json.dumps({**asked, **told, **judged._asdict()}, ensure_ascii=False)
