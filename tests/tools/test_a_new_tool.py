"""A new tool is one declaration: here it stands in the test, and nothing else knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import ImageOps
from pydantic import Field

from assistant.conversation import Conversation
from assistant.turn import Reply, Turn
from flux_runtime.interface import Capabilities
from sessions.records import NewImage
from sessions.store import SessionStore
from tools import TOOLS
from tools.contract import IMAGE_NAME, Asked, Command, Done, Tool, ToolArguments, ToolContext, ToolOutcome
from tools.toolbox import Toolbox
from tools.wording import Language, Wording

if TYPE_CHECKING:
    from ..conftest import ScriptedRuntime


class Mirror(ToolArguments):
    """Turn an image into its mirror image. Use it when the person wants left and right exchanged."""

    image: str = Field(min_length=1, description=IMAGE_NAME)
    times: int = Field(default=1, ge=1, le=3, description="How many times it is mirrored, from one to three.")

    @property
    def words(self) -> str:
        return f"{self.times} x"

    @property
    def image_names(self) -> tuple[str, ...]:
        return (self.image,)


def run(arguments: Mirror, context: ToolContext) -> ToolOutcome:
    source = context.sources[0]
    image = context.store.images.pixels(context.session.owner, source.id)
    for _ in range(arguments.times):
        image = ImageOps.mirror(image)
    new = NewImage(op="edit", parents=((source.id, "base"),), caption=f"{source.caption}; mirrored")
    return context.add(image, new)


def sentence(done: Done[Mirror], language: Language) -> str:
    said = Wording("Mirrored #{source} {times} times: #{n}.", "把 #{source} 镜像了 {times} 次：#{n}。")
    return said.say(language, source=done.sources[0], times=done.arguments.times, n=done.made[0])


def lacks(able: Capabilities) -> Wording | None:
    return None if able.boxes else Wording("The model {model} cannot mirror.", "模型 {model} 不会镜像。")


def read(asked: Asked) -> Mirror:
    return Mirror.model_validate({"image": asked.names, "times": asked.words or 1})


MIRROR = Tool(
    name="mirror_image",
    step="mirror",
    effect="image",
    arguments=Mirror,
    run=run,
    sentence=sentence,
    lacks=lacks,
    commands=(
        Command(
            name="mirror",
            chinese="镜像",
            icon="flip-horizontal",
            read=read,
            menu=Wording("Exchange left and right", "左右互换"),
            button=Wording("Mirror #{n}", "镜像 #{n}"),
            offered=lambda moment: moment.made,
        ),
    ),
)


@pytest.fixture
def conversation(tmp_path: Path, scripted: ScriptedRuntime) -> Iterator[Conversation]:
    folder = tmp_path / "data"
    opened = Conversation(SessionStore(folder), scripted, folder, Toolbox((*TOOLS, MIRROR)))
    yield opened
    opened.close()


def take(conversation: Conversation, text: str = "", **turn: Any) -> Reply:
    return asyncio.run(conversation.take_turn(Turn(text=text, **turn)))


def told(reply: Reply) -> list[dict[str, Any]]:
    return reply.as_json()["steps"]


def test_its_slash_command_runs_it_and_its_sentence_and_button_are_there(conversation: Conversation) -> None:
    drawn = take(conversation, "/generate a cat", seed=1)
    assert ("mirror", "Mirror #1", 1) in [(each.command, each.label, each.image) for each in drawn.actions]
    mirrored = take(conversation, "/mirror #1 2")
    assert (mirrored.tool, mirrored.text) == ("mirror", "Mirrored #1 2 times: #2.")
    assert told(mirrored) == [{"tool": "mirror", "sources": [1], "text": "2 x", "region": None}]
    assert [(image.n, image.op) for image in mirrored.images] == [(2, "edit")]
    assert take(conversation, "/镜像").text == "把 #2 镜像了 1 次：#3。"


def test_its_button_does_what_its_command_does(conversation: Conversation) -> None:
    drawn = take(conversation, "/generate a cat", seed=1)
    button = next(each for each in drawn.actions if each.command == "mirror")
    pressed = take(conversation, button.text, command=button.command, reply_to=button.image)
    assert pressed.text == "Mirrored #1 1 times: #2."


def test_the_planner_is_offered_it_and_its_call_is_read_whole(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.will_call(
        ("generate_image", {"prompt": "a cat"}), ("mirror_image", {"image": "last", "times": 3})
    )
    reply = take(conversation, "draw a cat and turn it around")
    schema = next(tool for tool in scripted.plan_requests[0].tools if tool.name == "mirror_image")
    assert schema.description.startswith("Turn an image into its mirror image.")
    assert schema.parameters["properties"]["times"]["type"] == "integer"
    assert schema.parameters["required"] == ["image"]
    assert reply.text == "Drew #1.\nMirrored #1 3 times: #2."
    assert told(reply)[1] == {"tool": "mirror", "sources": ["$1"], "text": "3 x", "region": None}
    scripted.will_call(("mirror_image", {"image": "last", "times": 9}))
    assert take(conversation, "turn it nine times").tool == "clarify"


def test_a_model_that_lacks_what_it_needs_is_not_offered_it_and_its_command_says_why(
    conversation: Conversation, scripted: ScriptedRuntime
) -> None:
    scripted.capabilities = scripted.capabilities.model_copy(update={"boxes": False})
    drawn = take(conversation, "/generate a cat")
    assert "mirror" not in [each.command for each in drawn.actions]
    scripted.will_say("Hello!")
    take(conversation, "hello")
    assert "mirror_image" not in [tool.name for tool in scripted.plan_requests[-1].tools]
    refused = take(conversation, "/mirror")
    assert (refused.tool, refused.text) == ("clarify", "The model scripted cannot mirror.")
    scripted.will_call(("mirror_image", {"image": "last"}))
    assert take(conversation, "mirror it").tool == "clarify"


def test_words_that_its_command_cannot_take_are_asked_back(conversation: Conversation) -> None:
    take(conversation, "/generate a cat")
    assert [take(conversation, f"/mirror {words}").tool for words in ("9", "twice", "2")] == [
        "clarify",
        "clarify",
        "mirror",
    ]


def test_its_command_is_listed_where_one_is_typed_that_does_not_exist(conversation: Conversation) -> None:
    assert "/mirror" in take(conversation, "/miror").text
    assert "/镜像" in take(conversation, "/没有").text


def test_two_tools_cannot_share_a_command() -> None:
    with pytest.raises(ValueError, match="mirror"):
        Toolbox((MIRROR, MIRROR))
