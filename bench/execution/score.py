"""Giving scores to clips and sets of clips that have none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from bench.config.run_config import CommonGround, Shared
from bench.contracts.clip_view import View
from bench.contracts.set_metric import PlannedReference
from bench.errors import UsageError
from bench.execution.attempts import Attempts
from bench.execution.executors.base import Executor, TaskLost
from bench.execution.score_task import ScoreTask, SetTask
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric
from bench.progress import Progress
from bench.references.contamination import Contamination, find_contamination, marked_with, marks, refusal
from bench.references.load import find_reference
from bench.storage.clip_sets import clip_groups, view_of
from bench.storage.store import Store, StoredClip


def score(
    store: Store,
    metrics: Sequence[PlannedMetric],
    reference: str,
    ground: CommonGround,
    executor: Executor,
    progress: Progress,
    only: set[str] | None = None,
    force: bool = False,
    sets: bool = True,
    shared: Shared = "refuse",
) -> list[str]:
    """Score the clips, then the sets of clips, that lack a score, and return what is not installed here.

    ``force`` scores all again.

    Args:
        reference: what set metrics compare with: a name, a folder of audio, or a reference file.
        ground: the part of the clips that embeddings are made of.
        only: ids of the clips to score; otherwise all. Set metrics are of all clips of each model that has any of them.
        sets: whether to compute set metrics; a part of a run has no use for them.
        shared: what to do where the reference holds recordings that a model was trained on: refuse, or mark its scores.

    Raises:
        UsageError: a metric or the reference cannot be used at all, or is refused.
        DataError: the reference is damaged.
    """
    view = view_of(store, ground)
    set_metrics = [metric for metric in metrics if metric.of_sets and sets]
    needed = {metric.embedders[0].fingerprint: metric.embedders[0] for metric in set_metrics if metric.needs_reference}
    references = {
        name: find_reference(reference, embedder, store.folder / "references", progress, view)
        for name, embedder in needed.items()
    }
    asked = {clip.model for clip in store.made(only)}
    leaks = find_contamination({m: held for m, held in store.trained_on().items() if m in asked}, references.values())
    if leaks and shared == "refuse":
        raise UsageError(refusal(leaks))
    store.show([metric for metric in metrics if sets or not metric.of_sets], view, references)
    missing = _score_clips(store, metrics, view, executor, progress, only, force)
    if set_metrics:
        _score_sets(store, set_metrics, view, references, leaks, executor, progress, asked, force)
    return missing


def _score_clips(
    store: Store,
    metrics: Sequence[PlannedMetric],
    view: View,
    executor: Executor,
    progress: Progress,
    only: set[str] | None,
    force: bool,
) -> list[str]:
    clips = store.made(only)
    prompts = store.prompts()
    scored = {} if force else store.scored()
    embedders = {e.fingerprint: e for metric in metrics for e in metric.embedders}
    held = {name: set() if force else store.embedded_keys(name, view.key) for name in embedders}
    tasks: list[ScoreTask] = []
    for clip in clips:
        keys = scored.get(clip.id, set())
        absent = tuple(m for m in metrics if not m.of_sets and m.key(view) not in keys)
        unheard = tuple(e for name, e in embedders.items() if clip.content not in held[name])
        if absent or unheard:
            path = store.folder.resolve() / clip.path
            tasks.append(
                ScoreTask(clip.id, clip.content, path, prompts[clip.prompt], clip.notes, absent, unheard, view)
            )
    if not force:
        tasks = _with_known_vectors(store, tasks, view)
    progress.begin("scoring clips", len(clips), len(clips) - len(tasks))
    return _hear(store, tasks, executor, progress)


def embed(
    store: Store, embedder: PlannedEmbedder, view: View, executor: Executor, progress: Progress, models: Collection[str]
) -> list[str]:
    """Embed the clips of some models that have no vectors yet, and return what is not installed here."""
    prompts, held = store.prompts(), store.embedded_keys(embedder.fingerprint, view.key)
    clips = {clip.content: clip for clip in store.made() if clip.model in models}
    tasks = [
        ScoreTask(c.id, c.content, store.folder.resolve() / c.path, prompts[c.prompt], None, (), (embedder,), view)
        for c in clips.values()
        if c.content not in held
    ]
    progress.begin("embedding clips", len(clips), len(clips) - len(tasks))
    return _hear(store, tasks, executor, progress)


def _hear(store: Store, tasks: list[ScoreTask], executor: Executor, progress: Progress) -> list[str]:
    missing: list[str] = []
    lacking = {task.clip: len(task.causes) for task in tasks}
    for task, heard in Attempts(tasks, executor, progress):
        if isinstance(heard, TaskLost):
            if heard.why != "died":
                raise UsageError(heard.message)
            heard = task.lost(heard.message)
        store.record_heard(heard)
        missing += heard.missing
        lacking[task.clip] -= len(task.causes)
        if not lacking[task.clip]:  # a clip that is tried in pieces is one clip
            progress.advance(1)
    return list(dict.fromkeys(missing))


def _with_known_vectors(store: Store, tasks: Sequence[ScoreTask], view: View) -> list[ScoreTask]:
    """The tasks with the vectors that are stored already and that one of their metrics asks for."""
    metrics = chain.from_iterable(task.metrics for task in tasks)
    wanted = {embedder.fingerprint for metric in metrics for embedder in metric.embedders}
    held = {embedder: store.embedded(embedder, view.key) for embedder in wanted}
    return [
        replace(task, known={name: vectors[task.content] for name, vectors in held.items() if task.content in vectors})
        for task in tasks
    ]


def _score_sets(
    store: Store,
    metrics: Sequence[PlannedMetric],
    view: View,
    references: Mapping[str, PlannedReference],
    leaks: Sequence[Contamination],
    executor: Executor,
    progress: Progress,
    asked: set[str],
    force: bool,
) -> None:
    prompts = store.prompts()
    number = {prompt: place for place, prompt in enumerate(prompts)}
    models: dict[str, list[StoredClip]] = {}
    for clip in store.made():
        models.setdefault(clip.model, []).append(clip)
    vectors = {m.embedders[0].fingerprint: store.embedded(m.embedders[0].fingerprint, view.key) for m in metrics}
    held = {} if force else store.set_scored()
    tasks: list[SetTask] = []
    for model in (name for name in models if name in asked):
        for metric in metrics:
            embedder = metric.embedders[0].fingerprint
            against = references[embedder] if metric.needs_reference else None
            clips = tuple((number[clip.prompt], vectors[embedder].get(clip.content)) for clip in models[model])
            groups = tuple(clip_groups(models[model], prompts))
            task = SetTask(model, metric, view, against, clips, groups, marks(leaks, model, against))
            # A score from before it was known what the model was trained on lacks its mark.
            absent = tuple(g for g in groups if marked_with(held.get(task.key(g))) != task.warnings)
            if absent:
                tasks.append(replace(task, groups=absent))
    progress.begin("computing set metrics", len(tasks), 0)
    for task, result in Attempts(tasks, executor, progress):
        if isinstance(result, TaskLost):
            if result.why != "died":
                raise UsageError(result.message)
            result = task.lost(result.message)
        store.record_set_scores(result)
        progress.advance(1)
