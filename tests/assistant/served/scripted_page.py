"""Run as a program: the chat page over a runtime without a model, on any free port; it prints its address.

Settings come from the environment, as for `flux-assistant chat`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from assistant.server import serve
from assistant.settings import Settings

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from conftest import ScriptedRuntime  # pyright: ignore[reportAttributeAccessIssue]

    serve(Settings(port=0), runtime=ScriptedRuntime())
