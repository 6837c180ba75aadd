"""Hashes of files: computed once for each state that a file is in, and which files an identity rests on."""

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
"""Nanoseconds after which a change shows in a file's times: the coarsest disks count seconds by twos."""
_MOST_KEPT = 1 << 16
_MOST_BYTES = 4_000_000  # of the user's cache, some 20,000 hashes


class FileChanged(DataError):
    """A file is not what it was when the run was planned, so that what it leads to would bear another's name."""


class FileState(NamedTuple):
    """What of a file changes with its content, as far as the disk tells; times in nanoseconds.

    ``changed`` is set by the system alone: it tells of an edit that keeps the size and puts ``modified`` back.
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
        lasting: keep the hash in the user's cache, for other processes; for files that take long, such as weights.

    Raises:
        OSError: there is none, it may not be read, or is not a regular file.
    """
    with open_regular(path) as file:
        found = _hash_open(file, lasting)
    note_hash(path, found)
    return found.sha256


@contextmanager
def open_hashed(path: Path) -> Iterator[tuple[io.BufferedReader, HashedFile]]:
    """Open a regular file to read the very bytes that its hash is of, wherever a link to it leads meanwhile.

    Raises:
        OSError: as `hash_file`.
        FileChanged: it was written to, or taken away, before the end of the block.
    """
    with open_regular(path) as file:
        found = _hash_open(file, lasting=False)
        file.seek(0)
        yield file, found
        if file_state(os.fstat(file.fileno())) != found.state:
            raise FileChanged(f"{path} was written to while it was read; run the same command again")


def note_hash(path: Path, found: HashedFile) -> None:
    """Say that an identity rests on a file, as `hash_file` does, of one that was hashed before."""
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
    """Yield the files whose hashes `hash_file` gives inside the block: what an identity that is made there rests on."""
    notes: dict[Path, HashedFile] = {}
    token = _noted.set((*_noted.get(), notes))
    try:
        yield notes
    finally:
        _noted.reset(token)


def changed_file(before: Mapping[Path, HashedFile], now: Mapping[Path, HashedFile]) -> Path | None:
    """Return a file that has another content now, or is there only once; None where all are the same."""
    for path in [*before, *now]:
        was, found = before.get(path), now.get(path)
        if was is None or found is None or was.sha256 != found.sha256:
            return path
    return None


def touched_file(before: Mapping[Path, HashedFile], now: Mapping[Path, HashedFile]) -> Path | None:
    """A file that was written to between two looks, even if its content is now what it was; None where none was."""
    return next((path for path, was in before.items() if path in now and now[path].state != was.state), None)


def file_state(status: os.stat_result) -> FileState:
    """Return the state of a file as the system tells it."""
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
    # A file that has only just changed may change again and look the same.
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
    """Return a home folder may be shared by machines, and a number of a device is a machine's own."""
    return f"{platform.node()} {' '.join(map(str, state))}"
