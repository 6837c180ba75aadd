"""A lock on a folder, held until its process ends."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import IO

from bench.errors import UsageError

_NAME = "run.lock"
_TRIES, _PAUSE = 3, 0.02  # seconds: a reader that checks the lock holds it briefly itself


def take(path: Path) -> IO[str] | None:
    """Lock a file, making it if it does not exist; None if another process holds it.

    The kernel drops the lock when the file is closed or this process dies, in any way. A disk without locks
    is refused, since a mere lock file would outlive a killed holder.

    Raises:
        OSError: the file cannot be made, or the disk does not support locks.
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


def is_held(folder: Path) -> bool:
    """Return whether a process holds the lock of a folder, as `take_lock` takes it, without writing.

    On a disk without locks, none is held.
    """
    import fcntl

    try:
        with (folder / _NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def take_lock(folder: Path) -> IO[str]:
    """Make the folder and take its lock, which the kernel releases when this process ends in any way.

    Raises:
        UsageError: another process holds it (named with its host), or the folder cannot be written to.
    """
    path = folder / _NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = take(path)
        for _ in range(_TRIES):
            if lock is not None:
                break
            time.sleep(_PAUSE)
            lock = take(path)
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}; fix permissions, or use another folder"
        ) from error
    if lock is None:
        owner = path.read_text(encoding="utf-8").strip() or "another process"
        raise UsageError(f"{folder} is in use by {owner}; wait for it, or use another folder")
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    lock.flush()
    return lock
