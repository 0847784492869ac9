"""Chainlit's view of our history: conversations, messages and pictures, read from `sessions`.

It keeps nothing of its own. What Chainlit asks to store is ignored, because the assistant records a turn
while it runs; only renaming and deleting a conversation are passed on. The store is asked on threads: another
process may hold the database for a while.
"""

from __future__ import annotations

import asyncio

from chainlit.data.base import BaseDataLayer
from chainlit.element import Element, ElementDict
from chainlit.step import StepDict
from chainlit.types import Feedback, PageInfo, PaginatedResponse, Pagination, ThreadDict, ThreadFilter
from chainlit.user import PersistedUser, User

from assistant.page import turn_view
from sessions.records import NotFound, SessionRecord
from sessions.store import SessionStore


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
        sessions = await asyncio.to_thread(self._store.list_sessions, self._owner)
        found = [each for each in sessions if _matches(each, filters.search)]
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
            history = await asyncio.to_thread(self._store.history, self._owner, thread_id)
        except NotFound:
            return None
        return self._thread(
            history.session,
            steps=[step for turn in history.turns for step in turn_view.messages(history, turn)],
            elements=[each for turn in history.turns for each in turn_view.pictures(history, turn)],
        )

    async def get_thread_author(self, thread_id: str) -> str:
        found = await asyncio.to_thread(self._store.find_session, self._owner, thread_id)
        return self._owner if found else ""

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
            await asyncio.to_thread(self._store.rename_session, self._owner, thread_id, name)

    async def delete_thread(self, thread_id: str) -> None:
        await asyncio.to_thread(self._store.delete_session, self._owner, thread_id)

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
