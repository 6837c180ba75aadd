"""Agreement of metrics with votes: a run's scores and votes between its clips."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.paths import StrPath
from bench.stats.bootstrap import RESAMPLES, SEED
from bench.stats.pairwise_accuracy import Votes, listener_accuracy, pairwise_accuracy
from bench.survey.rated_run import Clip, RatedRun, nothing_matches, read_rated_run, seed_names
from bench.survey.ratings import Preferences
from bench.survey.results import known

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Accuracy:
    """How often one metric prefers what a listener preferred, on one scale.

    Attributes:
        metric, scale: the metric and scale.
        direction: which values of the metric are better; for ``none``, higher ones count as preferred.
        accuracy, low, high: share in [0, 1] with its interval; .5 is chance.
        votes: votes between two scored clips.
        note: why something is missing, or None.
    """

    metric: str
    scale: str
    direction: str
    accuracy: float | None
    low: float | None
    high: float | None
    votes: int
    note: str | None


@dataclass(frozen=True)
class VoteCeiling:
    """How often a listener votes as the majority of the others, and as the majority of all; None without two votes."""

    scale: str
    low: float | None
    high: float | None
    votes: int


@dataclass(frozen=True)
class VotePredictions:
    """Agreement of votes between a run's clips with its metrics.

    Attributes:
        listeners, prompts: numbers with a vote that counts.
        models: models of the run with votes; the results use only these.
        votes: votes with a preference, between clips of this run.
        undecided: votes without a preference (ties, both bad), left out.
        unmatched: votes that are not between clips of this run.
        excluded: answers excluded when the file was read.
        confidence: confidence of the intervals.
        notes: notes, one sentence each.
        rows: for each scale and metric.
        ceilings: for each scale.
    """

    listeners: int
    prompts: int
    models: tuple[str, ...]
    votes: int
    undecided: int
    unmatched: int
    excluded: int
    confidence: float
    notes: tuple[str, ...]
    rows: tuple[Accuracy, ...]
    ceilings: tuple[VoteCeiling, ...]

    def as_record(self) -> dict[str, Any]:
        """Return the record as JSON objects."""
        return asdict(self)


def predict_votes(
    folder: StrPath, preferences: Preferences, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = SEED
) -> VotePredictions:
    """Compute how often every clip metric of a run prefers what listeners preferred.

    Args:
        folder: a run folder.
        preferences: votes between some of its clips, with the model labels of the run.
        resamples, confidence, seed: parameters of the listener × prompt bootstrap.

    Raises:
        UsageError: there is no run in the folder.
        DataError: no vote is between clips of this run, or the run has no clips or no scores.
    """
    run = read_rated_run(Path(folder))
    table = preferences.table.assign(seed=seed_names(preferences))
    for side in ("a", "b"):
        names = zip(table["prompt"], table[side], table["seed"], strict=True)
        table[f"clip_{side}"] = [Clip(*name) for name in names]
    of_run = [a in run.scores and b in run.scores for a, b in zip(table["clip_a"], table["clip_b"], strict=True)]
    matched = table[of_run]
    decided = matched[matched["choice"] != 0]
    if decided.empty:
        raise nothing_matches(run, preferences)
    voted = {*decided["a"], *decided["b"]}
    rows: list[Accuracy] = []
    ceilings: list[VoteCeiling] = []
    for scale in dict.fromkeys(decided["scale"]):
        own = decided[decided["scale"] == scale]
        votes = _votes(own)
        rows += _of_scale(own, votes, run, scale, (resamples, confidence, seed))
        below, above, count = listener_accuracy(votes)
        ceilings.append(VoteCeiling(scale, known(below), known(above), count))
    return VotePredictions(
        listeners=int(decided["listener"].nunique()),
        prompts=int(decided["prompt"].nunique()),
        models=tuple(name for name in run.models if name in voted),
        votes=len(decided),
        undecided=len(matched) - len(decided),
        unmatched=len(table) - len(matched),
        excluded=preferences.excluded,
        confidence=confidence,
        notes=preferences.notes,
        rows=tuple(rows),
        ceilings=tuple(ceilings),
    )


def _votes(table: pd.DataFrame) -> Votes:
    import pandas as pd

    forth = [a <= b for a, b in zip(table["clip_a"], table["clip_b"], strict=True)]
    pairs = [(a, b) if first else (b, a) for a, b, first in zip(table["clip_a"], table["clip_b"], forth, strict=True)]
    listeners, prompts = (pd.factorize(table[name])[0].astype(np.intp) for name in ("listener", "prompt"))
    numbers: dict[tuple[Clip, Clip], int] = {}
    return Votes(
        table["choice"].to_numpy(dtype=np.float64),
        listeners,
        prompts,
        np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], dtype=np.intp),
        np.where(forth, 1.0, -1.0),
    )


def _of_scale(
    table: pd.DataFrame, votes: Votes, run: RatedRun, scale: str, how: tuple[int, float, int]
) -> list[Accuracy]:
    columns = [column for column in run.columns if not column.of_sets]
    if not columns:
        return []
    differences = np.array(
        [
            [run.value(column, b) - run.value(column, a) for a, b in zip(table["clip_a"], table["clip_b"], strict=True)]
            for column in columns
        ]
    )
    found = pairwise_accuracy(differences, votes, *how)
    return [
        Accuracy(
            column.ref,
            scale,
            column.direction,
            known(float(found.estimate[i])),
            known(float(found.low[i])),
            known(float(found.high[i])),
            int(found.votes[i]),
            found.reasons[i] or None,
        )
        for i, column in enumerate(columns)
    ]
