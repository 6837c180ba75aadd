"""The user's cache folder, for results computed by commands that only read a run.

Everything here can be removed at any time, and costs only the time to recompute it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ENDING = ".entry"
_TEMPORARY = ".part"


def cache_folder(name: str) -> Path:
    """Return the folder of entries of one kind; it need not exist.

    ``$XDG_CACHE_HOME/tunebench`` or ``~/.cache/tunebench``, ``~/Library/Caches/tunebench`` on macOS.

    Raises:
        RuntimeError: the user's home folder is unknown.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # the standard says to ignore relative ones
        return given / "tunebench" / name
    home = Path.home()
    return (home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache") / "tunebench" / name


class UserCache:
    """Small values by key, one file each, in the user's cache folder.

    Any number of processes may read and write at once. A damaged entry is ignored, and if the folder cannot be
    used, nothing is kept; neither raises.

    Args:
        name: the kind of entries.
        most_bytes: total size limit; least recently used entries are removed first.
    """

    def __init__(self, name: str, most_bytes: int) -> None:
        try:
            self._folder: Path | None = cache_folder(name)
        except RuntimeError:
            self._folder = None
        self._most_bytes = most_bytes
        self._added = False

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        if self._folder is None:
            return None
        path = self._path(self._folder, key)
        try:
            digest, content = path.read_bytes().split(b"\n", 1)
        except (OSError, ValueError):
            return None
        if digest != _digest(key, content):
            return None
        with suppress(OSError):
            os.utime(path)  # mark as used
        return content

    def put(self, key: str, content: bytes) -> None:
        """Store a value under a key, which must cover everything that the value depends on."""
        if self._folder is None:
            return
        path = self._path(self._folder, key)
        # No fsync: an entry damaged by a power cut is made again.
        temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_digest(key, content) + b"\n" + content)
            temporary.replace(path)
            self._added = True
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def trim(self) -> None:
        """Remove entries over the limit, if anything was stored."""
        if self._folder is not None and self._added:
            trim(self._folder, self._most_bytes)
            self._added = False

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}{_ENDING}"


@contextmanager
def cached_files(name: str, most_bytes: int) -> Iterator[Path]:
    """Yield a cache folder for files that are slow to make; a temporary one if that is not usable.

    Writers replace files atomically, and file names cover everything that the content depends on. Before the block,
    the least recently used files are removed if all of them take more than ``most_bytes``.
    """
    try:
        folder = cache_folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):
        with tempfile.TemporaryDirectory(prefix="tunebench-") as temporary:
            yield Path(temporary)
        return
    trim(folder, most_bytes)
    yield folder


def trim(folder: Path, most_bytes: int) -> None:
    """Remove files of a folder, least recently used first, until all take at most ``most_bytes``."""
    found = []
    try:
        for path in folder.iterdir():
            with suppress(OSError):
                state = path.lstat()
                if stat.S_ISREG(state.st_mode):
                    found.append((state.st_mtime_ns, state.st_size, path))
    except OSError:
        return
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most_bytes:
            return
        with suppress(OSError):
            path.unlink()
            total -= size


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\n" + content).hexdigest().encode()
