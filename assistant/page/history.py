"""Chainlit's view of our history: conversations, messages and pictures, read from `sessions`.

It keeps nothing of its own. What Chainlit asks to store is ignored, because the assistant records a turn
while it runs; only renaming and deleting a conversation are passed on.
"""

from __future__ import annotations

from chainlit.config import config
from chainlit.data.base import BaseDataLayer
from chainlit.element import Element, ElementDict
from chainlit.step import StepDict
from chainlit.types import Feedback, PageInfo, PaginatedResponse, Pagination, ThreadDict, ThreadFilter
from chainlit.user import PersistedUser, User

from assistant.phrases import language_of, say
from sessions.records import History, ImageRecord, NotFound, SessionRecord, TurnRecord
from sessions.store import SessionStore


def image_address(image: str) -> str:
    """Where the page serves the image of that id."""
    return f"/images/{image}.png"


def reply_message(turn: str) -> str:
    """The id of the message that answers a turn; buttons and pictures are attached to it."""
    return f"{turn}-reply"


class ChatHistory(BaseDataLayer):
    """The conversations of one owner. Anyone else's, and anyone else, do not exist here.

    Conversations of other channels (the command line's `--session NAME`) are listed as well.
    """

    def __init__(self, store: SessionStore, owner: str) -> None:
        self._store = store
        self._owner = owner

    async def get_user(self, identifier: str) -> PersistedUser | None:
        if identifier != self._owner:
            return None
        return PersistedUser(id=identifier, identifier=identifier, createdAt="1970-01-01T00:00:00Z")

    async def create_user(self, user: User) -> PersistedUser | None:
        return await self.get_user(user.identifier)

    async def list_threads(
        self, pagination: Pagination, filters: ThreadFilter
    ) -> PaginatedResponse[ThreadDict]:
        found = [each for each in self._store.list_sessions(self._owner) if _matches(each, filters.search)]
        start = next((at + 1 for at, each in enumerate(found) if each.name == pagination.cursor), 0)
        page = found[start : start + pagination.first]
        return PaginatedResponse(
            pageInfo=PageInfo(
                hasNextPage=start + len(page) < len(found),
                startCursor=page[0].name if page else None,
                endCursor=page[-1].name if page else None,
            ),
            data=[self._thread(each, steps=[], elements=[]) for each in page],
        )

    async def get_thread(self, thread_id: str) -> ThreadDict | None:
        try:
            history = self._store.history(self._owner, thread_id)
        except NotFound:
            return None
        return self._thread(history.session, steps=_steps(history), elements=_elements(history))

    async def get_thread_author(self, thread_id: str) -> str:
        return self._owner if self._store.find_session(self._owner, thread_id) else ""

    async def update_thread(
        self,
        thread_id: str,
        name: str | None = None,
        user_id: str | None = None,
        metadata: dict | None = None,
        tags: list[str] | None = None,
    ) -> None:
        # Chainlit also names a conversation after its first message, and then gives the user as well; the
        # store has done that already.
        if name and user_id is None:
            self._store.rename_session(self._owner, thread_id, name)

    async def delete_thread(self, thread_id: str) -> None:
        self._store.delete_session(self._owner, thread_id)

    async def get_element(self, thread_id: str, element_id: str) -> ElementDict | None:
        thread = await self.get_thread(thread_id)
        elements = (thread["elements"] if thread else None) or []
        return next((each for each in elements if each.get("id") == element_id), None)

    # Recorded by the assistant as the turn runs, so there is nothing left to store.

    async def create_element(self, element: Element) -> None: ...

    async def delete_element(self, element_id: str, thread_id: str | None = None) -> None: ...

    async def create_step(self, step_dict: StepDict) -> None: ...

    async def update_step(self, step_dict: StepDict) -> None: ...

    async def delete_step(self, step_id: str) -> None: ...

    # Parts of Chainlit that this page does not show.

    async def upsert_feedback(self, feedback: Feedback) -> str:
        return ""

    async def delete_feedback(self, feedback_id: str) -> bool:
        return False

    async def get_favorite_steps(self, user_id: str) -> list[StepDict]:
        return []

    async def build_debug_url(self) -> str:
        return ""

    async def close(self) -> None:
        """The store belongs to whoever made it."""

    def _thread(
        self, session: SessionRecord, steps: list[StepDict], elements: list[ElementDict]
    ) -> ThreadDict:
        return ThreadDict(
            id=session.name,
            createdAt=session.updated,
            name=session.title or session.name,
            userId=self._owner,
            userIdentifier=self._owner,
            tags=None,
            metadata=None,
            steps=steps,
            elements=elements,
        )


def _matches(session: SessionRecord, search: str | None) -> bool:
    return not search or search.casefold() in f"{session.title} {session.name}".casefold()


def _steps(history: History) -> list[StepDict]:
    """Each turn as two messages: what was said or sent (a button says nothing), and the reply.

    A turn that a crash cut short looks like one under way; it has a message too, for the pictures it made.
    """
    uploading = {image.turn for image in history.images if image.op == "upload"}
    steps = []
    for turn in history.turns:
        if turn.text or turn.id in uploading:
            steps.append(_message(history, turn, turn.id, "user_message", turn.text))
        language = language_of(turn.text or history.session.title)
        reply = turn.reply["text"] if turn.reply else say(language, "no_reply")
        steps.append(_message(history, turn, reply_message(turn.id), "assistant_message", reply))
    return steps


def _message(history: History, turn: TurnRecord, identity: str, kind: str, text: str) -> StepDict:
    return StepDict(
        id=identity,
        threadId=history.session.name,
        parentId=None,
        name=history.session.owner if kind == "user_message" else config.ui.name,
        type=kind,  # pyright: ignore[reportArgumentType]
        output=text,
        createdAt=turn.created,
        start=turn.created,
        end=turn.created,
        streaming=False,
        isError=False,
        metadata={},
    )


def _elements(history: History) -> list[ElementDict]:
    return [_picture(history, image) for image in history.images]


def _picture(history: History, image: ImageRecord) -> ElementDict:
    return ElementDict(
        id=image.id,
        threadId=history.session.name,
        type="image",
        url=image_address(image.id),
        name=f"#{image.n}",
        display="inline",
        size="medium",
        forId=image.turn if image.op == "upload" else reply_message(image.turn),
        mime="image/png",
    )
