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
    """What a worker can be asked to do: a value that can be sent to another process or machine.

    A task carries all it needs and returns plain values; it never touches the database.
    """

    doing: ClassVar[str]
    """For messages: "scoring"."""

    @property
    def subject(self) -> str:
        """What it is done to, for messages."""

    @property
    def size(self) -> int:
        """How many clips it is of; the time limit is for each."""

    @property
    def max_workers(self) -> int | None:
        """How many workers may hold what it needs; None for any number."""

    def execute(self, state: WorkerState) -> Result_co:
        """Do it in this process."""


@dataclass(frozen=True)
class TaskLost:
    """A task without a result.

    ``died``: its worker crashed or took too long, nothing is known about the clips. ``missing``: the model needs what
    is not installed. ``unstorable``: the disk took no more. ``refused``: a plugin was not usable.
    ``may_pass``: it may have a result when it is tried again.
    """

    why: Literal["died", "missing", "unstorable", "refused"]
    message: str
    may_pass: bool = False


class Executor(Protocol):
    """Runs tasks, a bounded number at a time, and yields the result of each as it finishes, in any order."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None: ...

    def map(self, tasks: Iterator[tuple[Key, Task[Result]]]) -> Iterator[tuple[Key, Result | TaskLost]]:
        """Yield the result of each task, or a `TaskLost`, with the key that the caller gave the task."""
