"""Processes that never outlive whoever started them.

Whoever starts such a process holds one end of a pipe. The system closes that end when the holder is gone, for whatever
reason; no process can be killed too suddenly for that to work.

As a program, ``process_lifetime.py PROGRAM ARGUMENT …`` runs a command of which nothing stays: it is started as leader
of a process group, with the pipe as its standard input, and kills the whole group when the pipe is closed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress


def end_with_pipe(descriptor: int) -> None:
    """End this process as soon as the other end of a pipe is closed, even in the middle of a task.

    On Linux it also ends with the thread that started it, which no library that hogs the interpreter can prevent.

    Args:
        descriptor: the end to read from, which only the holder of the other end may write to; it may be closed later.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    _when_closed(os.dup(descriptor), lambda: os._exit(1))


def end_with_stdin() -> None:
    """Do so for the pipe that is this process's standard input; to whoever reads that later, it is empty."""
    end_with_pipe(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)


def run(command: list[str]) -> int:
    """Run a command and return its exit code: 128 + n if signal n ended it, 126 if it cannot be started."""
    _when_closed(0, lambda: os.killpg(0, signal.SIGKILL))
    try:
        code = subprocess.call(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return 126
    return code if code >= 0 else 128 - code


def _when_closed(descriptor: int, end: Callable[[], None]) -> None:
    def wait() -> None:
        with suppress(OSError):
            while os.read(descriptor, 1):
                pass
        end()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
