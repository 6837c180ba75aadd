"""Compute missing scores of clips and sets of clips of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

from bench.config.run_config import Shared
from bench.contracts.clip_view import View
from bench.errors import UsageError
from bench.execution.executors.base import Executor
from bench.execution.retries import Attempts
from bench.execution.score_batch import in_batches
from bench.execution.score_task import ScoreTask, SetTask
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric
from bench.progress import Progress
from bench.references.assign import Music, with_references
from bench.references.contamination import (
    Contamination,
    OneMaker,
    find_contamination,
    find_one_maker,
    marked_with,
    marks,
    refusal,
)
from bench.storage.clip_sets import clip_groups
from bench.storage.read_models import read_lineages
from bench.storage.store import Store, StoredClip
from bench.storage.task_results import ClipScores
from bench.storage.vector_file import PATTERN, VectorFile, written

MANY = 2000
"""With more clips per model, each set of clips is a separate task."""


@dataclass(frozen=True)
class Scoring:
    """Compute and store missing scores of a run.

    Attributes:
        store: the run, open for writing.
        view: the part of the clips that is embedded.
        executor: the executor.
        progress: receives the progress.
        force: recompute stored scores.
        retries: maximum number of retries of temporary failures.
    """

    store: Store
    view: View
    executor: Executor
    progress: Progress
    force: bool = False
    retries: int = 0

    def score(
        self,
        metrics: Sequence[PlannedMetric],
        music: Music,
        only: set[str] | None = None,
        sets: bool = True,
        shared: Shared = "refuse",
    ) -> list[str]:
        """Compute missing scores of clips, then of sets of clips, and return missing dependencies.

        Args:
            metrics: of clips and of sets.
            music: the music that metrics compare with.
            only: ids of the clips to score; otherwise all. Set metrics use all clips of each model with any of
                them.
            sets: whether to compute set metrics, and clip metrics that compare with music; a part of a run does not
                need these.
            shared: what to do if the reference contains recordings that a model was trained on: refuse, or mark its
                scores.

        Raises:
            UsageError: a metric or the reference is unusable, or is refused.
            DataError: the reference is damaged.
        """
        store, clips = self.store, self.store.made(only)
        asked = {clip.model for clip in clips}
        computed = self._computed(metrics, music, sets)
        references = dict.fromkeys(metric.against for metric in computed if metric.against)
        leaks = find_contamination(store.trained_on(), references)
        leaks += find_contamination(store.plays(), references, plays=True)
        if shared == "refuse" and (refused := [leak for leak in leaks if leak.model in asked]):
            raise UsageError(refusal(refused))
        makers = find_one_maker(read_lineages(store), references)
        known: tuple[Contamination | OneMaker, ...] = (*leaks, *makers)
        said = {r.fingerprint: {one.model: marks(known, one.model, r) for one in known} for r in references}
        store.show(computed, self.view, said)
        embedders = {e.fingerprint: e for metric in metrics for e in metric.embedders}
        missing = self._score_clips([metric for metric in computed if not metric.of_sets], embedders, clips)
        if of_sets := [metric for metric in computed if metric.of_sets]:
            self._score_sets(of_sets, known, asked)
        return missing

    def _computed(self, metrics: Sequence[PlannedMetric], music: Music, sets: bool) -> list[PlannedMetric]:
        """Return the metrics to compute, each with the music that it compares with."""
        chosen = [metric for metric in metrics if sets or not (metric.of_sets or metric.needs_reference)]
        prompts, kept_in = list(self.store.prompts().values()), self.store.folder / "references"
        music = replace(music, played=frozenset().union(*self.store.plays().values()))
        return with_references(chosen, music, prompts, kept_in, self.progress, self.view)

    def _embedded_keys(self, embedder: str) -> set[str]:
        return set() if self.force else self.store.embedded_keys(embedder, self.view.key)

    def _score_clips(
        self,
        metrics: Sequence[PlannedMetric],
        embedders: Mapping[str, PlannedEmbedder],
        clips: Sequence[StoredClip],
    ) -> list[str]:
        of_clips = {metric.key(self.view): metric for metric in metrics}
        lacking = {} if self.force else self.store.unscored(of_clips)
        held = {name: self._embedded_keys(name) for name in embedders}
        prompts, folder = self.store.prompts(), self.store.folder.resolve()
        tasks: list[ScoreTask] = []
        for c in clips:
            absent = of_clips if self.force else lacking.get(c.id, ())
            own = tuple(metric for key, metric in of_clips.items() if key in absent)
            embed = tuple(e for name, e in embedders.items() if c.content not in held[name])
            if own or embed:
                prompt = prompts[c.prompt]
                tasks.append(ScoreTask(c.id, c.content, folder / c.path, prompt, c.notes, own, embed, self.view))
        if not self.force:
            tasks = self._with_known_vectors(tasks)
        self.progress.begin("scoring clips", len(clips), len(clips) - len(tasks))
        return self._record_clips(tasks)

    def _record_clips(self, tasks: Sequence[ScoreTask]) -> list[str]:
        missing: list[str] = []
        lacking = {task.clip: len(task.causes) for task in tasks}

        def record(result: ClipScores) -> None:
            self.store.record_clip_scores(result)
            missing.extend(result.missing)
            left = lacking[result.clip]
            done = left if result.unreadable else len(result.scores) + len(result.embedded)
            lacking[result.clip] = left - done
            if left and left <= done:  # a clip retried in pieces counts once
                self.progress.advance(1)

        alone, batches = in_batches(tasks)
        attempts = Attempts(alone, self.executor, self.progress, self.retries)
        for _, result in attempts:
            record(result)
        batch_attempts = Attempts(batches, self.executor, self.progress, self.retries)
        for _, results in batch_attempts:
            for result in results:
                record(result)
        return list(dict.fromkeys([*missing, *attempts.missing.values(), *batch_attempts.missing.values()]))

    def _with_known_vectors(self, tasks: Sequence[ScoreTask]) -> list[ScoreTask]:
        """Return the tasks with stored vectors that one of their metrics needs."""
        metrics = chain.from_iterable(task.metrics for task in tasks)
        wanted = {embedder.fingerprint for metric in metrics for embedder in metric.embedders}
        held = {embedder: self.store.embedded(embedder, self.view.key) for embedder in wanted}
        return [
            replace(
                task, known={name: vectors[task.content] for name, vectors in held.items() if task.content in vectors}
            )
            for task in tasks
        ]

    def _score_sets(
        self,
        metrics: Sequence[PlannedMetric],
        known: Sequence[Contamination | OneMaker],
        asked: set[str],
    ) -> None:
        with self._vectors({metric.embedders[0].fingerprint for metric in metrics}, asked) as vectors:
            tasks = self._set_tasks(metrics, known, asked, vectors)
            self.progress.begin("computing set metrics", len(tasks), 0)
            for _, result in Attempts(tasks, self.executor, self.progress, self.retries):
                self.store.record_set_scores(result)
                self.progress.advance(1 if result else 0)

    @contextmanager
    def _vectors(self, embedders: Collection[str], asked: set[str]) -> Iterator[dict[str, VectorFile]]:
        """Yield vectors of the clips of some models by embedder, in files for workers."""
        store = self.store
        contents: dict[str, dict[str, None]] = {}  # in order, each once
        for clip in store.made():
            if clip.model in asked:
                contents.setdefault(clip.model, {})[clip.content] = None
        in_order = list(dict.fromkeys(chain.from_iterable(contents.values())))
        for left in store.folder.glob(PATTERN):
            left.unlink(missing_ok=True)
        with ExitStack() as files:
            found = {}
            for name in embedders:
                path = store.folder / PATTERN.replace("*", name[:16])
                try:
                    file = written(path, store.each_embedded(name, self.view.key, in_order))
                    found[name] = files.enter_context(file)
                except OSError as error:
                    raise UsageError(f"cannot write {path}: {error.strerror}; free disk space") from error
            yield found

    def _set_tasks(
        self,
        metrics: Sequence[PlannedMetric],
        known: Sequence[Contamination | OneMaker],
        asked: set[str],
        vectors: Mapping[str, VectorFile],
    ) -> list[SetTask]:
        """Return a task for each model and metric with missing set scores, with these sets.

        With many clips, each set is a separate task, so that they are computed in parallel.
        """
        store, prompts = self.store, self.store.prompts()
        number = {prompt: place for place, prompt in enumerate(prompts)}
        numbered = dict(enumerate(prompts.values()))
        models: dict[str, list[StoredClip]] = {}
        for clip in store.made():
            models.setdefault(clip.model, []).append(clip)
        held = {} if self.force else store.set_scored()
        tasks: list[SetTask] = []
        for model in (name for name in models if name in asked):
            for metric in metrics:
                embedder = metric.embedders[0].fingerprint
                file = vectors[embedder]
                clips = tuple((number[clip.prompt], file.rows.get(clip.content)) for clip in models[model])
                groups = tuple(clip_groups(models[model], prompts))
                used = {place: numbered[place] for place, _ in clips}
                said = marks(known, model, metric.against)
                task = SetTask(model, metric, self.view, file.path, clips, used, groups, said)
                # A score from before the model's training data was known lacks its mark.
                absent = tuple(g for g in groups if marked_with(held.get(task.key(g))) != task.warnings)
                parts = [(group,) for group in absent] if len(clips) > MANY else [absent] if absent else []
                tasks += [replace(task, groups=part) for part in parts]
        return tasks
