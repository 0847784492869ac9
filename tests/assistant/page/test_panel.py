"""What is read from the settings panel, whatever a browser says of it."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.page.panel import MOST_STEPS, read_panel
from flux_runtime.interface import MAX_SEED


def test_what_was_chosen_is_read_and_what_was_left_alone_is_none() -> None:
    assert read_panel({"size": "256×192", "steps": 12, "seed": " 7 "}) == (256, 192, 12, 7, frozenset())
    assert read_panel({"steps": 12.0, "seed": str(MAX_SEED)}) == (None, None, 12, MAX_SEED, frozenset())
    for blank in ({}, {"size": "", "steps": None, "seed": "  "}):
        assert read_panel(blank) == (None, None, None, None, frozenset())


@pytest.mark.parametrize(
    ("field", "said"),
    [
        *(
            ("size", said)
            for said in ("256x256", "256×", "×", "a×b", "256×256×256", "0×9", "99999×1", 256, [], {})
        ),
        *(("size", said) for said in ("-1×9", "256×256\n", "1e3×9", True)),
        *(
            ("steps", said)
            for said in ("many", 0, -1, 7.5, MOST_STEPS + 1, 1e300, float("nan"), [], {}, True)
        ),
        *(("seed", said) for said in ("-1", "1.5", "0x10", "9" * 5000, str(MAX_SEED + 1), "²", [], {}, True)),
    ],
)
def test_what_cannot_be_used_is_named_and_left_to_the_model(field: str, said: Any) -> None:
    assert read_panel({field: said}) == (None, None, None, None, {field})
