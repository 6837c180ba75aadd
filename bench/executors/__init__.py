"""Where tasks run: in this process, in local processes, or on a Ray cluster. All give the same results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from bench.outcome import ClipFailed, ClipHeard, ClipMade, SetScored
from bench.task import Task

if TYPE_CHECKING:  # each worker process would spend half of its start-up on it
    from bench.config import ExecutorConfig

Outcome = list[ClipMade | ClipFailed] | ClipHeard | list[SetScored]


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


def make_executor(config: ExecutorConfig, crashes: Path | None = None) -> Executor:
    """The executor that a configuration names.

    Args:
        config: which one, and how many workers it has.
        crashes: folder for the stacks of workers that crash, made when the first does; None keeps none. Nodes of a Ray
            cluster must share it.

    Raises:
        MissingError: Ray is asked for and not installed.
    """
    if config.worker_count == 0:
        from bench.executors.inline import InlineExecutor

        return InlineExecutor()
    if config.kind == "ray":
        from bench.executors.ray import RayExecutor

        return RayExecutor(config, crashes)
    from bench.executors.local import LocalExecutor

    return LocalExecutor(config, crashes)
