"""Open only regular files that a user named, since reading a pipe or a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading in binary; follow links, and never block.

    Raises:
        OSError: it does not exist, is a folder, a pipe, a socket or a device, or is not readable; ``strerror`` says
            which.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most: int = -1) -> bytes:
    """Return the content of a regular file, or its first ``most`` bytes.

    Raises:
        OSError: as `open_regular`, or reading fails.
    """
    with open_regular(path) as file:
        return file.read(most)


def check_regular(path: Path) -> int:
    """Check that a path is a regular file or a link to one; return its size in bytes.

    Raises:
        OSError: as `open_regular`.
    """
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size


def _check(path: Path, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'no file')}, not a regular file", str(path))
