from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from sessions.image_files import ImageFiles


def test_a_file_is_named_by_the_hash_of_its_bytes_and_reads_back_equal(tmp_path: Path) -> None:
    files = ImageFiles(tmp_path)
    image = Image.new("RGB", (5, 3), (9, 8, 7))
    sha256 = files.save(image)
    assert hashlib.sha256(files.path(sha256).read_bytes()).hexdigest() == sha256
    opened = files.open(sha256)
    assert opened is not None
    assert opened.tobytes() == image.tobytes()


def test_equal_pixels_share_one_file(tmp_path: Path) -> None:
    files = ImageFiles(tmp_path)
    assert files.save(Image.new("RGB", (4, 4))) == files.save(Image.new("RGB", (4, 4)))
    assert len(list(tmp_path.rglob("*.png"))) == 1


def test_metadata_of_an_image_is_not_stored(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("place", "my home")
    source = tmp_path / "source.png"
    Image.new("RGB", (4, 4)).save(source, pnginfo=text)
    files = ImageFiles(tmp_path / "images")
    with Image.open(source) as image:
        sha256 = files.save(image)
    assert b"my home" not in files.path(sha256).read_bytes()


def test_a_file_that_another_process_takes_away_does_not_end_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ImageFiles(tmp_path)
    renamed, left = (tmp_path / "aa" / name for name in ("a.part", "b.part"))
    renamed.parent.mkdir()
    for path in (renamed, left):
        path.write_bytes(b"half a picture")
    stat = Path.stat

    def renamed_just_now(path: Path, **options: bool) -> os.stat_result:
        if path == renamed:
            path.unlink(missing_ok=True)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", renamed_just_now)
    assert files.sweep(set(), older_than=-60) == 1
    assert not left.exists()


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        ImageFiles(tmp_path).save(Image.new("RGB", (4, 4)))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("damage", [b"", b"other bytes", None])
def test_a_file_that_is_missing_or_damaged_is_noticed_and_written_anew_when_the_same_is_stored(
    tmp_path: Path, damage: bytes | None
) -> None:
    files = ImageFiles(tmp_path)
    image = Image.new("RGB", (4, 4), (1, 2, 3))
    sha256 = files.save(image)
    whole = files.read(sha256)
    if damage is None:
        files.path(sha256).unlink()
    else:
        files.path(sha256).write_bytes(damage)
    assert files.read(sha256) is None
    assert files.open(sha256) is None
    assert files.save(image) == sha256
    assert files.path(sha256).read_bytes() == whole
