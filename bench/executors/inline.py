"""Doing the work in the calling process: for debugging, and where starting processes is not allowed."""

from __future__ import annotations

from collections.abc import Iterator

from bench.executors import Outcome, TaskLost
from bench.executors.perform import perform
from bench.task import Task
from bench.workbench import Workbench


class InlineExecutor:
    """One task after the other, here. A crash takes the driver with it, and there is no time limit."""

    def __init__(self) -> None:
        self._bench = Workbench()

    def __enter__(self) -> InlineExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self._bench.release()

    def map(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome | TaskLost]]:
        for task in tasks:
            yield task, perform(task, self._bench)
