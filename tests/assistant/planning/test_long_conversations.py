"""The shipped model plans as well in a conversation of two hundred pictures as in one of three."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from assistant.phrases import language_of
from assistant.planning.message import Message
from assistant.planning.planner import make_plan
from assistant.planning.source_resolution import Album
from flux_runtime.runtime import LocalRuntime
from sessions.records import ImageRecord

#: message -> the tool, and the images it is about in a conversation whose latest has the number n
MESSAGES = {
    "draw a cat on the beach": ("generate", ()),
    "draw a robot reading in the forest": ("generate", ()),
    "画一只狗在火星上睡觉": ("generate", ()),
    "make it rainy": ("edit", ("n",)),
    "let it snow in #3": ("edit", (3,)),
    "turn the first picture into a night scene": ("edit", (1,)),
    "把第二张改成晚上": ("edit", (2,)),
    "改成下雪天": ("edit", ("n",)),
    "what is the cat doing?": ("ask", ("n",)),
    "what is the weather in picture 2?": ("ask", (2,)),
    "这是什么动物？": ("ask", ("n",)),
    "undo": ("undo", ()),
    "undo that, please": ("undo", ()),
    "撤销": ("undo", ()),
}


@pytest.fixture(scope="module")
def pocket() -> Iterator[LocalRuntime]:
    runtime = LocalRuntime("pocket")
    yield runtime
    runtime.close()


def record(n: int) -> ImageRecord:
    fields: dict[str, Any] = dict.fromkeys(("region", "outside_change", "receipt", "seed"))
    fields |= dict.fromkeys(("prompt_typed", "prompt_used", "caption"), "a cat reading on the beach")
    fields |= {"owner": "ann", "id": f"{n:032x}", "session": "s", "turn": "t", "n": n, "op": "generate"}
    fields |= {"parents": (), "root": "r", "width": 8, "height": 8, "sha256": "0", "created": "now"}
    return ImageRecord.model_validate(fields)


@pytest.mark.parametrize("count", [3, 20, 80, 200])
def test_every_message_gets_its_tool_and_its_images(pocket: LocalRuntime, count: int) -> None:
    album = Album(tuple(map(record, range(1, count + 1))), (), count)
    wrong = []
    for text, (tool, named) in MESSAGES.items():
        plan = make_plan(Message(text, language_of(text)), album, pocket)
        wanted = tuple(count if n == "n" else n for n in named)
        found = plan.steps[0].sources if plan.steps else ()
        if (plan.tool, found) != (tool, wanted):
            wrong.append(f"{text}: {plan.tool} {found}, not {tool} {wanted}")
    assert not wrong, "\n".join(wrong)
