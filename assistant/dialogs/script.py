"""Dialog scripts: a conversation in YAML, replayed through `take_turn` and checked.

What a picture shows is read off the picture alone, never off the prompt, the plan or the history: by a judge
that was trained apart from the model where one ships with it, else by the model, which is asked a question. A
script knows no channel and no model; it is given a conversation and, where there is one, a judge.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assistant.conversation import Conversation
from assistant.planning.plan import SEVERAL, TALK
from assistant.turn import LOCAL_OWNER, Reply, Turn
from flux_runtime.errors import TryOther
from flux_runtime.interface import AnswerRequest, Runtime
from flux_runtime.judging import PictureJudge
from flux_runtime.vocabulary import says
from tools import TOOLS

QUESTIONS = {
    "subject": "Who is in the picture?",
    "outfit": "What is it wearing?",
    "action": "What is it doing?",
    "setting": "Where is it?",
    "weather": "How is the weather?",
    "left": "What is on the left?",
    "right": "What is on the right?",
}
"""What is asked of a picture for each key under `shows`."""

_SAID_AS = {
    "sunny": ("sunny", "sun", "clear"),
    "rainy": ("rainy", "raining", "rain"),
    "snowy": ("snowy", "snowing", "snow"),
    "night": ("night", "dark"),
}
"""Words of an answer that mean a value; any other value is looked for as it is written."""

_DENIALS = re.compile(r"\b(no|not|none|nothing)\b|n't\b")

Shown = Literal["subject", "outfit", "action", "setting", "weather", "left", "right"]

Reader = Literal["judge", "model"]
READERS: dict[Reader, str] = {
    "judge": "a judge that was trained apart from the model",
    "model": "the model that drew them",
}
"""Who says what a picture shows, in words."""


class BadScript(TryOther):
    """A file that is no dialog script; the text names the file and the first thing that is wrong."""

    code = "bad_script"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _what_a_turn_comes_to(tool: str) -> str:
    known = (*(each.step for each in TOOLS), *TALK, SEVERAL)
    if tool not in known:
        raise ValueError(f"tool is one of {', '.join(known)}")
    return tool


class Expectation(_Strict):
    """What must be true of a reply; anything not named is not checked, and capitals do not matter."""

    tool: Annotated[str, AfterValidator(_what_a_turn_comes_to)] | None = None
    source: int | None = None
    """The number of the picture that the last step used."""
    answer: str | None = None
    """Whole words of the answer to the person's question."""
    reply: str | None = None
    """Whole words of the reply."""
    shows: dict[Shown, str] = Field(default_factory=dict)
    """What the current picture shows after the turn."""


class ScriptTurn(_Strict):
    """One message and what is expected of its reply."""

    user: str
    expect: Expectation = Expectation()


class DialogScript(_Strict):
    """A whole conversation. Every picture in it is made with `seed`, unless it is played with another."""

    name: str
    seed: int = 0
    turns: tuple[ScriptTurn, ...] = Field(min_length=1)


class Check(_Strict):
    """One expectation and what was found; `asked` is the question put to the picture, if there was one."""

    what: str
    wanted: str
    found: str
    passed: bool
    asked: str | None = None


class PlayedTurn(_Strict):
    """A turn that was taken: the reply as it came, and its checks."""

    user: str
    reply: Reply
    checks: tuple[Check, ...]
    pictures: dict[int, Path] = Field(default_factory=dict)
    """The PNG files of the pictures that the reply shows, by their numbers."""


class PlayedScript(_Strict):
    """A script that was played to its end."""

    name: str
    seed: int
    reader: Reader
    turns: tuple[PlayedTurn, ...]

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each expectation that was not met."""
        return tuple(
            f"{turn.user!r}: {check.what} should be {check.wanted!r}, but is {check.found!r}"
            for turn in self.turns
            for check in turn.checks
            if not check.passed
        )


class PassRate(NamedTuple):
    """How many times a script was played, each time with another seed, and how many times it passed."""

    name: str
    passed: int
    played: int


def pass_rates(played: Iterable[PlayedScript]) -> tuple[PassRate, ...]:
    """The pass rate of each script by name, in the order in which they were played."""
    results: dict[str, list[bool]] = {}
    for script in played:
        results.setdefault(script.name, []).append(script.passed)
    return tuple(PassRate(name, sum(each), len(each)) for name, each in results.items())


def find_scripts(paths: list[Path]) -> list[Path]:
    """The script files among `paths`; a folder stands for every .yaml file in it, by name.

    Raises:
        BadScript: a path does not exist, or a folder holds no scripts.
    """
    found = []
    for path in paths:
        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise BadScript(f"There is no dialog script at {path}.")
        found += files
    return found


def read_script(path: Path) -> DialogScript:
    """The script in a YAML file.

    Raises:
        BadScript: the file cannot be read or is no dialog script.
    """
    try:
        return DialogScript.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadScript(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadScript(f"{path} is no dialog script: {where}: {first['msg']}") from error


async def play(
    script: DialogScript,
    conversation: Conversation,
    *,
    session: str,
    judge: PictureJudge | None = None,
    seed: int | None = None,
) -> PlayedScript:
    """Take every turn of the script in the named session, which should be a new one, and check each reply.

    `seed` is used instead of the script's own. Without a judge the model says what its pictures show.
    """
    runtime = conversation.runtime
    seed = script.seed if seed is None else seed
    played = []
    pictures: dict[int, Path] = {}
    for turn in script.turns:
        reply = await conversation.take_turn(
            Turn(text=turn.user, session=session, seed=seed, channel="script")
        )
        made = {image.n: conversation.store.images.path(LOCAL_OWNER, image.id) for image in reply.images}
        pictures |= made
        current = pictures.get(reply.head) if reply.head is not None else None
        checks = await asyncio.to_thread(_checks, turn.expect, reply, current, runtime, judge)
        played.append(PlayedTurn(user=turn.user, reply=reply, checks=checks, pictures=made))
    reader = "judge" if judge else "model"
    return PlayedScript(name=script.name, seed=seed, reader=reader, turns=tuple(played))


def _checks(
    expect: Expectation, reply: Reply, current: Path | None, runtime: Runtime, judge: PictureJudge | None
) -> tuple[Check, ...]:
    said = _said(expect, reply, runtime)
    return (*said, *(_shown(expect.shows, current, runtime, judge) if expect.shows else ()))


def _said(expect: Expectation, reply: Reply, runtime: Runtime) -> Iterator[Check]:
    """What the reply did and said."""
    if expect.tool is not None:
        yield Check(what="tool", wanted=expect.tool, found=reply.tool, passed=reply.tool == expect.tool)
    if expect.source is not None:
        sources = reply.steps[-1].sources if reply.steps else ()
        found = ", ".join(map(str, sources))
        yield Check(what="source", wanted=str(expect.source), found=found, passed=found == str(expect.source))
    vocabulary = runtime.capabilities.vocabulary
    declared = () if vocabulary == "open" else vocabulary.spellings
    for what, wanted, found in (
        ("answer", expect.answer, reply.answer or ""),
        ("reply", expect.reply, reply.text),
    ):
        if wanted is not None:
            yield Check(what=what, wanted=wanted, found=found, passed=says(found, wanted, declared))


def _shown(
    shows: dict[Shown, str], current: Path | None, runtime: Runtime, judge: PictureJudge | None
) -> Iterator[Check]:
    """What the current picture shows, by the judge, or by the model where there is none."""
    if current is None:
        yield Check(what="picture", wanted="one to look at", found="none", passed=False)
        return
    with Image.open(current, formats=("PNG",)) as file:
        picture = file.convert("RGB")
    if judge:
        read = judge(picture)
        for key, wanted in shows.items():
            yield Check(what=key, wanted=wanted, found=read[key], passed=read[key] == wanted.casefold())
        return
    for key, wanted in shows.items():
        question = QUESTIONS[key]
        found = runtime.answer(AnswerRequest(question=question, images=(picture,))).text
        yield Check(what=key, wanted=wanted, found=found, passed=answer_means(wanted, found), asked=question)


def answer_means(wanted: str, answer: str) -> bool:
    """Whether an English answer affirms a value in whole words; a denial affirms "none" and "nothing"."""
    denies = _DENIALS.search(answer.casefold()) is not None
    if wanted.casefold() in ("none", "nothing"):
        return denies
    return not denies and any(says(answer, word) for word in _SAID_AS.get(wanted.casefold(), (wanted,)))
