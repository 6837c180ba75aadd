"""Doing the work in the calling process: for debugging, and where starting processes is not allowed."""

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
    """One task after the other, here. A crash takes the driver with it, and there is no time limit.

    The first Ctrl-C is raised after the task at hand, which may be in the middle of native code; a second at once.

    The stack of such a crash goes to stderr.
    """

    def __init__(self) -> None:
        self._bench = WorkerState()
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> InlineExecutor:
        self._cleanup.callback(self._bench.release)
        if not faulthandler.is_enabled():
            # Where stderr is no file, there is nowhere to write to in a crash.
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
