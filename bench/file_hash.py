"""Hashes of files, computed once for each state of a file, and a record of the files that an identity depends on."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from bench.errors import DataError
from bench.regular_file import open_regular
from bench.user_cache import UserCache

_SETTLED = 2 * 10**9
"""Nanoseconds after which a change is visible in a file's times: some file systems round to 2 seconds."""
_MOST_KEPT = 1 << 16
_MOST_BYTES = 4_000_000  # of the user's cache, some 20,000 hashes


class FileChanged(DataError):
    """A file changed after the run was planned, so results would be stored under the wrong identity."""


class FileState(NamedTuple):
    """Properties of a file that change with its content; times in nanoseconds.

    ``changed`` is set by the system only; it reveals an edit that keeps the size and resets ``modified``.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class HashedFile(NamedTuple):
    """SHA-256 of a file's bytes, and the state that the file was in."""

    sha256: str
    state: FileState


_hashes: dict[FileState, str] = {}
_noted: ContextVar[tuple[dict[Path, HashedFile], ...]] = ContextVar("_noted", default=())


def hash_file(path: Path, lasting: bool = False) -> str:
    """Return SHA-256 of a regular file's bytes, computed once for each state of the file.

    Args:
        path: of the file; a link is followed.
        lasting: keep the hash in the user's cache, for other processes; for large files, such as weights.

    Raises:
        OSError: the file does not exist, is not readable, or is not regular.
    """
    with open_regular(path) as file:
        found = _hash_open(file, lasting)
    note_hash(path, found)
    return found.sha256


@contextmanager
def open_hashed(path: Path) -> Iterator[tuple[io.BufferedReader, HashedFile]]:
    """Open a regular file so that the bytes read are those hashed, even if a link to it changes.

    Raises:
        OSError: as `hash_file`.
        FileChanged: it was written to or removed before the end of the block.
    """
    with open_regular(path) as file:
        found = _hash_open(file, lasting=False)
        file.seek(0)
        yield file, found
        if file_state(os.fstat(file.fileno())) != found.state:
            raise FileChanged(f"{path} changed while it was read; run the same command again")


def note_hash(path: Path, found: HashedFile) -> None:
    """Record that an identity depends on a file that was hashed before, as `hash_file` does."""
    for notes in _noted.get():
        notes[path.absolute()] = found


def hash_bytes_of(path: Path) -> str:
    """Return SHA-256 of a regular file's bytes as they are now.

    Raises:
        OSError: as `hash_file`.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def hashed_files() -> Iterator[dict[Path, HashedFile]]:
    """Yield the files that `hash_file` hashes inside the block: those that an identity made there depends on."""
    notes: dict[Path, HashedFile] = {}
    token = _noted.set((*_noted.get(), notes))
    try:
        yield notes
    finally:
        _noted.reset(token)


def changed_file(before: Mapping[Path, HashedFile], now: Mapping[Path, HashedFile]) -> Path | None:
    """Return a file whose content differs, or that is in one mapping only; None if all are the same."""
    for path in [*before, *now]:
        was, found = before.get(path), now.get(path)
        if was is None or found is None or was.sha256 != found.sha256:
            return path
    return None


def touched_file(before: Mapping[Path, HashedFile], now: Mapping[Path, HashedFile]) -> Path | None:
    """Return a file that was written to between two checks, even if its content is the same; None if none was."""
    return next((path for path, was in before.items() if path in now and now[path].state != was.state), None)


def file_state(status: os.stat_result) -> FileState:
    """Return the state of a file as the system reports it."""
    return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _hash_open(file: io.BufferedReader, lasting: bool) -> HashedFile:
    state = file_state(os.fstat(file.fileno()))
    if known := _hashes.get(state):
        return HashedFile(known, state)
    if lasting and (kept := _cache().get(_key(state))):
        return HashedFile(kept.decode("ascii", "replace"), state)
    started = time.time_ns()
    found = hashlib.file_digest(file, "sha256").hexdigest()
    whole = file_state(os.fstat(file.fileno())) == state
    # A file that has just changed may change again without a new time.
    if whole and started - max(state.modified, state.changed) > _SETTLED:
        if len(_hashes) >= _MOST_KEPT:
            _hashes.clear()
        _hashes[state] = found
        if lasting:
            kept_here = _cache()
            kept_here.put(_key(state), found.encode())
            kept_here.trim()
    return HashedFile(found, state)


def _cache() -> UserCache:
    return UserCache("file-hashes", _MOST_BYTES)


def _key(state: FileState) -> str:
    """Return the cache key; it holds the machine's name, as device numbers differ between machines."""
    return f"{platform.node()} {' '.join(map(str, state))}"
