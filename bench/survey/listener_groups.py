"""Means of groups of listeners, such as musicians and others: descriptive, without a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bench.errors import UsageError, suggestion
from bench.survey.listener_results import GroupMean
from bench.survey.pair_votes import votes_of
from bench.survey.ratings import Preferences, Ratings, natural

_MOST = 12  # groups of one column; more are single ages or names
_NOT_SAID = "(not said)"


def group_means(survey: Ratings | Preferences, columns: Sequence[str]) -> tuple[GroupMean, ...]:
    """Return the mean of each model, or of each pair's preferences, within each group of listeners.

    Means are over cells of listener × prompt, as in the survey's own table of models.

    Args:
        survey: checked answers.
        columns: columns of the file about listeners.

    Raises:
        UsageError: a column does not exist, or has too many values for groups.
    """
    return tuple(one for column in columns for one in _of_column(survey, column))


def _of_column(survey: Ratings | Preferences, column: str) -> Iterator[GroupMean]:
    known = survey.listener_columns
    if column not in known:
        there = f"such columns are {', '.join(known)}" if known else "the file has no such column"
        raise UsageError(
            f"--by-listener: '{column}'{suggestion(column, known)} is not constant for each listener; {there}"
        )
    said = np.array([known[column].get(listener) or _NOT_SAID for listener in survey.listeners])
    groups = sorted(set(said), key=lambda name: (name == _NOT_SAID, natural(name)))
    if len(groups) > _MOST:
        raise UsageError(
            f"--by-listener: '{column}' has {len(groups)} values, such as {', '.join(groups[:3])}; add a column of "
            f"up to {_MOST} groups to the file, such as ages in ranges"
        )
    for scale in survey.scales:
        for name, (listeners, values) in _answers(survey, scale).items():
            for group in groups:
                here = said[listeners] == group
                mean = float(values[here].mean()) if here.any() else None
                answered = len(np.unique(listeners[here]))
                yield GroupMean(column, group, scale, name, mean, answered, int(here.sum()))


def _answers(
    survey: Ratings | Preferences, scale: str
) -> dict[str, tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
    """Return, for each model or requested pair, the listeners of the answers and their values."""
    if isinstance(survey, Ratings):
        cube = zip(survey.models, survey.cube(scale), strict=True)
        return {model: (np.nonzero(~np.isnan(cells))[0], cells[~np.isnan(cells)]) for model, cells in cube}
    return {f"{b} − {a}": (votes.listeners, votes.scores) for (a, b), votes in votes_of(survey, scale).items()}
