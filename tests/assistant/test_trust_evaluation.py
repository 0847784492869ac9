"""When a turn is right, and when its reply claims what is not so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assistant import trust_evaluation
from assistant.planning.plan import ToldStep
from assistant.settings import Settings
from assistant.trust_evaluation import is_doubted, judge_turn, measure_trust, with_trust
from assistant.turn import Reply, ReplyError
from flux_runtime.interface import PictureCheck
from flux_runtime.picture_check import Checked
from flux_runtime.pocket.world import Scene, Thing
from tools.checked import not_seen
from tools.contract import Done
from tools.edit_image import EditImage
from tools.generate_image import GenerateImage
from tools.wording import Language

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime

CAT = Scene("cat", "none", "reading", "beach", "sunny", left=Thing("ball", "red"))
RIGHT, WRONG, FALSE = (True, False), (False, False), (False, True)


def _reply(tool: str, *steps: tuple[str, int], text: str = "", answer: str | None = None) -> Reply:
    told = tuple(ToldStep(tool=name, sources=(source,) if source else ()) for name, source in steps)
    return Reply(text=text, tool=tool, steps=told, answer=answer, session="s", turn="t", seconds=0.0)


def _row(*tool: str, **what: Any) -> dict[str, Any]:
    return {"say": "...", "kind": "test", "tool": list(tool), **what}


DRAWN = _reply("generate", ("generate", 0), text="Drew #1.")
EDITED = _reply("edit", ("edit", 2), text="Edited #2 → #3.")
SNOWY = {"change": {"weather": "snowy"}}
MISSING = " Looking at it, I do not see all of it: snow."


@pytest.mark.parametrize(
    ("row", "reply", "seen", "judged"),
    [
        # What a picture should show is in it, or it is claimed and is not.
        (_row("generate", scene={"character": "cat"}), DRAWN, CAT, RIGHT),
        (_row("generate", scene={"character": "dog"}), DRAWN, CAT, FALSE),
        (_row("generate", scene={"character": "cat"}, never={"kind": "balloon"}), DRAWN, CAT, RIGHT),
        (_row("generate", scene={"character": "cat"}, never={"kind": "ball"}), DRAWN, CAT, FALSE),
        (_row("edit", source="2", change={"weather": "sunny"}), EDITED, CAT, RIGHT),
        (_row("edit", source="2", **SNOWY), EDITED, CAT, FALSE),
        (_row("edit", source="2", change={"recolor": "ball", "color": "red"}), EDITED, CAT, RIGHT),
        (_row("edit", "clarify", source="2", keeps=["ball"]), EDITED, CAT, RIGHT),
        (_row("edit", "clarify", source="2", keeps=["star"]), EDITED, CAT, FALSE),
        # Of another picture than the one meant it is wrong, but it says which one it was.
        (_row("edit", source="1", change={"weather": "sunny"}), EDITED, CAT, WRONG),
        # Answers.
        (_row("ask", source="1", answer=["no"]), _reply("ask", ("ask", 1), answer="No."), None, RIGHT),
        (_row("ask", source="1", answer=["no"]), _reply("ask", ("ask", 1), answer="snowy"), None, FALSE),
        (
            _row("ask", source="2", answer=["water"]),
            _reply("ask", ("ask", 1), answer="watering"),
            None,
            WRONG,
        ),
        (_row("ask", answer=["蓝"]), _reply("ask", ("ask", 1), answer="蓝色"), None, RIGHT),
        # Questions back.
        (_row("clarify", names="owl"), _reply("clarify", text="I do not know “Owl”."), None, RIGHT),
        (_row("clarify", names="owl"), _reply("clarify", text="What shall I do?"), None, WRONG),
        (_row("generate"), _reply("clarify", text="What shall I do?"), None, WRONG),
        (
            _row("ask", "clarify", answer=["no"], names="elephant"),
            _reply("ask", ("ask", 1), text="#1: No, it is sunny.", answer="No, it is sunny."),
            None,
            WRONG,
        ),
        (
            _row("ask", "clarify", answer=["no"], names="elephant"),
            _reply("ask", ("ask", 1), text="#1: No, I see no elephant.", answer="No, I see no elephant."),
            None,
            RIGHT,
        ),
        # Done although it was not wanted: passed off as what was asked for, unless it says otherwise.
        (_row("chat", "clarify"), DRAWN, CAT, FALSE),
        (_row("chat", "clarify"), _reply("undo", ("undo", 0), text="Took back #1."), None, FALSE),
        (
            _row("clarify"),
            _reply("generate", ("generate", 0), text="Drew #1.\nI do not know “owl”, so that is left out."),
            CAT,
            WRONG,
        ),
        (_row("chat"), _reply("chat", text="Hello."), None, RIGHT),
        # A limit has to be told.
        (_row("clarify", "generate", says="cannot"), DRAWN, CAT, FALSE),
        (
            _row("clarify", "generate", says="cannot"),
            _reply("generate", text="Drew #1. I can draw only one."),
            CAT,
            RIGHT,
        ),
        (
            _row("clarify", "generate", says="cannot"),
            _reply("generate", text="画好了 #1。我不认识“两只”，所以没有画进去。"),
            CAT,
            RIGHT,
        ),
        (_row("clarify", "generate", says="cannot"), _reply("clarify", text="One cat?"), None, RIGHT),
        # Several steps.
        (
            _row("plan", tools=["edit", "ask"]),
            _reply("plan", ("edit", 1), ("ask", 2), answer="reading"),
            CAT,
            RIGHT,
        ),
        (_row("plan", tools=["edit", "edit"]), _reply("plan", ("edit", 1), ("ask", 2)), CAT, WRONG),
        (_row("plan", tools=["edit", "edit"]), EDITED, CAT, FALSE),
    ],
)
def test_a_turn_is_judged_by_what_it_did_and_what_it_says(
    row: dict[str, Any], reply: Reply, seen: Scene | None, judged: tuple[bool, bool]
) -> None:
    assert judge_turn(row, reply, seen)[:2] == judged


def test_a_picture_said_to_lack_something_claims_nothing() -> None:
    lacking = _reply("edit", ("edit", 2), text=EDITED.text + MISSING)
    assert judge_turn(_row("edit", source="2", **SNOWY), lacking, CAT) == (False, False, False)


def test_a_doubt_about_a_picture_that_shows_all_is_needless() -> None:
    lacking = _reply("edit", ("edit", 2), text=EDITED.text + MISSING)
    row = _row("edit", source="2", change={"weather": "sunny"})
    assert judge_turn(row, lacking, CAT) == (True, False, True)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("arguments", [GenerateImage(prompt="a cat"), EditImage(image="#1", instruction="-")])
def test_a_doubt_is_heard_whatever_is_missing(language: Language, arguments: Any) -> None:
    def said(checked: Checked | None) -> Reply:
        done = Done(arguments, sources=(1,), made=(2,), checked=checked)
        return _reply("edit", text="Edited #1 → #2." + not_seen(done, language))

    assert is_doubted(said(Checked("missing", "a red ball")))
    assert is_doubted(said(Checked("unsure")))
    assert is_doubted(said(Checked("unseen")))
    assert not is_doubted(said(Checked("shown")))
    assert not is_doubted(said(None))


def test_that_it_cannot_tell_is_no_limit() -> None:
    unsure = " Looking at it, I cannot tell whether it shows that."
    row = _row("clarify", "generate", says="cannot")
    assert not judge_turn(row, _reply("generate", text=DRAWN.text + unsure), CAT).right


def test_a_turn_that_failed_is_wrong_and_claims_nothing() -> None:
    error = ReplyError(code="broken", stage="denoise", message="It broke.")
    failed = DRAWN.model_copy(update={"error": error})
    assert judge_turn(_row("generate"), failed, None)[:2] == WRONG


IMPOSSIBLE = {"left": "red ball", "right": "red ball", "recolor": "star", "color": "blue"}
ROWS = [
    _row("generate", say="a star", scene=IMPOSSIBLE),
    _row("edit", say="make it snowy", pictures=["robot", "cat"], source="2"),
    _row("clarify", say="hm hm"),
]


@pytest.fixture
def taken(scripted: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch) -> ScriptedRuntime:
    """A runtime that plans each of ROWS as it should, in one language, however often it is asked."""
    monkeypatch.setattr("assistant.wiring.build_runtime", lambda settings: scripted)
    monkeypatch.setattr(trust_evaluation, "trust_turns", lambda language: ROWS if language == "en" else [])
    plan = scripted.plan

    def planned(request: Any, **around: Any) -> Any:
        match request.message:
            case "a star":
                scripted.will_draw("a star")
            case "make it snowy":
                scripted.will_edit("last", "make it snowy")
            case _:
                scripted.will_call(("clarify", {"about": "unclear"}))
        return plan(request, **around)

    monkeypatch.setattr(scripted, "plan", planned)
    return scripted


def test_turns_are_taken_over_the_pictures_of_their_rows(taken: ScriptedRuntime, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    found = measure_trust(
        Settings(data_dir=tmp_path), turns=10, on_progress=lambda *stage: heard.append(stage)
    )
    assert [len(request.images) for request in taken.plan_requests] == [0, 2, 0]
    assert (found["right"], found["en"], found["kinds"]) == (0.6667, 0.6667, {"test": 0.6667})
    assert found["false_claims"] == found["false_claims_unchecked"] == 0.3333
    assert found["check_seconds"] == 0
    assert found["n"] == {"trust en": 3, "trust zh": 0}
    assert heard[-2:] == [("trust en", 3, 3), ("trust zh", 0, 0)]
    assert taken.closed
    assert not any(tmp_path.iterdir()), "the person's own folder is left alone"


def test_with_a_check_what_drew_is_done_again_without_it(taken: ScriptedRuntime, tmp_path: Path) -> None:
    check = PictureCheck(questions={"en": "what of {wanted} is missing?"}, nothing=("nothing",), unsure=())
    taken.capabilities = taken.capabilities.model_copy(update={"check": check})
    heard: list[str] = []
    found = measure_trust(
        Settings(data_dir=tmp_path), turns=10, on_judged=lambda row, *_: heard.append(row["say"])
    )
    assert [row["say"] for row in ROWS] == heard
    assert (found["false_claims"], found["false_claims_unchecked"]) == (0, 0.3333)
    drawn = [getattr(request, "seed", "looked") for request in taken.requests]
    assert drawn == [0, "looked", 1, "looked", 0, 1, "looked", 2, "looked", 1]


def test_its_figures_join_those_of_the_model() -> None:
    figures = {"plans": {"en": 0.9}, "n": {"plans en": 1}, "model": "pocket", "seconds": 1.0}
    trust = {"right": 0.5, "n": {"trust en": 2}, "seconds": 2.5}
    assert with_trust(figures, trust) == {
        "plans": {"en": 0.9},
        "trust": {"right": 0.5},
        "n": {"plans en": 1, "trust en": 2},
        "model": "pocket",
        "seconds": 3.5,
    }
