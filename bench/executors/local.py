"""Worker processes on this machine.

Each worker is a fresh interpreter joined to the driver by one pipe and has one task at a time, so a crash or a time-
out is known to be that task's. Workers are started as commands of their own: nothing of the driver's memory, locks or
``__main__`` is inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from bench.config import ExecutorConfig
from bench.executors import Outcome, TaskLost
from bench.making import GenerateTask
from bench.registry import ROOT
from bench.task import Task

# What numerical libraries read once, when they are imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Our root goes first, so that a folder of the user's called models/ cannot hide ours; -P keeps the working folder out.
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from bench.executors.worker import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
)


class _Worker:
    """One process and what it is doing."""

    def __init__(self, threads: int) -> None:
        ours, theirs = Pipe()
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        command = [sys.executable, "-P", "-c", _START, str(ROOT), str(theirs.fileno()), str(os.getpid())]
        # What a model prints goes to the driver's stderr, since stdout is for results.
        self.process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), env=environment, stdin=subprocess.DEVNULL, stdout=2, process_group=0
        )
        theirs.close()
        self.pipe: Connection[Task, Outcome | TaskLost] = ours
        self.task: Task | None = None
        self.deadline = float("inf")

    def give(self, task: Task, timeout: float) -> None:
        self.task, self.deadline = task, time.monotonic() + timeout * task.size
        self.pipe.send(task)

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.wait()

    def epitaph(self) -> str:
        code = self.process.wait()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"the worker was killed by {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"


class LocalExecutor:
    """A fixed number of worker processes; one that dies or hangs is replaced, and only its own task is lost."""

    def __init__(self, config: ExecutorConfig) -> None:
        self._config = config
        self._workers: list[_Worker] = []

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def map(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome | TaskLost]]:
        waiting: Task | None = next(tasks, None)
        while waiting is not None or any(worker.task for worker in self._workers):
            while waiting is not None and (worker := self._idle(waiting)):
                try:
                    worker.give(waiting, self._config.timeout)
                except OSError:  # it died while idle: the task never started
                    self._bury(worker)
                    continue
                waiting = next(tasks, None)
            yield from self._finished()

    def _idle(self, task: Task) -> _Worker | None:
        """A worker for the task; large models take turns in the first ones, so that no two are in memory at once."""
        count = self._config.worker_count
        if isinstance(task, GenerateTask):
            count = min(count, task.model.max_workers or count)
        for worker in self._workers[:count]:
            if worker.task is None:
                return worker
        if len(self._workers) < count:
            self._workers.append(_Worker(self._config.threads))
            return self._workers[-1]
        return None

    def _finished(self) -> Iterator[tuple[Task, Outcome | TaskLost]]:
        busy = {worker.pipe: worker for worker in self._workers if worker.task}
        patience = min(worker.deadline for worker in busy.values()) - time.monotonic()
        ready = wait(list(busy), timeout=max(0.0, patience))
        for worker in [busy[pipe] for pipe in ready if isinstance(pipe, Connection)]:
            task = worker.task
            assert task is not None
            try:
                result = worker.pipe.recv()
                worker.task = None
            except (EOFError, OSError):
                result = TaskLost("died", worker.epitaph())
                self._bury(worker)
            yield task, result
        for worker in list(self._workers):
            if worker.task and worker.deadline <= time.monotonic():
                task = worker.task
                self._bury(worker)
                limit = self._config.timeout * task.size
                yield task, TaskLost("died", f"took longer than {limit:g} s (executor.timeout)")

    def _bury(self, worker: _Worker) -> None:
        worker.stop()
        self._workers.remove(worker)
