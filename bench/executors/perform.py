"""Doing one task, whatever process it is in: errors that stop more than one clip become values."""

from __future__ import annotations

from bench.errors import MissingError, TunebenchError, one_line
from bench.executors import Outcome, TaskLost
from bench.making import Unstorable
from bench.task import Task
from bench.workbench import Workbench


def perform(task: Task, bench: Workbench) -> Outcome | TaskLost:
    """Execute a task and return its results, or why there are none."""
    try:
        return task.execute(bench)
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
