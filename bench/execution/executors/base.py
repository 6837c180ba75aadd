"""Where tasks run: in this process, in local processes, or on a Ray cluster. All give the same results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from bench.execution.executors.worker_state import WorkerState

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Key = TypeVar("Key")

LONGEST_WAIT = 3600.0
"""Seconds to wait for results at once. The time limit of a task of many clips may be longer, but not what an operating
system can wait for."""


class Task(Protocol[Result_co]):
    """A task for a worker: a value that can be sent to another process or machine.

    A task is self-contained and returns plain values; it never uses the database.
    """

    doing: ClassVar[str]
    """For messages: "scoring"."""

    @property
    def subject(self) -> str:
        """The object of the task, for messages."""

    @property
    def size(self) -> int:
        """The number of clips; the time limit is per clip."""

    @property
    def max_workers(self) -> int | None:
        """The number of workers that may load its model; None for any number."""

    def execute(self, state: WorkerState) -> Result_co:
        """Execute the task in this process."""


@dataclass(frozen=True)
class TaskLost:
    """A task without a result.

    ``died``: its worker crashed or took too long, the clips are unknown. ``missing``: the model needs something that
    is not installed. ``unstorable``: the disk is full. ``refused``: a plugin was unusable.
    ``may_pass``: another try may succeed.
    """

    why: Literal["died", "missing", "unstorable", "refused"]
    message: str
    may_pass: bool = False


class Executor(Protocol):
    """Run tasks, a bounded number at a time, and yield each result as it finishes, in any order."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None: ...

    def map(self, tasks: Iterator[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result | TaskLost]]:
        """Yield the result of each task, or a `TaskLost`, with the key that the caller gave the task."""
