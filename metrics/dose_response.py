"""Dose and response: music that is known to be right is spoiled by known doses, and every metric is asked.

The composer plays prompts at fixed seeds. Each clip is spoiled in every way of `metrics.doses` at every dose, with the
same random draws at each dose, written, read back and scored exactly as in a run; only the prompts are independent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from bench.audio import Audio, write_flac
from bench.embedder import Vectors
from bench.errors import GenerationError, MissingError
from bench.executors import Executor, TaskLost
from bench.metric import Direction, Estimate
from bench.metric_plan import PlannedEmbedder, PlannedMetric
from bench.model import GenerationRequest, MusicModel
from bench.outcome import ClipHeard
from bench.progress import Progress
from bench.prompt import Prompt
from bench.registry import create, find
from bench.set_metric import Difference, EmbeddingSet, Reference, SetMetric, gather
from bench.task import Bench, ScoreTask
from bench.view import View
from metrics.doses import Spoiler
from metrics.response import Values, paired_p, rank_correlation, smallest_detected
from metrics.spoilers import chance_of, replaced

CLEAN = "clean"


@dataclass(frozen=True)
class Response:
    """How one metric answers one kind of damage.

    Attributes:
        metric, unit, direction: as in tables.
        spoiler: the kind of damage.
        doses: the clean clip and the doses, as they are written.
        values: mean over prompts, or the set's value, at each of ``doses``; None where nothing is defined.
        defined: how many prompts have a value at each.
        low, high: 95 % interval of the change against the clean clips of the same prompts; None where there is none.
        p: of the paired test of that change; None for the clean clips.
        correlation: rank correlation with the dose, in [−1, 1].
        detected: the smallest dose detected, or None.
        reason: why there are no values.
    """

    metric: str
    unit: str
    direction: Direction
    spoiler: str
    doses: tuple[str, ...]
    values: tuple[float | None, ...]
    defined: tuple[int, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    p: tuple[float | None, ...]
    correlation: float | None
    detected: str | None
    reason: str | None = None

    @property
    def improved(self) -> bool:
        """Whether the metric calls the most spoiled music better than the clean."""
        first, last = self.values[0], self.values[-1]
        if self.detected is None or self.direction == "none" or first is None or last is None:
            return False
        return (last > first) == (self.direction == "higher")


@dataclass(frozen=True)
class DoseTask:
    """One clip, spoiled in one way at every dose (or clean), written to ``folder`` and heard.

    ``place`` is the prompt's, ``other`` is what another genre's music is made for; no ``spoiler`` means clean.
    """

    place: int
    prompt: Prompt
    other: Prompt
    seed: int
    duration: float
    spoiler: Spoiler | None
    metrics: tuple[PlannedMetric, ...]
    embedders: tuple[PlannedEmbedder, ...]
    folder: Path

    @property
    def size(self) -> int:
        return len(self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the results are of, in order."""
        return self.spoiler.labels if self.spoiler else (CLEAN,)

    @property
    def kind(self) -> str:
        return self.spoiler.name if self.spoiler else CLEAN

    def execute(self, bench: Bench) -> list[ClipHeard]:
        """One result for each dose, in order.

        Raises:
            MissingError: the composer cannot play here.
        """
        return [self._heard(label, audio, bench) for label, audio in self._spoiled()]

    def _spoiled(self) -> Iterator[tuple[str, Audio]]:
        clean = _played("composer", "", 0.0, self.prompt, self.seed, self.duration)
        spoiler = self.spoiler
        if spoiler is None:
            yield CLEAN, clean
            return
        for dose, label in zip(spoiler.doses, spoiler.labels, strict=True):
            if spoiler.model:
                yield label, _played(spoiler.model, spoiler.parameter, dose, self.prompt, self.seed, self.duration)
            elif spoiler.spoil:
                yield label, spoiler.spoil(clean, dose, chance_of(spoiler.name, self.prompt.id, self.seed))
            else:
                yield label, replaced(clean, _played("composer", "", 0.0, self.other, self.seed, self.duration), dose)

    def _heard(self, label: str, audio: Audio, bench: Bench) -> ClipHeard:
        path = self.folder / self.kind / label.replace("−", "-") / f"{self.prompt.id}_{self.seed}.flac"
        write_flac(path, audio)
        task = ScoreTask(str(path), str(path), path, self.prompt, None, self.metrics, self.embedders, View())
        return task.execute(bench)


@lru_cache(maxsize=8)
def _played(name: str, parameter: str, dose: float, prompt: Prompt, seed: int, duration: float) -> Audio:
    model: MusicModel = create(find("model", name), {parameter: dose} if parameter else {}, MusicModel)
    (audio,) = model.generate([GenerationRequest(prompt, seed, duration)])
    if isinstance(audio, Exception):
        raise audio
    return audio


@dataclass
class Heard:
    """All that was heard, by (kind of damage, dose).

    ``values``: of each metric, shape (prompts, seeds), NaN where undefined. ``vectors``: of each embedder's
    fingerprint, by (place of the prompt, seed). ``problems``: why a metric has no value, the first time.
    """

    values: dict[tuple[str, str], dict[str, Values]] = field(default_factory=dict)
    vectors: dict[tuple[str, str], dict[str, dict[tuple[int, int], Vectors]]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def listen(
    prompts: Sequence[Prompt],
    spoilers: Sequence[Spoiler],
    metrics: Sequence[PlannedMetric],
    executor: Executor,
    progress: Progress,
    duration: float = 10.0,
    folder: Path | None = None,
    seeds: int = 1,
) -> Heard:
    """Spoil and score clips of each prompt.

    Args:
        prompts: of several genres; another genre's music is that of the next prompt of another genre and equal level.
        spoilers: kinds of damage.
        metrics: of clips and of sets.
        executor: where it is done.
        progress: shows how far it is.
        duration: of each clip in seconds.
        folder: where the spoiled clips stay, to be listened to; None keeps none.
        seeds: clips of each prompt.

    Raises:
        MissingError: the composer cannot play here.
        GenerationError: a clip could not be made or written.
    """
    clip_metrics = tuple(metric for metric in metrics if not metric.of_sets)
    embedders = tuple({m.embedders[0].fingerprint: m.embedders[0] for m in metrics if m.of_sets}.values())
    kinds: list[Spoiler | None] = [None, *spoilers]
    heard = Heard()
    with tempfile.TemporaryDirectory() as temporary:
        keep = folder or Path(temporary)
        tasks = [
            DoseTask(place, prompt, another_genre(prompts, prompt), seed, duration, kind, clip_metrics, embedders, keep)
            for place, prompt in enumerate(prompts)
            for seed in range(seeds)
            for kind in kinds
        ]
        progress.begin("listening", len(tasks), 0)
        # Executors carry whatever has a size and executes; their types name only a run's own tasks.
        for task, outcome in cast("Any", executor).map(iter(tasks)):
            if isinstance(outcome, TaskLost):
                kind_of_error = MissingError if outcome.why == "missing" else GenerationError
                raise kind_of_error(f"{task.prompt.id}, {task.kind}: {outcome.message}")
            for label, clip in zip(task.labels, outcome, strict=True):
                if clip.unreadable:
                    raise GenerationError(f"{task.prompt.id}, {task.kind}: {clip.unreadable}")
                _note(heard, (task.kind, label), task, (len(prompts), seeds), clip)
            progress.advance(1)
    return heard


def _note(heard: Heard, key: tuple[str, str], task: DoseTask, shape: tuple[int, int], clip: ClipHeard) -> None:
    values, vectors = heard.values.setdefault(key, {}), heard.vectors.setdefault(key, {})
    for metric, score in zip(task.metrics, clip.scores, strict=True):
        table = values.setdefault(metric.ref, np.full(shape, np.nan))
        if score.value is not None:
            table[task.place, task.seed] = score.value
        else:
            heard.problems.setdefault(metric.ref, str(score.error or score.reason))
    for embedded in clip.embedded:
        if embedded.vectors is not None:
            vectors.setdefault(embedded.embedder, {})[task.place, task.seed] = embedded.vectors


def another_genre(prompts: Sequence[Prompt], prompt: Prompt) -> Prompt:
    """The next prompt of another genre, of the same level if there is one; the prompt itself where all are alike."""
    place = prompts.index(prompt)
    later = [p for p in [*prompts[place + 1 :], *prompts[:place]] if p.genre != prompt.genre]
    return next((p for p in later if p.level == prompt.level), later[0] if later else prompt)


def respond(
    heard: Heard,
    spoilers: Sequence[Spoiler],
    metrics: Sequence[PlannedMetric],
    references: Mapping[str, Reference],
) -> list[Response]:
    """What was heard → one response for each metric and kind of damage.

    Args:
        heard: from `listen`, with the same spoilers and metrics.
        spoilers: kinds of damage.
        metrics: of clips and of sets.
        references: by the fingerprint of the embedder.
    """
    found = []
    for metric in metrics:
        answers = (
            _of_sets(heard, spoilers, metric, references) if metric.of_sets else _of_clips(heard, spoilers, metric)
        )
        scale = [value for answer in answers for value in answer.means if value is not None]
        # Rounding noise has ranks too: less than a thousandth of the widest response counts as none.
        tolerance = 1e-3 * (max(scale) - min(scale)) if scale else 0.0
        found += [_response(metric, spoiler, a, tolerance) for spoiler, a in zip(spoilers, answers, strict=True)]
    return found


@dataclass(frozen=True)
class _Answer:
    """A metric's values under one kind of damage, the clean ones first; changes are against these."""

    means: Sequence[float | None]
    defined: Sequence[int]
    series: Values
    effects: Sequence[float | None]
    intervals: Sequence[tuple[float | None, float | None]]
    p: Sequence[float | None]
    problem: str | None


def _of_clips(heard: Heard, spoilers: Sequence[Spoiler], metric: PlannedMetric) -> list[_Answer]:
    from bench.stats import t_interval

    answers = []
    for spoiler in spoilers:
        values = np.stack([_prompt_means(heard.values[key][metric.ref]) for key in _keys(spoiler)], axis=1)
        known = [column[np.isfinite(column)] for column in values.T]
        changes = [change[np.isfinite(change)] for change in (values[:, 1:] - values[:, :1]).T]
        intervals = [t_interval(change) if len(change) > 1 else None for change in changes]
        answers.append(
            _Answer(
                [float(column.mean()) if len(column) else None for column in known],
                [len(column) for column in known],
                values,
                [float(change.mean()) if len(change) else None for change in changes],
                [(interval.low, interval.high) if interval else (None, None) for interval in intervals],
                [paired_p(change) for change in changes],
                heard.problems.get(metric.ref),
            )
        )
    return answers


def _of_sets(
    heard: Heard, spoilers: Sequence[Spoiler], metric: PlannedMetric, references: Mapping[str, Reference]
) -> list[_Answer]:
    embedder = metric.embedders[0].fingerprint
    instance: SetMetric = create(metric.plugin, metric.params, SetMetric)
    reference = references.get(embedder)

    def gathered(key: tuple[str, str]) -> EmbeddingSet | None:
        vectors = heard.vectors[key].get(embedder, {})
        clips = [(number, place, vectors[place, seed]) for number, (place, seed) in enumerate(sorted(vectors))]
        return gather(clips, embedder) if clips else None

    def evaluated(clips: EmbeddingSet | None) -> Estimate:
        return (
            instance.evaluate(clips, reference) if clips else Estimate(None, None, None, 0, "no clip has an embedding")
        )

    nothing = Difference(None, None, None, None, "")
    clean = gathered((CLEAN, CLEAN))
    baseline = evaluated(clean)
    answers = []
    for spoiler in spoilers:
        sets = [gathered(key) for key in _keys(spoiler)]
        estimates = [baseline, *map(evaluated, sets[1:])]
        changes = [
            instance.difference(clean, clips, reference, seed=0)
            if clean and clips and baseline.value is not None and estimate.value is not None
            else nothing
            for clips, estimate in zip(sets[1:], estimates[1:], strict=True)
        ]
        reasons = [found.reason for found in [*estimates, *changes] if found.reason]
        answers.append(
            _Answer(
                [estimate.value for estimate in estimates],
                [len(np.unique(clips.groups)) if clips else 0 for clips in sets],
                np.array([[np.nan if estimate.value is None else estimate.value for estimate in estimates]]),
                [change.estimate for change in changes],
                [(change.low, change.high) for change in changes],
                [change.p for change in changes],
                reasons[0] if reasons else None,
            )
        )
    return answers


def _keys(spoiler: Spoiler) -> list[tuple[str, str]]:
    return [(CLEAN, CLEAN), *((spoiler.name, label) for label in spoiler.labels)]


def _prompt_means(values: Values) -> Values:
    """Mean over the seeds that have a value, shape (prompts,)."""
    known = np.isfinite(values)
    sums = np.where(known, values, 0).sum(axis=1)
    means: Values = np.where(known.any(axis=1), sums / np.maximum(1, known.sum(axis=1)), np.nan)
    return means


def _response(metric: PlannedMetric, spoiler: Spoiler, answer: _Answer, tolerance: float) -> Response:
    detected = smallest_detected(answer.effects, answer.p)
    return Response(
        metric.ref,
        metric.unit,
        metric.direction,
        spoiler.name,
        (CLEAN, *spoiler.labels),
        tuple(answer.means),
        tuple(answer.defined),
        (None, *(low for low, _ in answer.intervals)),
        (None, *(high for _, high in answer.intervals)),
        (None, *answer.p),
        rank_correlation(answer.series, tolerance),
        None if detected is None else spoiler.labels[detected],
        answer.problem if all(value is None for value in answer.means) else None,
    )
