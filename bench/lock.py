"""A lock on a folder that lasts as long as its holder."""

from __future__ import annotations

from pathlib import Path
from typing import IO


def take(path: Path) -> IO[str] | None:
    """Lock a file, making it if it does not exist; None where another process has.

    The kernel drops the lock when the file is closed or this process dies, however it dies.

    Raises:
        OSError: the file cannot be made, or the disk knows no locks.
    """
    import fcntl

    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        if isinstance(error, BlockingIOError):
            return None
        raise
    return lock
