"""Files whose locks say, to every process, which turns are being worked on and which conversations.

The system frees a lock when its process ends, however it ends: a turn without a reply whose lock is free was
cut short. A turn's lock is taken before the turn is in the store, and its file goes away with the turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

POLL_SECONDS = 0.01
"""How long a turn sleeps between two looks at a lock that another process has."""


class TurnLocks:
    """The locks in one folder, which is made when missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def conversation(self, session: str) -> FileLock:
        """Held while a turn of that session runs."""
        return self._lock(f"{session}.lock")

    def turn(self, turn: str) -> FileLock:
        """Held from before a turn is in the store until it has its reply, or is given up."""
        return self._lock(f"{turn}.turn")

    def try_turn(self, turn: str) -> FileLock | None:
        """That turn's lock, held by the caller from now on; None if somebody has it."""
        lock = self.turn(turn)
        with suppress(Timeout):
            lock.acquire(blocking=False)
            return lock
        return None

    def give_up(self, turn_lock: FileLock) -> None:
        """Release a turn's lock, if it is held, and remove its file."""
        if turn_lock.is_locked:
            # While it is still held: whoever opened the file before sees that it is gone, and makes it anew.
            with suppress(OSError):
                Path(turn_lock.lock_file).unlink()
            turn_lock.release()

    @contextmanager
    def both_if_free(self, session: str, turn: str) -> Iterator[bool]:
        """Hold the locks of a turn and of its conversation, if nobody has either; says whether it does."""
        with ExitStack() as held:
            lock = self.try_turn(turn)
            if lock is None:
                yield False
                return
            held.callback(self.give_up, lock)
            try:
                held.enter_context(self.conversation(session).acquire(blocking=False))
            except Timeout:
                yield False
                return
            yield True

    def remove_left_over(self, limit: int) -> None:
        """Remove files of turns' locks that a process left when it was killed, at most `limit`."""
        for path in islice(self._folder.glob("*.turn"), limit):
            lock = self.try_turn(path.stem)
            if lock:
                self.give_up(lock)

    def _lock(self, name: str) -> FileLock:
        # A turn's lock is taken on one thread and released on another.
        return FileLock(self._folder / name, mode=0o600, thread_local=False, poll_interval=POLL_SECONDS)
