from __future__ import annotations

from sessions.heads import Heads


def test_undo_goes_back_one_image_at_a_time_and_stops_at_none() -> None:
    heads = Heads().push("a").push("b")
    assert heads.back().current == "a"
    assert heads.back().back().current is None
    assert heads.back().back().back() == heads.back().back()


def test_redo_returns_to_what_was_undone_and_stops_at_the_newest() -> None:
    heads = Heads().push("a").push("b")
    assert heads.back().forward() == heads
    assert heads.forward() == heads


def test_a_new_image_after_undo_forgets_what_was_undone() -> None:
    heads = Heads().push("a").push("b").back().push("c")
    assert heads.current == "c"
    assert heads.forward().current == "c"
    assert heads.back().current == "a"
