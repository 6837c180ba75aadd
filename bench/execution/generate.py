"""Making the clips that do not exist."""

from __future__ import annotations

from bench.execution.executors.base import Executor
from bench.execution.generate_task import GenerateTask
from bench.execution.retries import Attempts
from bench.planning.plan import Plan
from bench.progress import Progress
from bench.storage.store import Store


def generate(store: Store, plan: Plan, executor: Executor, progress: Progress) -> list[str]:
    """Make the clips that do not exist and return what models miss to run here.

    Raises:
        UsageError: the disk took no more, or a model refuses to work; what was made is stored.
    """
    unmade = store.unmade()
    wanted = [clip for clip in plan.clips if clip.id in unmade]
    tasks = [
        GenerateTask(model, clips, absent, store.folder.resolve())
        for model, clips in plan.batches()
        if (absent := frozenset(clip.id for clip in clips if clip.id in unmade))
    ]
    progress.begin("generating clips", len(plan.clips), len(plan.clips) - len(wanted))
    attempts = Attempts(tasks, executor, progress)
    for _, clips in attempts:
        store.record_clips(clips)
        progress.advance(len(clips))
    return [f"model '{model}': {message}" for model, message in attempts.missing.items()]
