"""Run as a program: the chat page over a runtime without a model, on any free port; it prints its address.

Settings come from the environment, as for `flux-assistant chat`, but for the data folder where one is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from assistant.server import serve
from assistant.settings import Settings

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from conftest import ScriptedRuntime  # pyright: ignore[reportAttributeAccessIssue]

    settings = Settings(port=0, data_dir=Path(sys.argv[1])) if len(sys.argv) > 1 else Settings(port=0)
    serve(settings, runtime=ScriptedRuntime())
