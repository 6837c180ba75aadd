"""A worker process: executes tasks from a pipe until it closes, and never outlives its driver."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from bench.errors import one_line
from bench.execution.executors.base import TaskLost
from bench.execution.executors.perform import perform
from bench.execution.executors.worker_state import WorkerState
from bench.library_setup import set_up_libraries

UNNAMED = ".worker-"
"""Prefix of files that hold a stack only if a worker crashes."""


def open_stack_file(crashes: str) -> IO[str] | None:
    """Make a crash of this process write its stack to a file in ``crashes``, visible to a driver on another machine.

    Return None if the folder is not shared with this machine.
    """
    try:
        Path(crashes).mkdir(exist_ok=True)
        file = (Path(crashes) / f"{UNNAMED}{socket.gethostname()}-{os.getpid()}.txt").open("w")
        faulthandler.enable(file)
        return file
    except OSError:
        return None


def serve(descriptor: int) -> None:
    """Execute tasks from the pipe ``descriptor``; the guard of this process ends it with the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
    set_up_libraries()
    pipe = Connection(descriptor)
    state = WorkerState()
    worker = os.getpid()
    while True:
        try:
            answer = _received_and_done(pipe, state)
            if os.getpid() != worker:  # a child forked by a plugin that returned here
                os._exit(0)
            pipe.send(answer)
        except (EOFError, OSError):
            return


def _received_and_done(pipe: Connection, state: WorkerState) -> object:
    try:
        task = pipe.recv()
    except (EOFError, OSError):
        raise
    except Exception as error:  # it refers to something only the driver can import, such as a function of a script
        return TaskLost("refused", f"a worker cannot load it ({one_line(error)}): define it in an installed package")
    try:
        return perform(task, state)
    except KeyboardInterrupt:  # not a signal: a plugin raised it
        return TaskLost("died", "KeyboardInterrupt")
