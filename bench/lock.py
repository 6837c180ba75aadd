"""A lock on a folder that lasts as long as its holder."""

from __future__ import annotations

from pathlib import Path
from typing import IO


def take(path: Path) -> IO[str] | None:
    """Lock a file, making it if it does not exist; None where another process has.

    The kernel drops the lock when the file is closed or this process dies, however it dies. A disk that knows no locks
    is refused: a file that only says "taken" would outlive a holder that is killed.

    Raises:
        OSError: the file cannot be made, or the disk knows no locks.
    """
    from filelock import lock_descriptor

    lock = path.open("a+", encoding="utf-8")
    try:
        taken = lock_descriptor(lock.fileno(), blocking=False)
    except BaseException:
        lock.close()
        raise
    if taken:
        return lock
    lock.close()
    return None
