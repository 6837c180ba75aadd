"""Files appear whole or not at all, and take the place of no device, pipe or folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.atomic_write import new_folder, replace_file, replacing
from bench.errors import UsageError


def test_a_block_that_raises_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    replace_file(file, "old")
    with pytest.raises(KeyError), replacing(file) as temporary:
        temporary.write_text("new")
        raise KeyError
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/null", "/dev/fd/1", "/proc/self/comm"])
def test_devices_stay(path: str) -> None:
    before = os.lstat(path).st_mode if os.path.lexists(path) else None
    with pytest.raises(UsageError):
        replace_file(Path(path), "x")
    assert (os.lstat(path).st_mode if os.path.lexists(path) else None) == before


def test_pipes_and_folders_stay(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", ".."):
        with pytest.raises(UsageError):
            replace_file(tmp_path / name, "x")
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "folder").is_dir()


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "new"
    with pytest.raises(KeyError), new_folder(folder) as whole:
        (whole / "a.txt").write_text("a")
        raise KeyError
    assert list((tmp_path / "deep").iterdir()) == []
    folder.mkdir()  # an empty one may be there
    with new_folder(folder) as whole:
        (whole / "a.txt").write_text("a")
        assert list(folder.iterdir()) == []
    assert [file.name for file in folder.iterdir()] == ["a.txt"] and list((tmp_path / "deep").iterdir()) == [folder]
    (tmp_path / "file").write_text("")
    for taken in (folder, tmp_path / "file"):
        with pytest.raises(UsageError), new_folder(taken):
            raise AssertionError


def test_what_the_disk_says_of_a_new_folder_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError), new_folder(tmp_path / "new"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
