"""`Conversation`: the one door for every channel. A turn goes in, a reply comes out; asked again, the same.

Turns of one session run one after the other, in this process and across processes; those of several sessions
run side by side. Nothing here knows how a channel looks or how a model works.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from assistant.graph import build_graph
from assistant.graph import reply as keep_reply
from assistant.graph_checkpoints import open_checkpoints
from assistant.phrases import language_of, say
from assistant.planning.message import attached_numbers, message_of
from assistant.planning.plan import Plan
from assistant.planning.planner import make_plan
from assistant.planning.source_resolution import Album
from assistant.reply import compose, failure_of
from assistant.screen import BadMessage, check_message, ingest_all, plain
from assistant.turn import Reply, Turn
from assistant.turn_state import TurnRun, TurnState
from flux_runtime.errors import Cancelled
from flux_runtime.interface import OnEvent, Runtime
from sessions.records import SessionRecord
from sessions.store import SessionStore

MAX_RUNNING_TURNS = 64
"""Turns that run or wait for the model at once; more wait before they begin."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Conversation:
    """Every conversation with one store and one runtime.

    Args:
        store: the history; closed with the conversation.
        runtime: the model; closed with the conversation.
        folder: holds the turns in flight and the locks of sessions; made when missing.
    """

    def __init__(self, store: SessionStore, runtime: Runtime, folder: Path) -> None:
        self.store = store
        self.runtime = runtime
        self._locks_folder = folder / "locks"
        self._locks_folder.mkdir(parents=True, exist_ok=True)
        self._checkpoints = open_checkpoints(folder / "turns.db")
        self._graph = build_graph(self._checkpoints)
        self._threads = ThreadPoolExecutor(MAX_RUNNING_TURNS, thread_name_prefix="turn")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take_turn(
        self, turn: Turn, *, on_event: OnEvent | None = None, cancel: threading.Event | None = None
    ) -> Reply:
        """Do what the turn asks and reply; failures are replies too, with `error` set.

        With an idempotency key that the session has seen, the stored reply comes back and no model runs; a
        turn that a crash cut short is taken up where it was. `on_event` is called on another thread and must
        return quickly. Setting `cancel`, or cancelling this coroutine, stops the model; the turn is then kept
        as stopped.
        """
        cancel = cancel or threading.Event()
        session = await self._in_thread(self.store.session, turn.owner, turn.session)
        lock = self._locks.setdefault(session.id, asyncio.Lock())
        async with lock:
            try:
                return await self._in_thread(self._take, turn, session, on_event, cancel)
            except asyncio.CancelledError:
                # The thread goes on until the model looks at the flag, and holds the session's file lock.
                cancel.set()
                raise

    async def plan(self, turn: Turn) -> Plan:
        """What `take_turn` would do. Nothing is done or recorded.

        Raises:
            FluxRuntimeError: the message cannot be used (BadMessage, BadUpload), or the model could not plan.
        """
        return await self._in_thread(self._plan, turn)

    def close(self) -> None:
        """Let turns in flight end, then close the store, the runtime and what this opened itself."""
        self._threads.shutdown(wait=True)
        self._checkpoints.conn.close()
        self.runtime.close()
        self.store.close()

    def _take(
        self, turn: Turn, session: SessionRecord, on_event: OnEvent | None, cancel: threading.Event
    ) -> Reply:
        text, fingerprint = plain(turn.text), turn.fingerprint()
        key = turn.idempotency_key or uuid.uuid4().hex
        record = self.store.begin_turn(
            session, key=key, fingerprint=fingerprint, text=text, channel=turn.channel
        )
        run = TurnRun(turn, record.id, session, self.store, self.runtime, cancel, on_event)
        if record.fingerprint != fingerprint:
            used = BadMessage(say(run.language, "key_reused"), stage="screen")
            return compose({"failure": failure_of(used, run.language)}, run)
        if record.reply is None:
            # The same turn may be done by another process while this one waits for the lock or is stopped.
            try:
                with FileLock(self._locks_folder / f"{session.id}.lock").acquire(cancel_check=cancel.is_set):
                    record = self.store.get_turn(turn.owner, record.id)
                    if record.reply is None:
                        return self._run({"text": text}, run)
            except Timeout:
                record = self.store.get_turn(turn.owner, record.id)
                if record.reply is None:
                    stopped = failure_of(Cancelled("Stopped.", stage="queue"), run.language)
                    done = keep_reply({"text": text, "failure": stopped}, run)
                    return Reply.model_validate(done.get("reply"))
        return Reply.model_validate(record.reply)

    def _run(self, state: TurnState, run: TurnRun) -> Reply:
        """Run the graph, from where it was if a crash cut it short, and forget its checkpoints."""
        config: Any = {"configurable": {"thread_id": run.id}}
        try:
            cut_short = self._graph.get_state(config).next
            done = self._graph.invoke(None if cut_short else state, config, context=run, durability="sync")
        except Exception as error:
            _log.exception("turn %s failed", run.id)
            reached = {**state, **self._graph.get_state(config).values}
            failed = {**reached, "failure": failure_of(error, run.language)}
            done = keep_reply(cast(TurnState, failed), run)
        self._checkpoints.delete_thread(run.id)
        return Reply.model_validate(done.get("reply"))

    def _plan(self, turn: Turn) -> Plan:
        session = self.store.find_session(turn.owner, turn.session)
        images = self.store.images.of(session) if session else ()
        head = self.store.images.head(session) if session else None
        text = plain(turn.text)
        language = language_of(text or (session.title if session else ""))
        check_message(turn, text, {image.n for image in images}, language)
        first = self.store.images.next_number(session) if session else 1
        uploads = range(first, first + len(ingest_all(turn.attachments, language)))
        album = Album(images, attached_numbers(turn, uploads), head.n if head else None)
        last = self.store.last_turn(session) if session else None
        return make_plan(message_of(turn, text, language, last), album, self.runtime)

    async def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run blocking work on a thread of our own, with the caller's context variables."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(context.run, function, *arguments)
        )
