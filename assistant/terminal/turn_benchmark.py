"""What a turn of the chat page costs here: time beside the bare model, SQL beside a short conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from assistant.settings import Settings
from assistant.turn import LOCAL_OWNER, Reply, Turn
from assistant.wiring import build_conversation, build_runtime
from flux_runtime.benchmark import PREVIEWS, PROMPT, SEED, Row, compare
from flux_runtime.errors import Broken
from flux_runtime.interface import GenerateRequest
from sessions.records import NewImage
from sessions.store import SessionStore

MANY, FEW = 150, 5


def measure_turn(
    settings: Settings, *, n: int, on_progress: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Rows in the form of `flux_runtime.benchmark`.

    The turn draws by command, so that no planning is in it, with the page's previews, and is stored in an
    empty folder; the bare model draws the same picture. Its SQL statements are counted in a conversation of
    `MANY` pictures, and in one of `FEW`.

    Raises:
        FluxRuntimeError: the model cannot be loaded, or a turn failed.
    """
    with TemporaryDirectory() as folder:
        runtime = build_runtime(settings)
        conversation = build_conversation(
            settings.model_copy(update={"data_dir": Path(folder)}), runtime=runtime
        )
        turn = Turn(text=PROMPT, command="generate", seed=SEED, previews=PREVIEWS, channel="chat")
        request = GenerateRequest(prompt=PROMPT, seed=SEED)
        with asyncio.Runner() as runner:

            def take(session: str = "default") -> None:
                taken = turn.model_copy(update={"session": session})
                _check(runner.run(conversation.take_turn(taken, on_event=lambda _: None)))

            try:
                width, height = runtime.capabilities.default_size
                name = f"page turn that draws {width}x{height}"
                time = compare(name, take, lambda: runtime.generate(request), n, on_progress)
                many, few = (_statements(conversation.store, count, take) for count in (MANY, FEW))
            finally:
                conversation.close()
    sql = Row(f"SQL of a turn at {MANY} pictures", many, "statements", few, round(few / many, 2), 1, 0)
    return [time._asdict(), sql._asdict()]


def _statements(store: SessionStore, pictures: int, take: Callable[[str], None]) -> int:
    """How many statements a turn executes in a conversation of so many pictures."""
    session = store.session(LOCAL_OWNER, f"{pictures} pictures")
    before = store.begin_turn(session, key="before", fingerprint="", text="", channel="bench").id
    for index in range(pictures):
        store.images.add(session, before, 0, index, Image.new("RGB", (4, 4)), NewImage(op="upload"))
    store.finish_turn(LOCAL_OWNER, before, status="replied", plan=None, reply={}, seconds=0.0)
    with store.counting() as executed:
        take(session.name)
    return len(executed)


def _check(reply: Reply) -> None:
    if reply.error:
        raise Broken(f"A turn failed: {reply.error.message}", stage=reply.error.stage)
