"""Agreement of metrics with listeners: a run's scores and a survey's ratings of its clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from bench.paths import StrPath
from bench.scores.aggregate import Column
from bench.stats.association import Association, RatedClips, between_models, pooled, within_prompts
from bench.stats.bootstrap import RESAMPLES, SEED
from bench.stats.listener_ceiling import listener_correlation
from bench.survey.metric_picks import Pick, picks
from bench.survey.rated_run import Clip, RatedRun, nothing_matches, read_rated_run, seed_names
from bench.survey.ratings import Ratings, cell_means
from bench.survey.results import known

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
LEVELS = {"within prompts": within_prompts, "all clips": pooled, "models": between_models}


class Coefficient(NamedTuple):
    """A rank correlation in [−1, 1] with its interval, None if missing."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Prediction:
    """Rank correlation of one metric with listeners, on one scale and at one level.

    Attributes:
        metric: metric with its version.
        scale: scale of the survey.
        level: ``within prompts``, ``all clips`` or ``models``.
        direction: which values of the metric are better. If lower is better, the sign is flipped, so that a positive
            correlation always means agreement; for ``none`` it is not flipped.
        kendall, spearman: τ-b and ρ with the mean rating.
        clips, prompts, pairs: numbers behind it.
        note: why something is missing, or None.
    """

    metric: str
    scale: str
    level: str
    direction: str
    kendall: Coefficient
    spearman: Coefficient
    clips: int
    prompts: int
    pairs: int
    note: str | None


@dataclass(frozen=True)
class Ceiling:
    """Agreement of single listeners with the others within prompts, an upper bound for metrics.

    Attributes:
        scale: scale of the survey.
        low, high: mean τ-b of a listener with the mean of the others, and with the mean of all; None without two.
        listeners, prompts, pairs: numbers behind it.
        metrics: mean τ-b of each metric with single listeners' ratings, by its reference.
    """

    scale: str
    low: float | None
    high: float | None
    listeners: int
    prompts: int
    pairs: int
    metrics: dict[str, Coefficient]


@dataclass(frozen=True)
class Predictions:
    """Agreement of a survey with a run's metrics.

    Attributes:
        listeners, prompts, models: with ratings of clips of this run.
        ratings: number of used ratings, of clips of this run.
        unmatched: number of ratings of other clips.
        excluded: answers excluded when the file was read.
        unknown_models, unknown_prompts: names in the survey that the run does not have.
        unrated_models: models of the run that nobody rated.
        notes: notes, one sentence each.
        confidence: confidence of the intervals.
        rows: for each scale, level and metric.
        ceilings: agreement of listeners and metrics for each scale.
        picks: for each scale and metric, the model that it ranks first.
    """

    listeners: int
    prompts: int
    models: tuple[str, ...]
    ratings: int
    unmatched: int
    excluded: int
    unknown_models: tuple[str, ...]
    unknown_prompts: tuple[str, ...]
    unrated_models: tuple[str, ...]
    notes: tuple[str, ...]
    confidence: float
    rows: tuple[Prediction, ...]
    ceilings: tuple[Ceiling, ...] = ()
    picks: tuple[Pick, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Return the record as JSON objects; a coefficient has three keys: kendall, kendall_low, kendall_high."""
        record = asdict(self)
        for ceiling in record["ceilings"]:
            ceiling["metrics"] = {
                metric: dict(zip(("kendall", "low", "high"), found, strict=True))
                for metric, found in ceiling["metrics"].items()
            }
        for row in record["rows"]:
            for name in ("kendall", "spearman"):
                value, low, high = row.pop(name)
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return record


def predict(
    folder: StrPath, ratings: Ratings, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = SEED
) -> Predictions:
    """Correlate every metric of a run with every scale of a survey of its clips.

    A rating belongs to the clip with its prompt, model and seed. Without a seed, it belongs to all clips of its prompt
    and model, whose scores are averaged.

    Args:
        folder: a run folder.
        ratings: ratings of some of its clips, with the model labels of the run.
        resamples, confidence, seed: parameters of the listener × prompt bootstrap.

    Raises:
        UsageError: there is no run in the folder.
        DataError: no rating belongs to a clip of this run, or the run has no clips or no scores.
    """
    run = read_rated_run(Path(folder))
    named = ratings.table.assign(seed=seed_names(ratings))
    clips = [Clip(*names) for names in zip(named["prompt"], named["model"], named["seed"], strict=True)]
    named["clip"] = clips
    table = named[[clip in run.scores for clip in clips]]
    if table.empty:
        raise nothing_matches(run, ratings)
    rated = set(table["model"])
    notes = list(ratings.notes)
    if run.seeds > 1 and (table["seed"] == "").any():
        notes.append(f"A rating without a seed is compared with the mean score of the prompt's {run.seeds} clips.")
    rows: list[Prediction] = []
    ceilings: list[Ceiling] = []
    found: list[Pick] = []
    for scale in dict.fromkeys(table["scale"]):
        own = table[table["scale"] == scale]
        data, clips = _rated_clips(own, run)
        rows += _of_scale(data, run.columns, scale, resamples, confidence, seed)
        ceilings.append(_ceiling(data, run.columns, scale, resamples, confidence, seed))
        found += picks(own, run, scale, confidence)
    return Predictions(
        listeners=int(table["listener"].nunique()),
        prompts=int(table["prompt"].nunique()),
        models=tuple(name for name in run.models if name in rated),
        ratings=len(table),
        unmatched=len(named) - len(table),
        excluded=ratings.excluded,
        unknown_models=tuple(name for name in ratings.models if name not in run.models),
        unknown_prompts=tuple(name for name in ratings.prompts if name not in run.prompts),
        unrated_models=tuple(name for name in run.models if name not in rated),
        notes=tuple(notes),
        confidence=confidence,
        rows=tuple(rows),
        ceilings=tuple(ceilings),
        picks=tuple(found),
    )


def _rated_clips(table: pd.DataFrame, run: RatedRun) -> tuple[RatedClips, list[Clip]]:
    """Return every metric's values and every listener's ratings of the clips that were rated on one scale."""
    (listener, listeners), (rated, clips) = _numbered(table["listener"]), _numbered(table["clip"])
    ratings = cell_means([listener, rated], table["value"], [len(listeners), len(clips)])
    prompts, _ = _numbered(clip.prompt for clip in clips)
    models, _ = _numbered(clip.model for clip in clips)
    values = np.array([[run.value(column, clip) for clip in clips] for column in run.columns])
    return RatedClips(values, ratings, prompts, models), clips


def _of_scale(
    data: RatedClips, columns: Sequence[Column], scale: str, resamples: int, confidence: float, seed: int
) -> Iterator[Prediction]:
    """Yield the predictions of one scale, level by level and in the order of the metrics."""
    for level, correlate in LEVELS.items():
        # A set metric has one number per model, so it has none within prompts.
        own = [place for place, column in enumerate(columns) if level == "models" or not column.of_sets]
        if own:
            found = correlate(replace(data, scores=data.scores[own]), resamples, confidence, seed)
            yield from (_prediction(columns[place], scale, level, found, i) for i, place in enumerate(own))


def _ceiling(
    data: RatedClips, columns: Sequence[Column], scale: str, resamples: int, confidence: float, seed: int
) -> Ceiling:
    own = [place for place, column in enumerate(columns) if not column.of_sets]
    found = listener_correlation(replace(data, scores=data.scores[own]), resamples, confidence, seed)
    values = zip(found.estimate.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return Ceiling(
        scale,
        known(found.ceiling_low),
        known(found.ceiling_high),
        found.listeners,
        found.prompts,
        found.pairs,
        {columns[place].ref: Coefficient(*map(known, three)) for place, three in zip(own, values, strict=True)},
    )


def _numbered(values: Iterable[T]) -> tuple[npt.NDArray[np.intp], list[T]]:
    """Return the number of each value, in order of first appearance, and the values by number."""
    numbers: dict[T, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.intp), list(numbers)


def _prediction(column: Column, scale: str, level: str, found: Association, row: int) -> Prediction:
    def coefficient(which: int) -> Coefficient:
        numbers = (float(part[row, which]) for part in (found.estimate, found.low, found.high))
        return Coefficient(*map(known, numbers))

    return Prediction(
        metric=column.ref,
        scale=scale,
        level=level,
        direction=column.direction,
        kendall=coefficient(0),
        spearman=coefficient(1),
        clips=int(found.clips[row]),
        prompts=int(found.prompts[row]),
        pairs=int(found.pairs[row]),
        note=found.reasons[row] or None,
    )
