"""Chainlit's list of conversations, read from our store."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
from chainlit.types import Pagination, ThreadFilter
from chainlit.user import User
from PIL import Image

from assistant.conversation import Conversation
from assistant.page.history import ChatHistory
from assistant.page.turn_view import image_address, reply_message
from assistant.turn import Turn
from sessions.records import NewImage

OWNER = "local"


@pytest.fixture
def history(conversation: Conversation) -> ChatHistory:
    return ChatHistory(conversation.store, OWNER)


@pytest.fixture
def take(conversation: Conversation) -> Callable[..., Any]:
    def take(**what: Any) -> Any:
        return asyncio.run(conversation.take_turn(Turn(**{"session": "one", "owner": OWNER, **what})))

    return take


def _get(history: ChatHistory, name: str = "one") -> Any:
    thread = asyncio.run(history.get_thread(name))
    assert thread is not None
    return thread


def _list(history: ChatHistory, first: int = 20, cursor: str | None = None, search: str | None = None) -> Any:
    return asyncio.run(
        history.list_threads(Pagination(first=first, cursor=cursor), ThreadFilter(search=search))
    )


def test_a_conversation_comes_back_as_messages_and_pictures(
    history: ChatHistory, take: Callable[..., Any]
) -> None:
    drawn = take(text="a robot", command="generate", idempotency_key="draw")
    asked = take(text="/ask what is it")
    thread = _get(history)
    assert [(step["type"], step["output"]) for step in thread["steps"]] == [
        ("user_message", "a robot"),
        ("assistant_message", drawn.text),
        ("user_message", "/ask what is it"),
        ("assistant_message", asked.text),
    ]
    (picture,) = thread["elements"]
    assert picture["url"] == image_address(drawn.images[0].id)
    assert picture["forId"] == reply_message("draw") == thread["steps"][1]["id"]
    assert thread["userIdentifier"] == OWNER


def test_an_upload_belongs_to_the_message_it_came_with(
    history: ChatHistory, take: Callable[..., Any]
) -> None:
    take(text="/ask what is it", attachments=(_png(),), idempotency_key="ask")
    thread = _get(history)
    (picture,) = thread["elements"]
    assert picture["forId"] == "ask" == thread["steps"][0]["id"]


def test_a_button_leaves_no_empty_message(history: ChatHistory, take: Callable[..., Any]) -> None:
    take(text="a robot", command="generate")
    take(command="undo")
    thread = _get(history)
    assert [step["type"] for step in thread["steps"]] == [
        "user_message",
        "assistant_message",
        "assistant_message",
    ]


@pytest.mark.parametrize(("text", "reply"), [("a robot", "No reply yet"), ("画机器人", "还没有回复")])
def test_a_turn_without_a_reply_says_so_and_shows_what_it_made(
    history: ChatHistory, conversation: Conversation, text: str, reply: str
) -> None:
    store = conversation.store
    session = store.session(OWNER, "one")
    turn = store.begin_turn(session, key="k", fingerprint="f", text=text, channel="chat")
    store.images.add(session, turn.id, 0, 0, Image.new("RGB", (8, 8)), NewImage(op="generate"))
    thread = _get(history)
    said, answered = thread["steps"]
    assert said["output"] == text
    assert answered["output"].startswith(reply)
    assert [picture["forId"] for picture in thread["elements"]] == [answered["id"]]


def test_nothing_of_another_owner_is_shown(history: ChatHistory, take: Callable[..., Any]) -> None:
    take(text="a robot", command="generate", owner="someone", session="theirs")
    assert asyncio.run(history.get_thread("theirs")) is None
    assert asyncio.run(history.get_thread_author("theirs")) == ""
    assert _list(history).data == []
    assert asyncio.run(history.get_user("someone")) is None
    assert asyncio.run(history.create_user(User(identifier="someone"))) is None


def test_conversations_are_listed_page_by_page_with_the_latest_first(
    history: ChatHistory, take: Callable[..., Any]
) -> None:
    for name in ("a", "b", "c"):
        take(text=f"a robot {name}", command="generate", session=name)
    first = _list(history, first=2)
    assert [thread["id"] for thread in first.data] == ["c", "b"]
    assert first.pageInfo.hasNextPage
    second = _list(history, first=2, cursor=first.pageInfo.endCursor)
    assert [thread["id"] for thread in second.data] == ["a"]
    assert not second.pageInfo.hasNextPage


def test_a_search_looks_at_titles(history: ChatHistory, take: Callable[..., Any]) -> None:
    take(text="a Robot", command="generate", session="a")
    take(text="a cat", command="generate", session="b")
    assert [thread["id"] for thread in _list(history, search="robot").data] == ["a"]


def test_a_person_renames_and_chainlit_does_not(history: ChatHistory, take: Callable[..., Any]) -> None:
    take(text="a robot", command="generate")
    asyncio.run(history.update_thread("one", name="first words", user_id=OWNER))
    asyncio.run(history.update_thread("one", metadata={"chat_settings": {}}))
    assert _list(history).data[0]["name"] == "a robot"
    asyncio.run(history.update_thread("one", name="my robot"))
    assert _list(history).data[0]["name"] == "my robot"


def test_a_deleted_conversation_is_gone(history: ChatHistory, take: Callable[..., Any]) -> None:
    take(text="a robot", command="generate")
    asyncio.run(history.delete_thread("one"))
    assert _list(history).data == []
    assert asyncio.run(history.get_thread("one")) is None


def _png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(data, "PNG")
    return data.getvalue()
