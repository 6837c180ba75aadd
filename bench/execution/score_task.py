"""The tasks of scoring and embedding one clip, and of computing a set metric of many."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from operator import index
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.contracts.audio import read_audio
from bench.contracts.clip_view import View
from bench.contracts.embedder import EmbedderRef, Vectors
from bench.contracts.metric import DecodedClip, Estimate, References, ReferenceUse, Score, finite_number
from bench.contracts.notes import Notes
from bench.contracts.notice import Notice, checked
from bench.contracts.prompt import Prompt
from bench.contracts.set_metric import EmbeddingSet, Reference, labels_of
from bench.errors import DataError, MissingError, Undefined, UsageError, may_pass, one_line
from bench.execution.executors.worker_state import WorkerState
from bench.file_hash import FileChanged
from bench.planning.clip_group import ClipGroup
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric, SetKey
from bench.storage.clip_file import made_audio
from bench.storage.task_results import ClipScored, ClipScores, Embedded, SetScored
from bench.storage.vector_file import Rows, read_vectors


@dataclass(frozen=True)
class ScoreTask:
    """Score the file of one clip with some metrics, and embed it with some embedders.

    ``content`` is the expected hash of the audio; if empty, any audio is accepted. ``known`` holds
    stored vectors, or the reasons for none, by the embedder's fingerprint.
    """

    clip: str
    content: str
    path: Path
    prompt: Prompt
    notes: str | None
    metrics: tuple[PlannedMetric, ...]
    embedders: tuple[PlannedEmbedder, ...]
    view: View
    known: Mapping[str, Vectors | str] = field(default_factory=dict)
    tries: int = 1
    doing: ClassVar[str] = "scoring"
    max_workers: ClassVar[int | None] = None

    @property
    def size(self) -> int:
        return 1

    @property
    def subject(self) -> str:
        """What is scored with what, for a crash report."""
        names = [*(metric.ref for metric in self.metrics), *(e.ref.name for e in self.embedders)]
        return f"{self.path} with {', '.join(names)}"

    @property
    def causes(self) -> tuple[str, ...]:
        """Possible causes of a crash: the metrics and embedders."""
        return (*(metric.ref for metric in self.metrics), *(_cause(e) for e in self.embedders))

    def execute(self, state: WorkerState) -> ClipScores:
        """Decode the file once, embed and score it; a metric or embedder that raises fails alone."""
        clip = self.decoded(state)
        return clip if isinstance(clip, ClipScores) else self.scored(state, clip)

    def decoded(self, state: WorkerState) -> DecodedClip | ClipScores:
        """Return the clip with its known vectors; the result if its file is damaged."""
        try:
            audio = made_audio(self.path, self.content) if self.content else read_audio(self.path)
        except (DataError, MissingError) as error:
            return ClipScores(self.clip, unreadable=str(error))
        notes = Notes.from_json(self.notes) if self.notes else None
        embedders = [*self.embedders, *(e for metric in self.metrics for e in metric.embedders)]
        known = {e.ref.share_name: self.known[e.fingerprint] for e in embedders if e.fingerprint in self.known}
        state.expect(embedders)
        return DecodedClip(audio, self.prompt, notes, state.embedder, self.view, known, self.path)

    def scored(
        self, state: WorkerState, clip: DecodedClip, answers: Mapping[str, Score | Exception] | None = None
    ) -> ClipScores:
        """Embed and score the clip; ``answers`` are from metrics that scored it in a batch, by `PlannedMetric.ref`."""
        missing: list[str] = []
        answers = answers or {}
        embedded = [self._embed(embedder, clip, missing) for embedder in self.embedders]
        scores = [self._score(state, metric, clip, missing, answers.get(metric.ref)) for metric in self.metrics]
        try:
            state.check_embedders()
        except FileChanged as error:
            return self.lost(one_line(error))
        return ClipScores(self.clip, scores, embedded, missing=missing)

    def lost(self, error: str) -> ClipScores:
        """Return the result of a clip that could not be scored."""
        return ClipScores(
            self.clip,
            [self._failed(metric, error) for metric in self.metrics],
            [Embedded(self.content, e.fingerprint, self.view.key, error=error) for e in self.embedders],
        )

    def again(self) -> ScoreTask:
        """Return the task for another try."""
        return replace(self, tries=self.tries + 1)

    def unsettled(self, found: ClipScores) -> tuple[ClipScores, list[ScoreTask]]:
        """Return final results, and the rest as one task for another try."""
        metrics = {score.key for score in found.scores if score.may_pass}
        embedders = {one.embedder for one in found.embedded if one.may_pass}
        if not (metrics or embedders):
            return found, []
        left = replace(
            self.again(),
            metrics=tuple(metric for metric in self.metrics if metric.key(self.view) in metrics),
            embedders=tuple(embedder for embedder in self.embedders if embedder.fingerprint in embedders),
        )
        scores = [score for score in found.scores if not score.may_pass]
        return replace(found, scores=scores, embedded=[one for one in found.embedded if not one.may_pass]), [left]

    def pieces(self) -> list[ScoreTask]:
        """Return a task per metric or embedder, to find the one that kills its worker; empty if it is one."""
        if len(self.causes) == 1:
            return []
        return [
            *(replace(self, metrics=(metric,), embedders=()) for metric in self.metrics),
            *(replace(self, metrics=(), embedders=(embedder,)) for embedder in self.embedders),
        ]

    def without(self, causes: Collection[str]) -> ScoreTask | None:
        """Return the task without these metrics and embedders, or None if nothing is left."""
        metrics = tuple(metric for metric in self.metrics if metric.ref not in causes)
        embedders = tuple(e for e in self.embedders if _cause(e) not in causes)
        return replace(self, metrics=metrics, embedders=embedders) if metrics or embedders else None

    def _embed(self, planned: PlannedEmbedder, clip: DecodedClip, missing: list[str]) -> Embedded:
        key = (self.content, planned.fingerprint, self.view.key)
        try:
            vectors = np.ascontiguousarray(clip.embedding(planned.ref), dtype=np.float32)
            if vectors.ndim != 2 or not len(vectors) or not np.isfinite(vectors).all():
                raise DataError(f"the embedder gave {vectors.shape} vectors, or some that are not finite")
            return Embedded(*key, vectors=vectors)
        except Undefined as none:
            return Embedded(*key, reason=one_line(none))
        except Exception as error:
            if isinstance(error, MissingError):
                missing.append(f"embedder '{planned.ref.name}': {one_line(error)}")
            return Embedded(*key, error=one_line(error), may_pass=may_pass(error))

    def _score(
        self,
        state: WorkerState,
        planned: PlannedMetric,
        clip: DecodedClip,
        missing: list[str],
        answer: Score | Exception | None,
    ) -> ClipScored:
        started = time.perf_counter()
        clip.compare_with(music_of(planned, state))
        try:
            score = answer if answer is not None else state.metric(planned).score(clip)
            if isinstance(score, Exception):
                raise score
            if not isinstance(score, Score):
                raise TypeError(f"returned {type(score).__name__}, not bench.Score")
        except Undefined as none:
            score = Score.undefined(one_line(none))
        except Exception as error:
            if isinstance(error, MissingError):
                missing.append(f"metric '{planned.name}': {one_line(error)}")
            return replace(self._failed(planned, one_line(error)), may_pass=may_pass(error))
        seconds = time.perf_counter() - started
        details = dict(score.details)
        if clip.notes is not None and clip.notes.unended:
            details["unended_notes"] = clip.notes.unended
        return ClipScored(self.clip, planned.key(self.view), score.value, score.reason, None, details, seconds)

    def _failed(self, planned: PlannedMetric, error: str) -> ClipScored:
        return ClipScored(self.clip, planned.key(self.view), error=error)


def music_of(metric: PlannedMetric, state: WorkerState) -> References:
    """Return a function that gives the music that a metric declares, loaded once per worker.

    The function raises UsageError if it is asked for music that the metric does not declare.
    """

    def reference(use: ReferenceUse, ref: EmbedderRef) -> Reference:
        if metric.against is None or (use, ref.share_name) != (metric.reference, metric.embedders[0].ref.share_name):
            raise UsageError(
                f"'{metric.name}' asked for {use} reference music embedded by '{ref.name}' without declaring it; in "
                f"its class, set reference = '{use}' and list that embedder first in embedders"
            )
        return state.reference(metric.against)

    return reference


def _cause(embedder: PlannedEmbedder) -> str:
    """Return an embedder's name, with parameters that distinguish it from others of that name."""
    return f"{embedder.ref.name} ({embedder.fingerprint[:8]})"


@dataclass(frozen=True)
class SetTask:
    """One set metric on one model's clips, whole and by group.

    A clip is its prompt's number and the place of its vectors in the file ``vectors``, or why it has none; None if
    not tried. ``prompts`` maps the numbers. ``warnings`` are those of every score of this model against the
    metric's reference.
    """

    model: str
    metric: PlannedMetric
    view: View
    vectors: Path
    clips: tuple[tuple[int, Rows | str | None], ...]
    prompts: Mapping[int, Prompt]
    groups: tuple[ClipGroup, ...]
    warnings: tuple[Notice, ...] = ()
    tries: int = 1
    doing: ClassVar[str] = "computing a set metric"
    max_workers: ClassVar[int | None] = None

    @property
    def size(self) -> int:
        return max(1, len(self.clips))

    @property
    def subject(self) -> str:
        """The metric and model, for a crash report."""
        return f"{self.metric.ref} of {self.model}"

    @property
    def causes(self) -> tuple[str, ...]:
        """Possible causes of a crash."""
        return (self.metric.ref,)

    def pieces(self) -> list[SetTask]:
        """Return an empty list, as it cannot be divided."""
        return []

    def again(self) -> SetTask:
        """Return the task for another try."""
        return replace(self, tries=self.tries + 1)

    def unsettled(self, found: list[SetScored]) -> tuple[list[SetScored], list[SetTask]]:
        """Return final results, and the rest for another try."""
        passing = {result.key for result in found if result.may_pass}
        if not passing:
            return found, []
        groups = tuple(group for group in self.groups if self.key(group) in passing)
        return [result for result in found if not result.may_pass], [replace(self.again(), groups=groups)]

    def without(self, causes: Collection[str]) -> SetTask | None:
        """Return the task without these metrics, or None if nothing is left."""
        return None if self.metric.ref in causes else self

    def execute(self, state: WorkerState) -> list[SetScored]:
        """Return one result per group; a group that raises fails alone."""
        return [self._score(state, group) for group in self.groups]

    def lost(self, error: str) -> list[SetScored]:
        """Return the results if nothing could be computed."""
        return [SetScored(self.key(group), error=error) for group in self.groups]

    def key(self, group: ClipGroup) -> SetKey:
        """Return the key of a group's score."""
        return SetKey(self.model, group.grouping, group.name, *self.metric.key(self.view), group.clips)

    def _score(self, state: WorkerState, group: ClipGroup) -> SetScored:
        try:
            metric = state.set_metric(self.metric)
            reference = state.reference(self.metric.against) if self.metric.against else None
            if reference and group.grouping == "genre":
                reference = reference.of_genre(group.name)
            evaluated = self._evaluated(group)
            if evaluated is None:
                estimate = Estimate(None, None, None, 0, "no clip has an embedding")
            else:
                estimate = metric.evaluate(evaluated, reference)
            warnings = (*checked(estimate.warnings, f"metric '{self.metric.name}'"), *self.warnings)
            return SetScored(self.key(group), estimate=replace(_storable(estimate), warnings=warnings))
        except Exception as error:
            return SetScored(self.key(group), error=one_line(error), may_pass=may_pass(error))

    def _evaluated(self, group: ClipGroup) -> EmbeddingSet | None:
        """Return the embedded clips of a group; None if there are none."""
        members = [(place, *self.clips[place]) for place in group.members]
        clips = [
            (place, prompt, rows) for place, prompt, rows in members if not (rows is None or isinstance(rows, str))
        ]
        if not clips:
            return None
        places, numbers, rows = zip(*clips, strict=True)
        counts = [own.windows for own in rows]
        return EmbeddingSet(
            read_vectors(self.vectors, rows),
            np.repeat(np.array(places, dtype=np.int64), counts),
            np.repeat(np.array(numbers, dtype=np.int64), counts),
            self.metric.embedders[0].fingerprint,
            **labels_of(self.prompts),
        )


def _storable(estimate: Estimate) -> Estimate:
    """Return the estimate with finite Python floats and ints, whatever types it was computed with.

    Raises:
        DataError: a value is not a finite number.
    """
    value, low, high = (
        None if number is None else finite_number(name, number)
        for name, number in (("value", estimate.value), ("low", estimate.low), ("high", estimate.high))
    )
    reason = estimate.reason
    if not (reason is None or isinstance(reason, str)):
        raise DataError(f"an estimate's reason is {reason!r:.60}, must be text")
    if value is None and not reason:
        reason = "no reason was given"
    return replace(estimate, value=value, low=low, high=high, n=index(estimate.n), reason=reason)
