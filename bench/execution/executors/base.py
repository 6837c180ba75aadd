"""Where tasks run: in this process, in local processes, or on a Ray cluster. All give the same results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from bench.execution.task import Task
from bench.storage.task_results import ClipFailed, ClipMade, ClipScores, SetScored

Outcome = list[ClipMade | ClipFailed] | ClipScores | list[SetScored]


@dataclass(frozen=True)
class TaskLost:
    """A task without a result.

    ``died``: its worker crashed or took too long, nothing is known about the clips. ``missing``: the model needs what
    is not installed. ``unstorable``: the disk took no more. ``refused``: a plugin was not usable.
    """

    why: Literal["died", "missing", "unstorable", "refused"]
    message: str


class Executor(Protocol):
    """Runs tasks, a bounded number at a time, and yields each with its result as it finishes, in any order."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None: ...

    def map(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome | TaskLost]]: ...
