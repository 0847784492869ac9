"""What can go wrong beside the model, and every error as it is told to people: in their language, without our
insides. What to do about one is part of its sentence."""

from __future__ import annotations

import errno
import sqlite3

from assistant.phrases import Language, say
from assistant.turn_state import Failure
from flux_runtime.errors import Broken, Cancelled, FluxRuntimeError
from sessions.records import Damaged


class DiskFull(Broken):
    """There is no room to keep anything."""

    code = "disk_full"


class NotWritable(Broken):
    """The conversations' folder may not be written to."""

    code = "not_writable"


class HistoryBusy(Broken):
    """Another program holds the database for longer than we wait."""

    code = "history_busy"


class DiskFailed(Broken):
    """The disk could not be read or written."""

    code = "disk_failed"


class DamagedPicture(Broken):
    """The file of a stored picture is missing or is not what was stored."""

    code = "damaged_picture"


class CutShort(Broken):
    """The process ended before the turn did."""

    code = "cut_short"


class Unforeseen(Broken):
    """An error that nothing here expects; the log has it."""

    code = "internal"


class ConversationDeleted(FluxRuntimeError):
    """The conversation was deleted while the turn ran."""

    code = "conversation_deleted"


#: what SQLite says -> what that is
_DATABASE = {
    "disk is full": DiskFull,
    "readonly": NotWritable,
    "unable to open": NotWritable,
    "locked": HistoryBusy,
    "disk I/O": DiskFailed,
    "malformed": DiskFailed,
    "not a database": DiskFailed,
}
_FILES = {
    errno.ENOSPC: DiskFull,
    errno.EDQUOT: DiskFull,
    errno.EROFS: NotWritable,
    errno.EACCES: NotWritable,
    errno.EPERM: NotWritable,
    errno.EIO: DiskFailed,
}


def may_pass(code: str) -> bool:
    """Whether a request that failed with that code may succeed when it is made again."""
    return any(kind.may_pass for kind in FluxRuntimeError.kinds() if kind.code == code)


def told(kind: type[FluxRuntimeError], language: Language, stage: str) -> Failure:
    """A failure that has a sentence of its own."""
    return Failure(code=kind.code, stage=stage, message=say(language, kind.code))


def failure_of(error: Exception, language: Language) -> Failure:
    """An error of the runtime, of screening or of the store, as it is told to people."""
    if isinstance(error, Damaged):
        message = say(language, DamagedPicture.code, n=error.n)
        return Failure(code=DamagedPicture.code, stage="history", message=message)
    kind = _history_kind(error)
    if kind:
        return told(kind, language, "history")
    if not isinstance(error, FluxRuntimeError):
        return told(Unforeseen, language, "turn")
    if isinstance(error, Cancelled):
        return Failure(code=error.code, stage=error.stage, message=say(language, "stopped"))
    if error.code == Broken.code:  # told in words of the inside, which the log has
        return Failure(code=error.code, stage=error.stage, message=say(language, "internal"))
    return Failure(code=error.code, stage=error.stage, message=str(error))


def _history_kind(error: Exception) -> type[Broken] | None:
    """What an error of the database or of a file comes to, if it is one that is known."""
    if isinstance(error, sqlite3.Error):
        return next((kind for words, kind in _DATABASE.items() if words in str(error)), None)
    return _FILES.get(error.errno or 0) if isinstance(error, OSError) else None
