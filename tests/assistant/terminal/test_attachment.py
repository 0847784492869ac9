"""Files named on the command line: only regular ones within the limit are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant.screen import MAX_FILE_MEGABYTES
from assistant.terminal.attachment import read_attachment
from flux_runtime.errors import BadImage


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadImage, match="no regular file"):
        read_attachment(tmp_path / "pipe")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/stdin", "."])
def test_a_device_or_folder_is_never_read(path: str) -> None:
    with pytest.raises(BadImage):
        read_attachment(Path(path))


def test_a_file_past_the_limit_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(2**40)  # a sparse terabyte: reading it would not end
    with pytest.raises(BadImage, match="20 MB"):
        read_attachment(large)


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file.png"
    file.write_bytes(b"x" * MAX_FILE_MEGABYTES * 2**20)
    assert len(read_attachment(file)) == MAX_FILE_MEGABYTES * 2**20


@pytest.mark.parametrize("name", ["missing.png", "a\0b.png", "x" * 5000])
def test_a_name_that_cannot_be_opened_is_told_in_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadImage, match="cannot be read"):
        read_attachment(tmp_path / name)
