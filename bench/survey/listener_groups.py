"""Means of groups of listeners, such as musicians and others: a description of this survey, without a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bench.errors import UsageError, suggestion
from bench.survey.ratings import Preferences, Ratings, natural
from bench.survey.results import GroupMean

_MOST = 12  # groups of one column; more are single ages or names
_NOT_SAID = "(not said)"


def group_means(survey: Ratings | Preferences, columns: Sequence[str]) -> tuple[GroupMean, ...]:
    """Return the mean of each model, or of each pair's preferences, within each group of listeners.

    Means are over cells of listener × prompt, as in the survey's own table of models.

    Args:
        survey: checked answers.
        columns: columns of the file that say something about each listener.

    Raises:
        UsageError: there is no such column, or it has too many values to be groups.
    """
    return tuple(one for column in columns for one in _of_column(survey, column))


def _of_column(survey: Ratings | Preferences, column: str) -> Iterator[GroupMean]:
    known = survey.listener_columns
    if column not in known:
        there = f"such columns are {', '.join(known)}" if known else "the file has no such column"
        raise UsageError(
            f"--by-listener: '{column}'{suggestion(column, known)} does not say one thing of each listener; {there}"
        )
    said = np.array([known[column].get(listener) or _NOT_SAID for listener in survey.listeners])
    groups = sorted(set(said), key=lambda name: (name == _NOT_SAID, natural(name)))
    if len(groups) > _MOST:
        raise UsageError(
            f"--by-listener: '{column}' has {len(groups)} values, such as {', '.join(groups[:3])}; write a column of "
            f"up to {_MOST} groups into the file, such as ages in ranges"
        )
    for scale in survey.scales:
        for name, cells in _cells(survey, scale).items():
            for group in groups:
                part = cells[said == group]
                there = ~np.isnan(part)
                mean = float(part[there].mean()) if there.any() else None
                answered = int(there.any(axis=1).sum())
                yield GroupMean(column, group, scale, name, mean, answered, int(there.sum()))


def _cells(survey: Ratings | Preferences, scale: str) -> dict[str, npt.NDArray[np.float64]]:
    """The ratings of each model, or the scores of each pair that was asked for, shape (listeners, prompts)."""
    if isinstance(survey, Ratings):
        return dict(zip(survey.models, survey.cube(scale), strict=True))
    found = {f"{b} − {a}": survey.scores(a, b, scale) for a, b in combinations(survey.models, 2)}
    return {name: scores for name, scores in found.items() if not np.isnan(scores).all()}
