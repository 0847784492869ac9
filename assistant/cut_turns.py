"""Turns that their process did not live to end: each gets its reply, and its graph checkpoint goes.

Which turn that is, the locks say; nothing here touches one that some process works on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping
from typing import Any, cast

from langgraph.checkpoint.sqlite import SqliteSaver
from pydantic import ValidationError

from assistant import graph_checkpoints
from assistant.failures import ConversationDeleted, CutShort, told
from assistant.graph import TurnGraph, keep
from assistant.planning.plan import Plan
from assistant.reply import bare, compose
from assistant.turn import Turn
from assistant.turn_locks import TurnLocks
from assistant.turn_state import TurnRun, TurnState
from flux_runtime.interface import Runtime
from sessions.records import SessionRecord, TurnRecord
from sessions.store import SessionStore
from tools.toolbox import Toolbox

_log = logging.getLogger(__name__)


class CutTurns:
    """What is left of turns in the store, in the graph's checkpoints and as lock files."""

    def __init__(
        self,
        store: SessionStore,
        runtime: Runtime,
        checkpoints: SqliteSaver,
        graph: TurnGraph,
        locks: TurnLocks,
        tools: Toolbox,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._checkpoints = checkpoints
        self._graph = graph
        self._locks = locks
        self._tools = tools

    def close_all(self, limit: int) -> None:
        """End the oldest ones of all conversations, and remove what others left behind, at most `limit` each.

        What cannot be written now is left for the next start, or for its conversation's next turn.
        """
        try:
            for session, turn in self._store.unfinished(limit):
                with self._locks.both_if_free(session.id, turn.id) as free:
                    if free:
                        self.close(session, turn)
            for thread in graph_checkpoints.threads(self._checkpoints, limit):
                self._remove_left_over(thread)
            self._locks.remove_left_over(limit)
        except (sqlite3.Error, OSError) as error:
            _log.warning("what earlier processes left could not all be put right: %s", error)
        except Exception:  # whatever they left, it must not keep this process from starting
            _log.exception("what earlier processes left could not all be put right")

    def close(self, session: SessionRecord, turn: TurnRecord) -> None:
        """End one turn, unless it has its reply. The locks of both are the caller's.

        A turn of which only the reply was missing gets that one; any other is stopped, says so, and goes on
        where it was if it is sent again.

        Raises:
            sqlite3.Error, OSError: it could not be written; the turn is as it was.
        """
        turn = self._store.get_turn(turn.owner, turn.id)
        if turn.reply is None:
            self._close(session, turn)
        self._checkpoints.delete_thread(turn.id)

    def checkpoint(self, turn: str) -> tuple[dict[str, Any], bool]:
        """The state in the turn's graph checkpoint, {} if there is none; whether the graph can go on there.

        One that is damaged is none.

        Raises:
            sqlite3.Error: the file cannot be read or written just now.
        """
        try:
            snapshot = self._graph.get_state({"configurable": {"thread_id": turn}})
        except sqlite3.Error:
            raise
        except Exception:  # of whatever kind, depending on the bytes
            _log.exception("the graph checkpoint of turn %s cannot be read", turn)
            self._checkpoints.delete_thread(turn)
            return {}, False
        return snapshot.values, bool(snapshot.next)

    def reached(self, turn: TurnRecord, checkpoint: Mapping[str, Any]) -> TurnState:
        """How far the turn came: as its graph checkpoint says, or else what is kept of an earlier try."""
        before = turn.state or ({"plan": turn.plan} if turn.plan else {})
        state = {**before, **checkpoint, "text": turn.text}
        if "plan" in state and not self._is_readable(state["plan"]):  # of another version
            state = {"text": turn.text}
        return cast(TurnState, state)

    def _close(self, session: SessionRecord, turn: TurnRecord) -> None:
        asked = Turn(text=turn.text, session=session.name, owner=turn.owner, channel=turn.channel)
        run = TurnRun(
            asked, turn.id, session, self._store, self._runtime, threading.Event(), tools=self._tools
        )
        checkpoint, _ = self.checkpoint(turn.id)
        state, cut = self.reached(turn, checkpoint), told(CutShort, run.language, "turn")
        if not _is_done(state):
            state["failure"] = cut
        if self._store.is_deleted(session):
            deleted = told(ConversationDeleted, run.language, "turn")
            state, said = TurnState(failure=deleted), bare(deleted, asked, turn.id)
        else:
            try:
                said = compose(state, run)
            except (ValidationError, LookupError, TypeError):  # a state of another version
                _log.exception("turn %s was cut short and cannot be told in full", turn.id)
                said = bare(cut, asked, turn.id)
        keep(said, state, run)

    def _remove_left_over(self, thread: str) -> None:
        """Forget the checkpoint of a turn that has its reply, or that is in no store."""
        lock = self._locks.try_turn(thread)
        if lock is None:
            return
        try:
            if not self._store.is_unfinished(thread):
                self._checkpoints.delete_thread(thread)
        finally:
            self._locks.give_up(lock)

    def _is_readable(self, plan: object) -> bool:
        try:
            Plan.read(plan, self._tools)
        except ValidationError:
            return False
        return True


def _is_done(state: TurnState) -> bool:
    """Whether only the reply is missing."""
    if "failure" in state:
        return True
    return "plan" in state and len(state.get("outcomes", ())) == len(state["plan"]["steps"])
