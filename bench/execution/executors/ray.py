"""Workers on a Ray cluster, given or started on this machine.

The run folder and plugin files must be on a disk that all nodes share under the same path: workers write the
audio themselves and send back rows. Every node needs tunebench and the models' dependencies installed.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from bench.config.run_config import ExecutorConfig
from bench.contracts.plugin_modules import ROOT
from bench.errors import MissingError, UsageError
from bench.execution.executors import ray_node
from bench.execution.executors.base import LONGEST_WAIT, Key, Result, Task, TaskLost
from bench.execution.executors.crash_report import crashed_stack, explain_crash, signal_of
from bench.execution.executors.local import THREAD_VARIABLES
from bench.execution.executors.worker import UNNAMED
from bench.process_lifetime import Guarded

_START_PATIENCE = 600.0  # seconds; a cluster may have to start a machine first
_PROTECTION = "RAY_AUTH_MODE"
_MOST_FAILED_STARTS = 3  # this many workers in a row dying before their first task are not an accident


class _Worker:
    """An actor and its state: starting, one task, or idle."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.key: Any = None
        self.task: Task[Any] | None = None
        self.pending: Any = actor.start.remote()
        self.deadline = time.monotonic() + _START_PATIENCE
        self.stack: Path | None = None

    def give(self, key: object, task: Task[Any], timeout: float) -> None:
        self.key, self.task, self.deadline = key, task, time.monotonic() + timeout * task.size
        self.pending = self.actor.perform.remote(task)


class RayExecutor:
    """A fixed number of actors with one task each; one that dies or hangs is replaced and only its own task is lost."""

    def __init__(self, config: ExecutorConfig, crashes: Path | None = None) -> None:
        if config.address is None and "ray" not in sys.modules:
            # As when Ray starts a cluster itself: other users of this machine cannot use it. Read on import.
            os.environ.setdefault(_PROTECTION, "token")
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingError("ray is not installed: pip install 'tunebench[ray]'") from None
        self._ray = ray
        self._config = config
        self._crashes = crashes.resolve() if crashes else None
        self._workers: list[_Worker] = []
        self._started = False
        self._failed_starts = 0
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> RayExecutor:
        with contextlib.ExitStack() as stack:
            # Ray logs events of its workers to stdout, which is for results.
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
            if not self._ray.is_initialized():
                self._connect(stack)
            self._count = self._affordable()
            self._actor = self._ray.remote(_actor_class()).options(
                num_cpus=self._config.threads,
                num_gpus=self._config.gpus,
                runtime_env={"env_vars": dict.fromkeys(THREAD_VARIABLES, str(self._config.threads))},
            )
            if self._crashes:
                stack.callback(_remove_empty, self._crashes)
            stack.callback(self._terminate_all)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def map(self, tasks: Iterator[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result | TaskLost]]:
        waiting: deque[tuple[Key, Task[Result]]] = deque()
        while True:
            busy = sum(worker.task is not None for worker in self._workers)
            waiting += islice(tasks, self._count - busy - len(waiting))
            if not waiting and not busy:
                return
            while len(self._workers) < busy + len(waiting):
                crashes = None if self._crashes is None else str(self._crashes)
                self._workers.append(_Worker(self._actor.remote(str(ROOT), crashes)))
            for worker in self._workers:
                if waiting and worker.pending is None:
                    worker.give(*waiting.popleft(), self._config.timeout)
            yield from self._finished()

    def _finished(self) -> Iterator[tuple[Any, Any]]:
        pending = {worker.pending: worker for worker in self._workers if worker.pending is not None}
        patience = min(worker.deadline for worker in pending.values()) - time.monotonic()
        ready, _ = self._ray.wait(list(pending), timeout=min(max(0.0, patience), LONGEST_WAIT))
        for worker in (pending[reference] for reference in ready):
            task, worker.task = worker.task, None
            try:
                result, worker.pending = self._ray.get(worker.pending), None
                self._started, self._failed_starts = True, 0
                if task is None:
                    worker.stack = Path(result) if result else None
            except self._ray.exceptions.RayError as error:
                result = self._lost(worker, task, _last_line(error))
                self._terminate(worker)
            if task is not None:
                yield worker.key, result
        for worker in [w for w in self._workers if w.pending is not None and w.deadline <= time.monotonic()]:
            if worker.task is not None:
                self._terminate(worker)
                limit = self._config.timeout * worker.task.size
                yield worker.key, TaskLost("died", f"took longer than {limit:g} s (executor.timeout)")
            elif self._started:
                worker.deadline = math.inf  # there is no room for it yet; the others continue
            else:
                raise UsageError(f"Ray started no worker in {_START_PATIENCE:g} s: there must be {self._request()}")

    def _lost(self, worker: _Worker, task: Task[Any] | None, message: str) -> TaskLost:
        if task is None:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise UsageError(
                    f"Ray workers cannot start: {message}; every node needs tunebench and {self._request()}"
                )
        elif worker.stack and (dump := _read(worker.stack)) and (frames := crashed_stack(dump)):
            crash = explain_crash(signal_of(dump), frames, dump, task.doing, task.subject, self._crashes)
            return TaskLost("died", f"its Ray worker was killed by {crash}")
        return TaskLost("died", f"its Ray worker is gone: {message}", may_pass=True)

    def _connect(self, stack: contextlib.ExitStack) -> None:
        # Disable Ray's usage reports.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        handler = signal.getsignal(signal.SIGTERM)
        address = self._config.address
        try:
            if address is None:
                cluster = _started_here(max(1, self._config.worker_count) * self._config.threads, stack)
            else:
                _check_reachable(address)
                cluster = address
            stack.callback(self._ray.shutdown)
            self._ray.init(address=cluster, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            where = f"at {address} (executor.address)" if address else "could be started on this machine"
            raise UsageError(f"no Ray cluster {where}: {_last_line(error)}") from error
        finally:
            # Ray's own handler would exit with code 15 without saying what was stored.
            with contextlib.suppress(ValueError):  # outside the main thread
                signal.signal(signal.SIGTERM, handler)

    def _affordable(self) -> int:
        """Return the number of workers: as requested, or as many as the cluster can hold now."""
        if self._config.workers is not None:
            return max(1, self._config.workers)
        has = self._ray.cluster_resources()
        room = has.get("CPU", 0) // self._config.threads
        if self._config.gpus:
            room = min(room, has.get("GPU", 0) // self._config.gpus)
        return max(1, int(room))

    def _request(self) -> str:
        return f"{self._config.threads} CPUs and {self._config.gpus:g} GPUs free for each worker"

    def _terminate(self, worker: _Worker) -> None:
        self._ray.kill(worker.actor)
        self._workers.remove(worker)
        if worker.stack:
            with contextlib.suppress(OSError):
                worker.stack.unlink()

    def _terminate_all(self) -> None:
        for worker in list(self._workers):
            self._terminate(worker)


def _actor_class() -> type:
    """Return the class of the actors, made here so that Ray sends its code, too.

    A class that Ray finds by module name would be imported before the worker knows the path of our package: in a
    working folder with its own ``bench`` or ``models``, it would be the wrong one.
    """

    class Performer:
        def __init__(self, root: str, crashes: str | None) -> None:
            import sys

            sys.path.insert(0, root)
            from bench.execution.executors.worker import open_stack_file
            from bench.execution.executors.worker_state import WorkerState
            from bench.library_setup import set_up_libraries

            set_up_libraries()
            # Kept open while a crash may write to it.
            self._stack = open_stack_file(crashes) if crashes else None
            self._bench = WorkerState()

        def start(self) -> str | None:
            """Return the file for its stack, once the worker has started."""
            return self._stack.name if self._stack else None

        def perform(self, task: Any) -> Any:
            from bench.execution.executors.perform import perform

            return perform(task, self._bench)

    return Performer


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _remove_empty(crashes: Path) -> None:
    """Remove empty stack files left by workers, and the folder if no worker crashed."""
    for file in crashes.glob(f"{UNNAMED}*"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        crashes.rmdir()


def _started_here(cpus: int, stack: contextlib.ExitStack) -> str:
    """Start a cluster on this machine only, which ends with ``stack`` or with this process, and return its address.

    Raises:
        OSError, RuntimeError: it cannot be started.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading) as answers:
        try:
            # Needed if Ray was imported before.
            environment = {**os.environ, _PROTECTION: os.environ.get(_PROTECTION, "disabled")}
            command = [sys.executable, "-P", ray_node.__file__, str(cpus)]
            node = Guarded(command, stdout=writing, env=environment)
        finally:
            os.close(writing)
        stack.callback(node.stop)
        answer = answers.readline().strip()
    if not answer or answer.startswith("failed"):
        raise RuntimeError(answer.removeprefix("failed ") or "it ended while starting")
    return answer


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing listens at ``host:port``; Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _last_line(error: Exception) -> str:
    """Return the first sentence of the last line of one of Ray's long messages, which says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].partition(". ")[0] if lines else type(error).__name__
