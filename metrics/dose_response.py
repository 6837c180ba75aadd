"""Dose and response: how every metric rates music spoiled by known doses, against the clean music.

Only prompts are independent: clips of one prompt are averaged, and tests pair a prompt with itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.contracts.metric import ClipMetric, Direction, Estimate
from bench.contracts.set_metric import Difference, EmbeddingSet, Reference, SetMetric, gather
from metrics.degradation_kinds import Degradation
from metrics.dose_listening import CLEAN, DoseScores
from metrics.sensitivity import Values, paired_p, rank_correlation, smallest_detected


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
        """Whether the metric calls the most spoiled music better than the clean one."""
        first, last = self.values[0], self.values[-1]
        if self.detected is None or self.direction == "none" or first is None or last is None:
            return False
        return (last > first) == (self.direction == "higher")


def respond(
    scored: DoseScores,
    spoilers: Sequence[Degradation],
    metrics: Mapping[str, ClipMetric | SetMetric],
    references: Mapping[str, Reference],
) -> list[Response]:
    """Return one response for each metric and kind of damage.

    Args:
        scored: from `score_doses`, with the same spoilers and metrics.
        spoilers: kinds of damage.
        metrics: of clips and of sets, by ``name@version``.
        references: what set metrics compare with, likewise.
    """
    found = []
    for name, metric in metrics.items():
        if isinstance(metric, SetMetric):
            answers = _of_sets(scored, spoilers, name, metric, references.get(name))
        else:
            answers = _of_clips(scored, spoilers, name)
        scale = [value for answer in answers for value in answer.means if value is not None]
        # Rounding noise has ranks too: less than a thousandth of the widest response counts as zero.
        tolerance = 1e-3 * (max(scale) - min(scale)) if scale else 0.0
        found += [_response(name, metric, spoiler, a, tolerance) for spoiler, a in zip(spoilers, answers, strict=True)]
    return found


@dataclass(frozen=True)
class _Answer:
    """A metric's values under one kind of damage, the clean ones first; changes are relative to these."""

    means: Sequence[float | None]
    defined: Sequence[int]
    series: Values
    effects: Sequence[float | None]
    intervals: Sequence[tuple[float | None, float | None]]
    p: Sequence[float | None]
    problem: str | None


def _of_clips(scored: DoseScores, spoilers: Sequence[Degradation], metric: str) -> list[_Answer]:
    from bench.stats import t_interval

    answers = []
    for spoiler in spoilers:
        values = np.stack([_prompt_means(scored.values[key][metric]) for key in _keys(spoiler)], axis=1)
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
                scored.problems.get(metric),
            )
        )
    return answers


def _of_sets(
    scored: DoseScores, spoilers: Sequence[Degradation], name: str, metric: SetMetric, reference: Reference | None
) -> list[_Answer]:
    # Sets of one embedder are compared with each other and with a reference of that embedder.
    embedder = reference.embedder if reference else metric.embedders[0].share_name

    def gathered(key: tuple[str, str]) -> EmbeddingSet | None:
        vectors = scored.vectors[key].get(name, {})
        clips = [(number, place, vectors[place, seed]) for number, (place, seed) in enumerate(sorted(vectors))]
        return gather(clips, embedder) if clips else None

    def evaluated(clips: EmbeddingSet | None) -> Estimate:
        return metric.evaluate(clips, reference) if clips else Estimate(None, None, None, 0, "no clip has an embedding")

    nothing = Difference(None, None, None, None, "")
    clean = gathered((CLEAN, CLEAN))
    baseline = evaluated(clean)
    answers = []
    for spoiler in spoilers:
        sets = [gathered(key) for key in _keys(spoiler)]
        estimates = [baseline, *map(evaluated, sets[1:])]
        changes = [
            metric.difference(clean, clips, reference, seed=0)
            if clean and clips and baseline.value is not None and estimate.value is not None
            else nothing
            for clips, estimate in zip(sets[1:], estimates[1:], strict=True)
        ]
        reasons = [e.reason for e in estimates if e.reason] + [change.reason for change in changes if change.reason]
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


def _keys(spoiler: Degradation) -> list[tuple[str, str]]:
    return [(CLEAN, CLEAN), *((spoiler.name, label) for label in spoiler.labels)]


def _prompt_means(values: Values) -> Values:
    """Compute the mean over the seeds that have a value, shape (prompts,)."""
    known = np.isfinite(values)
    sums = np.where(known, values, 0).sum(axis=1)
    means: Values = np.where(known.any(axis=1), sums / np.maximum(1, known.sum(axis=1)), np.nan)
    return means


def _response(
    name: str, metric: ClipMetric | SetMetric, spoiler: Degradation, answer: _Answer, tolerance: float
) -> Response:
    detected = smallest_detected(answer.effects, answer.p)
    return Response(
        name,
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
