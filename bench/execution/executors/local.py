"""Worker processes on this machine.

Each worker is a fresh interpreter connected to the driver by one pipe with one task at a time, so a crash or a time-
out belongs to that task. Workers are started as separate commands: nothing of the driver's memory, locks or
``__main__`` is inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

from bench.config.run_config import ExecutorConfig
from bench.contracts.plugin_modules import ROOT
from bench.errors import UsageError
from bench.execution.executors.base import LONGEST_WAIT, Key, Result, Task, TaskLost
from bench.execution.executors.crash_report import explain_death
from bench.number_format import memory_text
from bench.process_lifetime import Guarded

# Variables that numerical libraries read once at import.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Our root goes first, so that a user's folder models/ cannot hide ours; -P excludes the working folder.
# From the first import on, a crash writes its stack.
_START = (
    "import faulthandler, sys; sys.argv[3] and faulthandler.enable(int(sys.argv[3])); sys.path.insert(0, sys.argv[1]); "
    "from bench.execution.executors.worker import serve; serve(int(sys.argv[2]))"
)
_LEAVING = 60.0  # seconds that a worker may take to end after closing its pipe, such as for a core dump
_WENT_ON = "the worker closed its pipe and kept running: something in it closes files that it does not own"
_MOST_FAILED_STARTS = 3  # this many workers in a row dying before their first task are not an accident


class _Worker:
    """A process and its current task."""

    def __init__(self, threads: int, memory: int | None) -> None:
        ours, theirs = Pipe()
        self._stack = _nameless_file()
        passed = [theirs.fileno(), *([self._stack.fileno()] if self._stack else [])]
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        command = [sys.executable, "-P", "-c", _START, str(ROOT), str(passed[0])]
        command += [str(passed[1]) if self._stack else ""]
        # Output of models goes to the driver's stderr, since stdout is for results.
        try:
            self.process = Guarded(command, memory, passed, scratch=True, env=environment, stdout=2)
        except OSError:
            ours.close()
            if self._stack:
                self._stack.close()
            raise
        finally:
            theirs.close()
        self.pipe: Connection[Task[Any], Any] = ours
        self._memory = memory
        self.key: Any = None
        self.task: Task[Any] | None = None
        self.deadline = float("inf")
        self.started = self.closed = False

    def give(self, key: object, task: Task[Any], timeout: float) -> None:
        self.key, self.task, self.deadline = key, task, time.monotonic() + timeout * task.size
        self.pipe.send(task)

    def received(self) -> list[Any]:
        """Return the result, if one was sent."""
        try:
            if not self.closed and self.pipe.poll():
                return [self.pipe.recv()]
        except (EOFError, OSError):
            self.closed = True
            self.deadline = min(self.deadline, time.monotonic() + _LEAVING)
        return []

    def stop(self) -> None:
        self.pipe.close()
        self.process.stop()
        if self._stack:
            self._stack.close()

    def death(self, crashes: Path | None) -> TaskLost:
        """Return why the worker died, and store its stack; call it before stopping the worker."""
        try:
            ending = self.process.wait(_LEAVING)
        except TimeoutError:
            return TaskLost("died", _WENT_ON)
        if ending.memory and self._memory:
            used, limit = memory_text(ending.memory), memory_text(self._memory)
            return TaskLost(
                "died", f"the worker used {used} of memory, more than the {limit} of executor.memory", may_pass=True
            )
        dump = ""
        if self._stack:
            self._stack.seek(0)
            dump = self._stack.read().decode(errors="replace")
        doing, subject = (self.task.doing, self.task.subject) if self.task else ("starting", "no task")
        why = explain_death(ending.code, dump, doing, subject, crashes)
        # No process does that itself: the system or a user killed it.
        return TaskLost("died", why, may_pass=ending.code == -signal.SIGKILL)


def _nameless_file() -> IO[bytes] | None:
    """Return a nameless file for a stack, which vanishes with its processes; None if the disk is full."""
    with contextlib.suppress(OSError):
        return tempfile.TemporaryFile()
    return None


class LocalExecutor:
    """A fixed number of worker processes; one that dies or hangs is replaced, and only its own task is lost."""

    def __init__(self, config: ExecutorConfig, crashes: Path | None = None) -> None:
        self._config = config
        self._crashes = crashes
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def map(self, tasks: Iterator[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result | TaskLost]]:
        waiting = next(tasks, None)
        while waiting is not None or any(worker.task for worker in self._workers):
            while waiting is not None and (worker := self._idle(waiting[1])):
                try:
                    worker.give(*waiting, self._config.timeout)
                except OSError:  # it died while idle: the task never started
                    self._replace_idle(worker)
                    continue
                waiting = next(tasks, None)
            yield from self._finished()

    def _idle(self, task: Task[Any]) -> _Worker | None:
        """Return a worker for the task; large models share the first ones, so that no two are in memory at once."""
        count = min(self._config.worker_count, task.max_workers or self._config.worker_count)
        for worker in self._workers[:count]:
            if worker.task is None:
                return worker
        if len(self._workers) < count:
            self._workers.append(_Worker(self._config.threads, self._config.memory))
            return self._workers[-1]
        return None

    def _finished(self) -> Iterator[tuple[Any, Any]]:
        busy = [worker for worker in self._workers if worker.task]
        patience = min(worker.deadline for worker in busy) - time.monotonic()
        # Children of a dead worker may hold its pipe, which then never closes.
        ends = [end for worker in busy for end in (worker.process.ended, *(() if worker.closed else (worker.pipe,)))]
        ready = wait(ends, timeout=min(max(0.0, patience), LONGEST_WAIT))
        for worker in [worker for worker in busy if worker.pipe in ready or worker.process.ended in ready]:
            if result := worker.received():
                worker.task, worker.started, self._failed_starts = None, True, 0
                yield worker.key, result[0]
            elif worker.process.ended in ready:
                lost = worker.death(self._crashes)
                self._terminate(worker)
                yield worker.key, lost
        for worker in list(self._workers):
            if worker.task and worker.deadline <= time.monotonic():
                self._terminate(worker)
                limit = self._config.timeout * worker.task.size
                late = f"took longer than {limit:g} s (executor.timeout)"
                yield worker.key, TaskLost("died", _WENT_ON if worker.closed else late)

    def _replace_idle(self, worker: _Worker) -> None:
        worker.task = None
        why = worker.death(self._crashes).message
        self._terminate(worker)
        self._failed_starts += not worker.started
        if self._failed_starts >= _MOST_FAILED_STARTS:
            raise UsageError(f"worker processes cannot start: {why}")

    def _terminate(self, worker: _Worker) -> None:
        worker.stop()
        self._workers.remove(worker)
