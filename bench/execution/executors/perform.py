"""Execute one task in any process: errors that affect more than one clip become values."""

from __future__ import annotations

from bench.errors import MissingError, TransientError, TunebenchError, Unstorable, may_pass, one_line
from bench.execution.executors.base import Result, Task, TaskLost
from bench.execution.executors.worker_state import WorkerState


def perform(task: Task[Result], state: WorkerState) -> Result | TaskLost:
    """Execute a task and return its results, or why there are none.

    Raises:
        KeyboardInterrupt: unchanged.
    """
    try:
        return task.execute(state)
    except MissingError as error:
        return TaskLost("missing", one_line(error))
    except Unstorable as error:
        return TaskLost("unstorable", one_line(error))
    except TransientError as error:
        return TaskLost("died", one_line(error), may_pass=True)
    except TunebenchError as error:
        return TaskLost("refused", one_line(error))
    except SystemExit as leaving:
        return TaskLost("died", f"a plugin called sys.exit({one_line(leaving).removeprefix('SystemExit: ')})")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything
        return TaskLost("died", one_line(error), may_pass=may_pass(error))
