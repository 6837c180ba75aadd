"""Doing one task, whatever process it is in: errors that stop more than one clip become values."""

from __future__ import annotations

from bench.errors import MissingError, TunebenchError, Unstorable, one_line
from bench.execution.executors.base import Result, Task, TaskLost
from bench.execution.executors.worker_state import WorkerState


def perform(task: Task[Result], state: WorkerState) -> Result | TaskLost:
    """Execute a task and return its results, or why there are none."""
    try:
        return task.execute(state)
    except MissingError as error:
        return TaskLost("missing", str(error))
    except Unstorable as error:
        return TaskLost("unstorable", str(error))
    except TunebenchError as error:
        return TaskLost("refused", str(error))
    except SystemExit as leaving:
        return TaskLost("died", f"a plugin called sys.exit({leaving.code!r})")
    except Exception as error:
        return TaskLost("died", one_line(error))
