"""Which metric predicts what listeners hear: a run's scores beside a survey's ratings of its clips."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, suggestion
from bench.paths import StrPath
from bench.scores.aggregate import Column, read_columns, read_set_scores
from bench.stats.association import Association, RatedClips, between_models, pooled, within_prompts
from bench.stats.bootstrap import RESAMPLES, SEED
from bench.storage.read_scores import ShownScore, shown_scores
from bench.storage.store import Store, StoredClip
from bench.survey.ratings import Ratings, cell_means

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
LEVELS = {"within prompts": within_prompts, "all clips": pooled, "models": between_models}


class Clip(NamedTuple):
    """What a survey and a run both call a clip; seed "" is all seeds of that prompt and model."""

    prompt: str
    model: str
    seed: str


class Coefficient(NamedTuple):
    """A rank correlation in [−1, 1] with its interval, None where there is none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Prediction:
    """How one metric ranks clips beside how listeners do, on one scale and at one level.

    Attributes:
        metric: with its version.
        scale: the survey's.
        level: ``within prompts``, ``all clips`` or ``models``.
        direction: which values of the metric are better. Where lower ones are, its sign was turned, so that a positive
            correlation always means that metric and listeners agree; of ``none`` it is that of the plain number.
        kendall, spearman: τ-b and ρ with the mean rating.
        clips, prompts, pairs: what it rests on.
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
class Predictions:
    """What a survey says about a run's metrics.

    Attributes:
        listeners, prompts, models: those with ratings of clips of this run.
        ratings: how many are of clips of this run, and count.
        unmatched: how many are of others.
        excluded: answers that did not count when the file was read.
        unknown_models, unknown_prompts: names in the survey that the run does not have.
        unrated_models: models of the run that nobody rated.
        notes: what was noticed, a sentence each.
        confidence: of the intervals.
        rows: for each scale, level and metric.
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

    def as_record(self) -> dict[str, Any]:
        """The same as JSON objects; a coefficient is three keys: kendall, kendall_low, kendall_high."""
        record = asdict(self)
        for row in record["rows"]:
            for name in ("kendall", "spearman"):
                value, low, high = row.pop(name)
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return record


def predict(
    folder: StrPath, ratings: Ratings, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = SEED
) -> Predictions:
    """Correlate every metric of a run with every scale of a survey of its clips.

    A rating belongs to the clip of its prompt, model and seed. One without a seed belongs to all clips of its prompt
    and model, whose scores are averaged.

    Args:
        folder: a run folder.
        ratings: of some of its clips, models by the labels that they have in the run.
        resamples, confidence, seed: of the listener × prompt bootstrap.

    Raises:
        UsageError: there is no run in the folder.
        DataError: no rating is of a clip of this run, or the run has no clips or no scores.
    """
    folder = Path(folder)
    with Store.read(folder) as store:
        columns = read_columns(store)
        scores = _read_scores(store)
        clips_of_each = Counter((clip.model, clip.prompt) for clip in store.made())
        of_sets = {(metric, model): found.value for (model, metric, _), found in read_set_scores(store, None).items()}
    if not columns or not scores:
        raise DataError(f"{folder} has no {'scores' if scores else 'clips'}; finish it with 'tunebench run' first")
    # Tables write whole numbers as 0.0 in a column where some are missing.
    named = ratings.table.assign(seed=ratings.table["seed"].str.removesuffix(".0"))
    clips = [Clip(*names) for names in zip(named["prompt"], named["model"], named["seed"], strict=True)]
    table = named.assign(clip=clips)[[clip in scores for clip in clips]]
    models, prompts = dict.fromkeys(clip.model for clip in scores), dict.fromkeys(clip.prompt for clip in scores)
    if table.empty:
        raise DataError(_nothing_matches(folder, ratings, list(models), list(prompts)))
    rated = set(table["model"])
    notes = list(ratings.notes)
    seeds = max(clips_of_each.values(), default=0)
    if seeds > 1 and (table["seed"] == "").any():
        notes.append(f"A rating that names no seed is compared with the mean score of the prompt's {seeds} clips.")
    return Predictions(
        listeners=int(table["listener"].nunique()),
        prompts=int(table["prompt"].nunique()),
        models=tuple(name for name in models if name in rated),
        ratings=len(table),
        unmatched=len(clips) - len(table),
        excluded=ratings.excluded,
        unknown_models=tuple(name for name in ratings.models if name not in models),
        unknown_prompts=tuple(name for name in ratings.prompts if name not in prompts),
        unrated_models=tuple(name for name in models if name not in rated),
        notes=tuple(notes),
        confidence=confidence,
        rows=tuple(
            prediction
            for scale in dict.fromkeys(table["scale"])
            for prediction in _of_scale(
                table[table["scale"] == scale], columns, scores, of_sets, resamples, confidence, seed
            )
        ),
    )


def _read_scores(store: Store) -> dict[Clip, dict[str, float]]:
    """The scores of each clip that exists; and of each prompt and model, as seed "", their means over seeds."""
    held: dict[Clip, dict[str, list[float]]] = {}
    for made in store.made():
        for clip in _names(made):
            held.setdefault(clip, {})
    for score in shown_scores(store):
        if score.value is not None:
            for clip in _names(score):
                held[clip].setdefault(score.metric, []).append(score.value)
    return {
        clip: {metric: math.fsum(values) / len(values) for metric, values in metrics.items()}
        for clip, metrics in held.items()
    }


def _names(clip: StoredClip | ShownScore) -> tuple[Clip, Clip]:
    """What a rating may call a clip: with its seed, or without."""
    return Clip(clip.prompt, clip.model, str(clip.seed)), Clip(clip.prompt, clip.model, "")


def _of_scale(
    table: pd.DataFrame,
    columns: Sequence[Column],
    scores: Mapping[Clip, Mapping[str, float]],
    of_sets: Mapping[tuple[str, str], float | None],
    resamples: int,
    confidence: float,
    seed: int,
) -> Iterator[Prediction]:
    """The predictions of one scale, level by level and in the order of the metrics."""
    (scale,) = set(table["scale"])
    (listener, listeners), (rated, clips) = _numbered(table["listener"]), _numbered(table["clip"])
    ratings = cell_means([listener, rated], table["value"], [len(listeners), len(clips)])
    prompts, _ = _numbered(clip.prompt for clip in clips)
    models, _ = _numbered(clip.model for clip in clips)

    def score(column: Column, clip: Clip) -> float:
        found = of_sets.get((column.ref, clip.model)) if column.of_sets else scores[clip].get(column.ref)
        sign = -1 if column.direction == "lower" else 1
        return math.nan if found is None else sign * found

    for level, correlate in LEVELS.items():
        # A set of clips has one number: it says nothing about the clips within a prompt.
        own = [column for column in columns if level == "models" or not column.of_sets]
        if own:
            values = np.array([[score(column, clip) for clip in clips] for column in own])
            data = RatedClips(values, ratings, prompts, models)
            found = correlate(data, resamples, confidence, seed)
            yield from (_prediction(column, scale, level, found, i) for i, column in enumerate(own))


def _numbered(values: Iterable[T]) -> tuple[npt.NDArray[np.intp], list[T]]:
    """The number of each value, in order of first appearance, and the values by number."""
    numbers: dict[T, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.intp), list(numbers)


def _prediction(column: Column, scale: str, level: str, found: Association, row: int) -> Prediction:
    def coefficient(which: int) -> Coefficient:
        numbers = (float(part[row, which]) for part in (found.estimate, found.low, found.high))
        return Coefficient(*(None if math.isnan(number) else number for number in numbers))

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


def _nothing_matches(folder: Path, ratings: Ratings, models: Sequence[str], prompts: Sequence[str]) -> str:
    """What the survey and the run call things, and what to do."""
    differ = []
    for what, theirs, ours in (("model", ratings.models, models), ("prompt", ratings.prompts, prompts)):
        if not set(theirs) & set(ours):
            differ.append(
                f"the survey's {what}s are {_some(theirs)}, the run's {_some(ours)}{suggestion(theirs[0], ours)}"
            )
    if not differ:
        differ.append("models and prompts are known, but together with those seeds there is no such clip")
    return (
        f"no rating is of a clip in {folder}: {'; '.join(differ)}; write labels, prompt ids and seeds as in the run's "
        "config.yaml and suite, or name the run that was rated"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
