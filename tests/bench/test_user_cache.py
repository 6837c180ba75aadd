"""The user's folder for caches: what is kept, what is believed, and what goes first."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from bench.user_cache import UserCache, cache_folder, cached_files, trim


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tunebench" / "kind"


@pytest.mark.parametrize(("given", "expected"), [("/somewhere", "/somewhere"), ("", None), ("relative", None)])
@pytest.mark.parametrize(("platform", "usual"), [("linux", "/home/me/.cache"), ("darwin", "/home/me/Library/Caches")])
def test_the_folder_is_the_users(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str | None, platform: str, usual: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder("kind") == Path(expected or usual) / "tunebench/kind"


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n\x00", bytes(100_000)])
def test_what_was_put_is_found_under_its_key_alone(folder: Path, content: bytes) -> None:
    cache = UserCache("kind", 10**6)
    cache.put("../key\n\x00", content)
    assert UserCache("kind", 10**6).get("../key\n\x00") == content
    assert cache.get("other") is None
    assert [file.parent for file in folder.parent.rglob("*.*")] == [folder]


def test_no_flipped_bit_is_believed(folder: Path) -> None:
    cache = UserCache("kind", 10**6)
    cache.put("key", b"0.25")
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        assert cache.get("key") is None
    # Nor is another key's entry.
    cache.put("other", b"0.5")
    (other,) = set(folder.iterdir()) - {file}
    other.replace(file)
    assert cache.get("key") is None


def test_what_was_not_used_for_longest_goes_first(folder: Path) -> None:
    cache = UserCache("kind", 1000)
    for place in range(20):
        cache.put(str(place), bytes(100))
        for file in set(folder.iterdir()):
            os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns - 10**9))
    assert cache.get("0") is not None  # it was used just now
    cache.trim()
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 1000
    assert [place for place in range(20) if cache.get(str(place)) is not None] == [0, *range(15, 20)]


def test_readers_and_writers_may_work_at_once(folder: Path) -> None:
    wrong: list[bytes | None] = []

    def work(own: int) -> None:
        cache = UserCache("kind", 3000)
        for turn in range(100):
            cache.put("key", bytes([turn % 7]) * 500)
            found = cache.get("key")
            if found is not None and (len(found) != 500 or len(set(found)) != 1):
                wrong.append(found)
            cache.put(f"{own} {turn}", b"x")
            cache.trim()

    threads = [threading.Thread(target=work, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not list(folder.glob("*.part"))


def test_a_folder_that_cannot_be_used_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), "/dev/null", "/proc"):
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        cache = UserCache("kind", 1000)
        cache.put("key", b"value")
        cache.trim()
        assert cache.get("key") is None
        with cached_files("kind", 1000) as folder:
            (folder / "file").write_text("made")
        assert not folder.exists()


def test_files_stay_until_they_are_too_many(folder: Path) -> None:
    with cached_files("kind", 100) as own:
        assert own == folder
        (own / "file").write_bytes(bytes(80))
    with cached_files("kind", 100) as own:
        assert (own / "file").exists()
        (own / "later").write_bytes(bytes(80))
        os.utime(own / "file", (0, 0))
    with cached_files("kind", 100) as own:
        assert [file.name for file in own.iterdir()] == ["later"]
    trim(folder / "none", 0)
