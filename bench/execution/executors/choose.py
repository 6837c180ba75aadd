"""The executor that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.execution.executors.base import Executor

if TYPE_CHECKING:
    from bench.config.run_config import ExecutorConfig


def make_executor(config: ExecutorConfig, crashes: Path | None = None) -> Executor:
    """Return the executor that a configuration names.

    Args:
        config: kind of executor and number of workers.
        crashes: folder for stacks of crashed workers, made at the first crash; None stores none. Nodes of a Ray
            cluster must share it.

    Raises:
        MissingError: Ray is requested but not installed.
    """
    if config.worker_count == 0:
        from bench.execution.executors.inline import InlineExecutor

        return InlineExecutor()
    if config.kind == "ray":
        from bench.execution.executors.ray import RayExecutor

        return RayExecutor(config, crashes)
    from bench.execution.executors.local import LocalExecutor

    return LocalExecutor(config, crashes)
