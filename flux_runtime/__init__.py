"""One multitask FLUX model in one process: it generates, answers and edits.

Names are loaded on first use, so that importing `flux_runtime.interface` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux_runtime.facade import FluxMultiTaskModel
    from flux_runtime.trio import FluxDevModel, FluxImageProcessor, FluxTokenizer

__all__ = ["FluxDevModel", "FluxImageProcessor", "FluxMultiTaskModel", "FluxTokenizer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "facade" if name == "FluxMultiTaskModel" else "trio"
    return getattr(import_module(f"{__name__}.{home}"), name)
