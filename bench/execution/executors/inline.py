"""Execute tasks in the calling process, for debugging or if processes cannot be started."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import sys
from collections.abc import Iterator

from bench import interrupts
from bench.execution.executors.base import Key, Result, Task, TaskLost
from bench.execution.executors.perform import perform
from bench.execution.executors.worker_state import WorkerState


class InlineExecutor:
    """Execute tasks one after another in this process. A crash also kills the driver, and there is no time limit.

    The first Ctrl-C is raised after the current task, which may be in native code; a second at once.

    The stack of such a crash goes to stderr.
    """

    def __init__(self) -> None:
        self._bench = WorkerState()
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> InlineExecutor:
        self._cleanup.callback(self._bench.release)
        if not faulthandler.is_enabled():
            # If stderr is not a file, a crash cannot write to it.
            with contextlib.suppress(io.UnsupportedOperation, ValueError, AttributeError, RuntimeError):
                faulthandler.enable(sys.stderr)
                self._cleanup.callback(faulthandler.disable)
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def map(self, tasks: Iterator[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result | TaskLost]]:
        for key, task in tasks:
            with interrupts.held():
                result = perform(task, self._bench)
            yield key, result
