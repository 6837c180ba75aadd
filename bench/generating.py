"""Making the clips that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

from bench.errors import UsageError
from bench.executors import Executor, TaskLost
from bench.making import GenerateTask
from bench.outcome import ClipFailed, ClipMade
from bench.plan import Plan, PlannedClip
from bench.progress import Progress
from bench.store import Store
from bench.task import Task


def generate(store: Store, plan: Plan, executor: Executor, progress: Progress) -> list[str]:
    """Make the clips that do not exist and return what models miss to run here.

    Raises:
        UsageError: the disk took no more, or a model refuses to work; what was made is stored.
    """
    unmade = store.unmade()
    wanted = [clip for clip in plan.clips if clip.id in unmade]
    missing: dict[str, str] = {}

    def batches() -> Iterator[Task]:
        for model, clips in plan.batches():
            absent = frozenset(clip.id for clip in clips if clip.id in unmade)
            if absent and model.label not in missing:
                yield GenerateTask(model, clips, absent, store.folder.resolve())

    progress.begin("generating", len(plan.clips), len(plan.clips) - len(wanted))
    tasks: Iterator[Task] = batches()
    again: list[Task] = []
    while True:
        for task, result in executor.map(tasks):
            assert isinstance(task, GenerateTask)
            if isinstance(result, TaskLost):
                if result.why == "missing":
                    missing[task.model.label] = f"model '{task.model.label}': {result.message}"
                elif result.why != "died":
                    raise UsageError(result.message)
                elif len(task.clips) > 1:
                    # Which clip of the batch killed the worker shows when each is tried alone.
                    again += [GenerateTask(task.model, (c,), frozenset({c.id}), task.folder) for c in _absent(task)]
                    continue
                store.record_clips([ClipFailed(clip.id, result.message) for clip in _absent(task)])
            else:
                assert isinstance(result, list)
                store.record_clips([clip for clip in result if isinstance(clip, ClipMade | ClipFailed)])
            progress.advance(len(task.wanted))
        if not again:
            return list(missing.values())
        tasks, again = iter(again), []


def _absent(task: GenerateTask) -> list[PlannedClip]:
    return [clip for clip in task.clips if clip.id in task.wanted]
