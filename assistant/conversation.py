"""`Conversation`: the one door for every channel. A turn goes in, a reply comes out; asked again, the same.

Turns of one session run one after the other in the order in which they came, in this process and across
processes; those of several sessions run side by side. Nothing here knows how a channel looks or how a model
works.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from filelock import FileLock, Timeout

from assistant.arrivals import Arrivals
from assistant.cut_turns import CutTurns
from assistant.failures import ConversationDeleted, Unforeseen, failure_of, may_pass, told
from assistant.graph import build_graph, keep
from assistant.graph_checkpoints import open_checkpoints, roll_back
from assistant.phrases import language_of, say
from assistant.planning.message import attached_numbers
from assistant.planning.plan import Plan
from assistant.planning.planner import make_plan
from assistant.planning.view import view
from assistant.reply import bare, compose
from assistant.screen import BadMessage, check_message, check_settings, ingest_all, plain
from assistant.turn import Reply, Turn
from assistant.turn_locks import TurnLocks
from assistant.turn_state import Failure, TurnRun, TurnState, resumable
from flux_runtime.errors import Broken, Cancelled, EngineClosed
from flux_runtime.interface import Envelope, OnEvent, Runtime
from sessions.records import NotFound, SessionRecord, TurnRecord
from sessions.store import SessionStore
from tools import TOOLS
from tools.contract import DrawingOptions
from tools.toolbox import Toolbox

MAX_RUNNING_TURNS = 64
"""Turns that run or wait for another process at once; more wait before they begin."""

MAX_CLOSED_AT_START = 100
"""Turns cut short that are closed before the first turn; more wait for their conversation's next turn."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class _Arrived(NamedTuple):
    """A turn that has its place in the history. Unless another process works on it, its lock is held."""

    session: SessionRecord
    record: TurnRecord
    lock: FileLock
    is_other: bool
    """The key was used before, for another message."""


class Conversation:
    """Every conversation with one store and one runtime.

    Turns that an earlier process did not live to end are closed when this is made.

    Args:
        store: the history; closed with the conversation.
        runtime: the model; closed with the conversation.
        folder: holds the turns in flight and the locks of sessions; made when missing.
        tools: what can be done in a turn.
        options: what is done around a drawing.
    """

    def __init__(
        self,
        store: SessionStore,
        runtime: Runtime,
        folder: Path,
        tools: Toolbox = TOOLS,
        options: DrawingOptions = DrawingOptions(),
    ) -> None:
        self.store = store
        self.runtime = runtime
        self.tools = tools
        self.options = options
        self._locks = TurnLocks(folder / "locks")
        self._checkpoints = open_checkpoints(folder / "turns.db")
        self._graph = build_graph(self._checkpoints)
        self._cut = CutTurns(store, runtime, self._checkpoints, self._graph, self._locks, tools)
        self._cut.close_all(MAX_CLOSED_AT_START)
        self._line = Arrivals()
        self._door = ThreadPoolExecutor(1, thread_name_prefix="arrival")
        self._threads = ThreadPoolExecutor(MAX_RUNNING_TURNS, thread_name_prefix="turn")

    async def take_turn(
        self, turn: Turn, *, on_event: OnEvent | None = None, cancel: threading.Event | None = None
    ) -> Reply:
        """Do what the turn asks and reply; whatever fails is a reply too, with `error` set.

        With an idempotency key that the session has seen, the stored reply comes back and no model runs. But
        a turn that failed for a reason that may pass, or was cut short, is taken up where it was; it is then
        the session's newest. One that was stopped stays stopped.

        `on_event` is called on another thread and must return quickly. Setting `cancel`, or cancelling this
        coroutine, stops the model; the turn is then kept as stopped.
        """
        cancel = cancel or threading.Event()
        context = contextvars.copy_context()
        # Both before anything is awaited: who comes first is first.
        place = self._line.join((turn.owner, turn.session))
        arriving = self._begin(self._door, self._arrive, turn)
        running: Future[Reply] | None = None
        take = partial(self._begin, self._threads, context.run, self._take, turn, arriving, on_event, cancel)
        try:
            await place.reached()
            running = take()
            return await asyncio.shield(asyncio.wrap_future(running))
        except asyncio.CancelledError:
            # The turn goes on until the model looks at the flag, and is kept as stopped.
            cancel.set()
            running = running or take()
            raise
        except EngineClosed:
            with suppress(Exception):  # of the arrival, if that came too late as well
                self._locks.give_up(arriving.result(0).lock)
            return bare(told(EngineClosed, language_of(turn.text), "turn"), turn, "")
        finally:
            (running or arriving).add_done_callback(lambda _: place.leave())

    async def plan(self, turn: Turn) -> Plan:
        """What `take_turn` would do. Nothing is done or recorded.

        Raises:
            FluxRuntimeError: the message cannot be used (BadMessage, BadUpload, BadSetting), the model could
                not plan, or all is closed.
        """
        context = contextvars.copy_context()
        return await asyncio.wrap_future(self._begin(self._threads, context.run, self._plan, turn))

    def close(self) -> None:
        """Let turns in flight end, then close the store, the runtime and what this opened itself."""
        self._door.shutdown(wait=True)
        self._threads.shutdown(wait=True)
        self._checkpoints.conn.close()
        self.runtime.close()
        self.store.close()

    def _begin(self, threads: ThreadPoolExecutor, work: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Run blocking work on a thread of our own; once all is closed, the future raises EngineClosed."""
        try:
            return threads.submit(work, *arguments)
        except RuntimeError:
            closed: Future[_T] = Future()
            closed.set_exception(EngineClosed("Closed.", stage="turn"))
            return closed

    def _arrive(self, turn: Turn) -> _Arrived:
        """Give the turn its place in the history, at once, whatever it has to wait for later.

        Its lock is taken before, so that no other process takes it for one that was cut short.
        """
        session = self.store.session(turn.owner, turn.session)
        key, fingerprint = turn.idempotency_key or uuid.uuid4().hex, turn.fingerprint()
        lock = self._locks.turn(self.store.turn_id(session, key))
        with suppress(Timeout):  # then the same turn is being done already
            lock.acquire(blocking=False)
        try:
            record = self.store.begin_turn(
                session, key=key, fingerprint=fingerprint, text=plain(turn.text), channel=turn.channel
            )
            is_other = record.fingerprint != fingerprint
            if lock.is_locked and not is_other and _may_be_tried_again(record):
                record = self.store.reopen_turn(turn.owner, record.id)
            return _Arrived(session, record, lock, is_other)
        except BaseException:
            self._locks.give_up(lock)
            raise

    def _take(
        self, turn: Turn, arriving: Future[_Arrived], on_event: OnEvent | None, cancel: threading.Event
    ) -> Reply:
        try:
            session, record, lock, is_other = arriving.result()
        except Exception as error:
            return bare(self._failure(error, turn), turn, "")
        run = TurnRun(
            turn, record.id, session, self.store, self.runtime, cancel, on_event, self.tools, self.options
        )
        try:
            if is_other:
                used = BadMessage(say(run.language, "key_reused"), stage="screen")
                return compose({"failure": failure_of(used, run.language)}, run)
            return self._answer(record, lock, run)
        except Exception as error:
            return bare(self._failure(error, turn, run), turn, run.id)
        finally:
            self._locks.give_up(lock)

    def _answer(self, record: TurnRecord, lock: FileLock, run: TurnRun) -> Reply:
        """The stored reply, or else that of the turn when its time has come."""
        if record.reply is None:
            stopped = run.cancel.is_set
            try:
                if not lock.is_locked:
                    lock.acquire(cancel_check=stopped)
                self._wait_for_earlier(run)
                with self._locks.conversation(run.session.id).acquire(cancel_check=stopped):
                    record = self.store.get_turn(run.turn.owner, run.id)
                    if record.reply is None:
                        return self._run(record, run)
            except Timeout:
                record = self.store.get_turn(run.turn.owner, run.id)
                if record.reply is None:
                    state = TurnState(failure=failure_of(Cancelled("Stopped.", stage="queue"), run.language))
                    said = compose(state, run)
                    if lock.is_locked:  # else another process works on it, and keeps what comes of it
                        keep(said, state, run)
                    return said
        return Reply.read(record.reply or {})

    def _wait_for_earlier(self, run: TurnRun) -> None:
        """Until every turn that came before has its reply. One that was cut short gets it here.

        Raises:
            Timeout: this turn was stopped meanwhile.
        """
        stopped = run.cancel.is_set
        while earlier := self.store.unfinished_before(run.session, run.id):
            lock = self._locks.turn(earlier.id)
            lock.acquire(cancel_check=stopped)
            try:
                with self._locks.conversation(run.session.id).acquire(cancel_check=stopped):
                    self._cut.close(run.session, earlier)
            finally:
                self._locks.give_up(lock)

    def _run(self, record: TurnRecord, run: TurnRun) -> Reply:
        """Run the graph, from where it was if a crash cut it short, and forget its checkpoints."""
        config: Any = {"configurable": {"thread_id": run.id}}
        try:
            checkpoint, can_go_on = self._cut.checkpoint(run.id)
            state = self._cut.reached(record, checkpoint)
            if can_go_on and "plan" in state and "failure" not in state:
                state = None  # the graph has it
            else:
                if checkpoint:
                    self._checkpoints.delete_thread(run.id)
                state = cast(TurnState, {"text": record.text, **resumable(state)})
            done = self._graph.invoke(state, config, context=run, durability="sync")
            said = Reply.model_validate(done.get("reply"))
            if self.store.is_deleted(run.session):
                said = bare(told(ConversationDeleted, run.language, "turn"), run.turn, run.id)
        except Exception as error:
            said = self._failed(error, record, run)
        try:
            # Without its reply in the store a turn is not over, and a later try goes on from the checkpoint.
            if not self.store.is_unfinished(run.id):
                self._checkpoints.delete_thread(run.id)
        except (sqlite3.Error, OSError) as error:
            _log.warning("the checkpoint of turn %s is left for the next start: %s", run.id, error)
        return said

    def _failed(self, error: Exception, record: TurnRecord, run: TurnRun) -> Reply:
        """What is said of a turn that could not go on; kept, if that can be."""
        failure = self._failure(error, run.turn, run)
        said = bare(failure, run.turn, run.id)
        try:
            roll_back(self._checkpoints)
            state = TurnState(failure=failure)
            if failure["code"] != ConversationDeleted.code:
                checkpoint, _ = self._cut.checkpoint(run.id)
                state = cast(TurnState, {**self._cut.reached(record, checkpoint), **state})
                said = compose(state, run)
            keep(said, state, run)
        except Exception as again:
            _log.warning("the reply of turn %s could not be kept: %s", run.id, again)
        return said

    def _failure(self, error: Exception, turn: Turn, run: TurnRun | None = None) -> Failure:
        """What went wrong, for people; what nobody expects is logged whole."""
        language = run.language if run else language_of(turn.text)
        with suppress(sqlite3.Error):
            # Who deletes a conversation takes away what its turns look for.
            if isinstance(error, NotFound) and (run is None or self.store.is_deleted(run.session)):
                return told(ConversationDeleted, language, "turn")
        failure = failure_of(error, language)
        if failure["code"] in (Unforeseen.code, Broken.code):
            _log.error("a turn failed", exc_info=error)
        else:
            _log.warning("a turn failed: %s", error)
        return failure

    def _plan(self, turn: Turn) -> Plan:
        session = self.store.find_session(turn.owner, turn.session)
        known = set(self.store.images.numbers(session)) if session else set()
        text = plain(turn.text)
        language = language_of(text or (session.title if session else ""))
        check_message(turn, text, known, language)
        check_settings(turn, language)
        first = self.store.images.next_number(session) if session else 1
        uploads = range(first, first + len(ingest_all(turn.attachments, language)))
        attached = attached_numbers(turn, uploads)
        message, album = view(self.store, session, turn, text, language, attached)
        envelope = Envelope(owner=turn.owner)
        return make_plan(message, album, self.runtime, self.tools, envelope=envelope)


def _may_be_tried_again(record: TurnRecord) -> bool:
    """Whether its reply is a failure that may have passed."""
    error = Reply.read(record.reply).error if record.reply else None
    return error is not None and may_pass(error.code)
