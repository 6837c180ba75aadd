"""Hashes of files: computed once for each state, and never taken for those of another content."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import file_hash
from bench.errors import DataError
from bench.file_hash import FileChanged, hash_file, hashed_files, open_hashed, touched_file


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@given(st.lists(st.sampled_from([b"one", b"two", b"three"]), max_size=6), st.booleans())
def test_the_hash_is_that_of_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], back: bool
) -> None:
    """Whatever was there before, of the same size, and with its time put back."""
    path = tmp_path_factory.mktemp("hash") / "file"
    for content in contents:
        path.write_bytes(content)
        if back:
            os.utime(path, ns=(0, 0))
        assert hash_file(path, lasting=True) == sha256(content)


class TestLasting:
    @pytest.fixture(autouse=True)
    def _settled(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(file_hash, "_SETTLED", -(10**9))

    def _forget(self) -> None:
        """As another process."""
        file_hash._hashes.clear()

    def test_another_process_finds_it(self, tmp_path: Path) -> None:
        path = tmp_path / "weights"
        path.write_bytes(b"weights")
        assert hash_file(path, lasting=True) == sha256(b"weights")
        self._forget()
        entries = list((tmp_path / "cache").rglob("*.entry"))
        assert len(entries) == 1
        assert hash_file(path, lasting=True) == sha256(b"weights")
        assert list((tmp_path / "cache").rglob("*.entry")) == entries

    @pytest.mark.parametrize("how", ["edit", "edit and put the time back", "replace", "link"])
    def test_another_content_is_hashed_anew(self, tmp_path: Path, how: str) -> None:
        path, other = tmp_path / "weights", tmp_path / "other"
        path.write_bytes(b"one")
        other.write_bytes(b"two")
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        before = path.stat()
        assert hash_file(path, lasting=True) == sha256(b"one")
        if how == "replace":
            other.replace(path)
        elif how == "link":
            path.unlink()
            path.symlink_to(other)
        else:
            threading.Event().wait(0.02)  # longer than a tick of the clock that times are taken from
            path.write_bytes(b"two")
            if how != "edit":
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self._forget()
        assert hash_file(path, lasting=True) == sha256(b"two")

    def test_without_a_cache_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
        (tmp_path / "weights").write_bytes(b"weights")
        assert hash_file(tmp_path / "weights", lasting=True) == sha256(b"weights")


def test_what_has_only_just_changed_is_not_kept(tmp_path: Path) -> None:
    """A second edit within one tick of the disk's clock would look like the first."""
    (tmp_path / "new").write_bytes(b"new")
    hash_file(tmp_path / "new")
    assert file_hash.file_state((tmp_path / "new").stat()) not in file_hash._hashes


def test_what_is_read_is_what_was_hashed(tmp_path: Path) -> None:
    path, one, two = tmp_path / "file", tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    path.symlink_to(one)
    with open_hashed(path) as (file, found):
        path.unlink()
        path.symlink_to(two)
        assert sha256(file.read()) == found.sha256 == sha256(b"one")


@pytest.mark.parametrize("how", ["edit", "edit and put the time back", "replace"])
def test_what_is_written_to_while_it_is_read_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = path.stat()
    with pytest.raises(FileChanged) as refused, open_hashed(path):
        threading.Event().wait(0.02)
        if how == "replace":
            (tmp_path / "other").write_bytes(b"two")
            (tmp_path / "other").replace(path)
        else:
            path.write_bytes(b"two")
        if how.endswith("back"):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert isinstance(refused.value, DataError)
    assert str(path) in str(refused.value)


def test_an_identity_tells_its_files(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    with hashed_files() as outer:
        hash_file(a)
        with hashed_files() as inner:
            hash_file(b)
    assert (list(outer), list(inner)) == ([a, b], [b])
    threading.Event().wait(0.02)
    b.write_bytes(b"2")
    with hashed_files() as again:
        hash_file(b)
    assert touched_file(inner, again) == b
    assert file_hash.changed_file(inner, again) is None
    assert file_hash.changed_file(outer, again) == a


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):
        hash_file(tmp_path / "pipe")
