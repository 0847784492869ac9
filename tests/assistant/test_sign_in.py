"""The token of the printed address, and the key that cookies are made with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from assistant.sign_in import EntryToken, sign_in_secret


def test_a_token_works_once_and_the_next_one_is_announced() -> None:
    announced: list[str] = []
    token = EntryToken(announced.append)
    token.renew()
    assert not token.spend(announced[0][:-1])
    assert token.spend(announced[0])
    assert not token.spend(announced[0])
    assert len(announced) == 2
    assert token.spend(announced[1])
    assert len(set(announced)) == 3


@pytest.mark.parametrize("given", ["", "None", "x" * 100_000, "令牌", "\ud800", "\x00"])
def test_nothing_else_is_taken_for_a_token(given: str) -> None:
    announced: list[str] = []
    token = EntryToken(announced.append)
    assert not token.spend(given)
    token.renew()
    assert not token.spend(given)
    assert len(announced) == 1


def test_the_sign_in_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = sign_in_secret(tmp_path / "data")
    assert len(first) == 64
    assert sign_in_secret(tmp_path / "data") == first
    assert sign_in_secret(tmp_path / "other") != first
    (file,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("left", ["", "\n", "abc"])
def test_a_key_that_was_cut_short_is_made_anew(tmp_path: Path, left: str) -> None:
    (tmp_path / "sign-in.key").write_text(left)
    made = sign_in_secret(tmp_path)
    assert len(made) == 64
    assert sign_in_secret(tmp_path) == made
