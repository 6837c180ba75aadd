"""Make missing clips."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bench.config.run_config import ExecutorConfig
from bench.execution.executors.base import Executor
from bench.execution.generate_task import GenerateTask
from bench.execution.retries import Attempts
from bench.number_format import counted
from bench.planning.plan import Plan, PlannedClip
from bench.progress import Progress
from bench.storage.store import Store
from bench.storage.task_results import ClipFailed


def generate(
    store: Store, plan: Plan, executor: Executor, progress: Progress, config: ExecutorConfig | None = None
) -> list[str]:
    """Make missing clips, and return missing dependencies by model.

    Args:
        store: the run, open for writing.
        plan: its clips.
        executor: makes them.
        progress: receives the progress.
        config: number of retries, and how many clips of a model may fail before the rest is skipped.

    Returns:
        A line for each model that could not run here; empty if all could.

    Raises:
        UsageError: the disk is full, or a model cannot be used; clips made so far are stored.
    """
    unmade = store.unmade()
    wanted = [clip for clip in plan.clips if clip.id in unmade]
    tasks = [
        GenerateTask(model, clips, absent, store.folder.resolve())
        for model, clips in plan.batches()
        if (absent := frozenset(clip.id for clip in clips if clip.id in unmade))
    ]
    progress.begin(_stage(plan, wanted), len(plan.clips), len(plan.clips) - len(wanted))
    config = config or ExecutorConfig()
    attempts = Attempts(tasks, executor, progress, config.retries)
    asked = Counter(clip.model for clip in wanted)
    failed: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for task, clips in attempts:
        store.record_clips(clips)
        progress.advance(len(clips))
        model, errors = task.causes[0], [clip.error for clip in clips if isinstance(clip, ClipFailed)]
        tried[model] += len(clips)
        before, failed[model] = failed[model], failed[model] + len(errors)
        if before < _most_failures(config.fail_limit, asked[model]) <= failed[model]:
            attempts.give_up(
                model,
                f"not tried, since {failed[model]} of {counted(tried[model], 'clip')} failed (executor.fail_limit: "
                f"{config.fail_limit:g}), the last: {errors[-1]}",
            )
    return [f"model '{model}': {message}" for model, message in attempts.missing.items()]


def _stage(plan: Plan, wanted: Sequence[PlannedClip]) -> str:
    """Return the name of the stage: generating clips, or reading existing ones."""
    own = {model.label: model.own_clips for model in plan.models}
    kinds = {own[clip.model] for clip in wanted or plan.clips}
    if kinds == {True}:
        return "reading clips"
    return "generating clips" if True not in kinds else "generating and reading clips"


def _most_failures(limit: float | None, clips: int) -> float:
    """Return the number of failed clips at which a model is skipped; a limit below 1 is a share of clips to make."""
    if limit is None:
        return math.inf
    return limit if limit >= 1 else max(1, math.ceil(limit * clips))
