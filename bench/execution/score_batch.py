"""The task of scoring several clips at once, for metrics that accept several per call."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar

from bench.contracts.embedder import Vectors
from bench.contracts.metric import DecodedClip, Score
from bench.errors import DataError
from bench.execution.executors.worker_state import WorkerState
from bench.execution.score_task import ScoreTask, music_of
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric
from bench.storage.task_results import ClipScores


@dataclass(frozen=True)
class ScoreBatch:
    """Score some clips, each with its own metrics and embedders, and give metrics their clips together.

    It has a result per clip, and is retried, or divided, like its tasks.
    """

    tasks: tuple[ScoreTask, ...]
    doing: ClassVar[str] = "scoring"
    max_workers: ClassVar[int | None] = None

    @property
    def size(self) -> int:
        return len(self.tasks)

    @property
    def tries(self) -> int:
        return max(task.tries for task in self.tasks)

    @property
    def subject(self) -> str:
        """What is scored with what, for a crash report."""
        return "; ".join(task.subject for task in self.tasks)

    @property
    def causes(self) -> tuple[str, ...]:
        """Possible causes of a crash: the metrics and embedders."""
        return tuple(dict.fromkeys(chain.from_iterable(task.causes for task in self.tasks)))

    def execute(self, state: WorkerState) -> list[ClipScores]:
        """Decode the files, score them together, then run metrics that take one clip."""
        opened = [(task, task.decoded(state)) for task in self.tasks]
        whole = [(task, clip) for task, clip in opened if isinstance(clip, DecodedClip)]
        _embed_together(state, whole)
        answers: dict[str, dict[str, Score | Exception]] = {task.clip: {} for task in self.tasks}
        for metric in dict.fromkeys(
            metric.ref for task in self.tasks for metric in task.metrics if metric.together > 1
        ):
            asked = [(task, clip, planned) for task, clip in whole for planned in task.metrics if planned.ref == metric]
            for clip, found in _together(state, asked):
                answers[clip][metric] = found
        return [
            clip if isinstance(clip, ClipScores) else task.scored(state, clip, answers[task.clip])
            for task, clip in opened
        ]

    def lost(self, error: str) -> list[ClipScores]:
        """Return the results of clips that could not be scored."""
        return [task.lost(error) for task in self.tasks]

    def again(self) -> ScoreBatch:
        """Return the task for another try."""
        return ScoreBatch(tuple(task.again() for task in self.tasks))

    def unsettled(self, found: list[ClipScores]) -> tuple[list[ClipScores], list[ScoreBatch]]:
        """Return final results, and the rest as one task for another try."""
        parts = [task.unsettled(result) for task, result in zip(self.tasks, found, strict=True)]
        left = tuple(chain.from_iterable(tasks for _, tasks in parts))
        return [result for result, _ in parts], [ScoreBatch(left)] if left else []

    def pieces(self) -> list[ScoreBatch]:
        """Return tasks of one clip and one metric or embedder each; empty if it is one."""
        single = [ScoreBatch((piece,)) for task in self.tasks for piece in task.pieces() or [task]]
        return single if len(single) > 1 else []

    def without(self, causes: Collection[str]) -> ScoreBatch | None:
        """Return the task without these metrics and embedders, or None if nothing is left."""
        left = tuple(filter(None, (task.without(causes) for task in self.tasks)))
        return ScoreBatch(left) if left else None


def _embed_together(state: WorkerState, whole: Sequence[tuple[ScoreTask, DecodedClip]]) -> None:
    """Embed clips together with embedders that accept several."""
    wanted: dict[str, tuple[PlannedEmbedder, list[DecodedClip]]] = {}
    for task, clip in whole:
        embedders = [*task.embedders, *(e for metric in task.metrics for e in metric.embedders)]
        for embedder in {e.fingerprint: e for e in embedders if e.together > 1}.values():
            if not clip.knows(embedder.ref):
                wanted.setdefault(embedder.fingerprint, (embedder, []))[1].append(clip)
    for embedder, clips in wanted.values():
        found: Sequence[Vectors | Exception]
        try:
            found = list(state.embedder(embedder.ref).embed_together([clip.viewed for clip in clips]))
            if len(found) != len(clips):
                raise DataError(f"the embedder returned vectors of {len(found)} clips for {len(clips)}")
        except Exception as error:  # a plugin's method
            found = [error] * len(clips)
        for clip, one in zip(clips, found, strict=True):
            clip.learn(embedder.ref, one)


def _together(
    state: WorkerState, asked: Sequence[tuple[ScoreTask, DecodedClip, PlannedMetric]]
) -> Iterator[tuple[str, Score | Exception]]:
    """Yield the id of each clip with the result of one metric; if the call fails, all with its error."""
    if not asked:
        return
    clips = [clip for _, clip, _ in asked]
    for _, clip, planned in asked:
        clip.compare_with(music_of(planned, state))
    found: Sequence[Score | Exception]
    try:
        found = list(state.metric(asked[0][2]).score_together(clips))
        if len(found) != len(clips):
            raise DataError(f"the metric returned {len(found)} scores for {len(clips)} clips")
    except Exception as error:  # a plugin's method
        found = [error] * len(clips)
    for (task, _, _), one in zip(asked, found, strict=True):
        yield task.clip, one


def in_batches(tasks: Sequence[ScoreTask]) -> tuple[list[ScoreTask], list[ScoreBatch]]:
    """Split tasks into those of one clip, and batches for metrics that accept several clips.

    Returns:
        Tasks of one clip, then batches. A clip with metrics and embedders of both kinds is in both.
    """
    alone: list[ScoreTask] = []
    shared: list[ScoreTask] = []
    for task in tasks:
        together = tuple(metric for metric in task.metrics if _size(metric) > 1)
        rest = tuple(metric for metric in task.metrics if _size(metric) == 1)
        embedders = tuple(embedder for embedder in task.embedders if embedder.together > 1)
        others = tuple(embedder for embedder in task.embedders if embedder.together == 1)
        if together or embedders:
            shared.append(replace(task, metrics=together, embedders=embedders))
        if rest or others or not (together or embedders):
            alone.append(replace(task, metrics=rest, embedders=others))
    sizes = [_size(metric) for task in shared for metric in task.metrics]
    size = max([*sizes, *(embedder.together for task in shared for embedder in task.embedders)], default=1)
    return alone, [ScoreBatch(tuple(shared[at : at + size])) for at in range(0, len(shared), size)]


def _size(metric: PlannedMetric) -> int:
    return max(metric.together, *(embedder.together for embedder in metric.embedders), 1)
