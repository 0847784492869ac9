"""How long a turn of the chat page takes here, beside the bare model's time for the same picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assistant.settings import Settings
from assistant.turn import Reply, Turn
from assistant.wiring import build_conversation, build_runtime
from flux_runtime.benchmark import PREVIEWS, PROMPT, SEED, compare
from flux_runtime.errors import Broken
from flux_runtime.interface import GenerateRequest


def measure_turn(
    settings: Settings, *, n: int, on_progress: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Rows in the form of `flux_runtime.benchmark`.

    The turn draws by command, so that no planning is in it, with the page's previews, and is stored in an
    empty folder; the bare model draws the same picture.

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

            def take() -> None:
                _check(runner.run(conversation.take_turn(turn, on_event=lambda _: None)))

            try:
                width, height = runtime.capabilities.default_size
                name = f"page turn that draws {width}x{height}"
                row = compare(name, take, lambda: runtime.generate(request), n, on_progress)
            finally:
                conversation.close()
    return [row._asdict()]


def _check(reply: Reply) -> None:
    if reply.error:
        raise Broken(f"A turn failed: {reply.error.message}", stage=reply.error.stage)
