"""Run pure jobs in several processes that always end with this one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from bench.errors import UsageError
from bench.process_lifetime import end_with_pipe

Result = TypeVar("Result")


def compute(jobs: Sequence[Callable[[], Result]], workers: int, done: Callable[[int], None]) -> list[Result]:
    """Return the results of the jobs, in their order.

    Args:
        jobs: picklable functions, longest first for the best use of workers.
        workers: number of processes; up to 1 works in this one.
        done: called with 1 after each job.

    Raises:
        UsageError: a process was killed.
        Exception: any exception of a job. Then, and on interruption, all processes end at once.
    """
    if workers <= 1 or len(jobs) <= 1:
        results = []
        for job in jobs:
            results.append(job())
            done(1)
        return results
    theirs, ours = Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), initializer=_end_with, initargs=(theirs,))
    with ours, theirs, pool:
        try:
            with _ctrl_c_waits():
                futures = [pool.submit(job) for job in jobs]
            for future in as_completed(futures):
                future.result()
                done(1)
        except BrokenProcessPool:
            raise UsageError("a worker process was killed, perhaps for lack of memory; use fewer workers") from None
        except BaseException:
            ours.close()  # which ends the workers immediately
            pool.shutdown(cancel_futures=True)
            raise
        return [future.result() for future in futures]


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Let processes started in the body ignore Ctrl-C, which reaches all of a terminal; this one handles it later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(pipe: Connection) -> None:
    """End as soon as the driver's end of the pipe is closed, explicitly or by its death."""
    end_with_pipe(pipe.fileno())
