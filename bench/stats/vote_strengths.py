"""How strong each model is among votes, for other listeners and other prompts: a fit, and a jackknife of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.stats.clusters import cluster_variance, effective_number
from bench.stats.davidson import fit_davidson, fit_half_wins, strongly_connected

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
TieModel = Literal["half wins", "Davidson"]

_CELLS = 500_000  # of the tables of counts that are fitted at a time: some 50 MB
_HALF_WINS = "a model won or lost all its comparisons with some others: half a win each way was added to every pair"


@dataclass(frozen=True, eq=False)
class VoteTable:
    """Votes between two models each, a row a vote; without those that called both bad.

    Attributes:
        first, second: the models, shape (votes,), numbered from 0.
        choice: shape (votes,): 1 for the second, −1 for the first, 0 for a tie.
        listeners, prompts: shape (votes,), numbered from 0 without gaps.
        models: how many there are, ≥ 2.

    Raises:
        ValueError: no votes, shapes that differ, a model compared with itself, or another choice.
    """

    first: Labels
    second: Labels
    choice: Array
    listeners: Labels
    prompts: Labels
    models: int

    def __post_init__(self) -> None:
        size = (len(self.choice),)
        if {self.first.shape, self.second.shape, self.listeners.shape, self.prompts.shape} != {size} or not size[0]:
            raise ValueError("votes need one row or more, each with two models, a choice, a listener and a prompt")
        if not np.isin(self.choice, (-1.0, 0.0, 1.0)).all() or (self.first == self.second).any():
            raise ValueError("a vote is 1, −1 or 0 between two different models")

    def of(self, rows: Labels) -> VoteTable:
        """Return the votes in these rows, one or more."""
        first, second, listeners, prompts = (
            column[rows] for column in (self.first, self.second, self.listeners, self.prompts)
        )
        return VoteTable(first, second, self.choice[rows], listeners, prompts, self.models)


@dataclass(frozen=True, eq=False)
class VoteStrengths:
    """Strengths in log-odds with mean 0, and their differences, with intervals for other listeners and prompts.

    Attributes:
        ties: how ties enter; strengths of the two ways are on different scales.
        strengths, low, high: shape (models,); NaN ends where there is no interval.
        difference, difference_low, difference_high, p: shape (models, models), of b − a at [a, b]; p is two-sided.
        df: degrees of freedom of each difference, shape (models, models).
        log_nu: log ν, Davidson's tie parameter, 0 for half wins: a tie between equals is ν/2 as likely as an answer.
        listeners, prompts: how many voted, and on how many.
        effective_listeners: Kish's (Σn)²/Σn² with n the votes of a listener: so many with as many votes each tell
            about as much where listeners differ.
        note: that half wins had to be added, or "".
        reason: why intervals are missing, or "".
    """

    ties: TieModel
    strengths: Array
    low: Array
    high: Array
    difference: Array
    difference_low: Array
    difference_high: Array
    p: Array
    df: Array
    log_nu: float
    listeners: int
    prompts: int
    effective_listeners: float
    note: str
    reason: str


def vote_strengths(votes: VoteTable, ties: TieModel = "half wins", confidence: float = 0.95) -> VoteStrengths:
    """Fit strengths, and find how far they would differ with other listeners and other prompts.

    Listeners are left out one at a time, and so are prompts, and their cells; `bench.stats.clusters.cluster_variance`
    says how that becomes a variance with degrees of freedom, and so a t-interval. It holds the marginal difference of
    two models in .97, .97 and .95 of simulated surveys with 3, 5 and 20 listeners on 36 prompts, and in .90 to .94
    where one listener of 12 or 20 gives half the votes (400 surveys each); a percentile bootstrap of listeners covers
    .74, .84 and .92.

    The strengths are marginal: of a vote by anybody on any prompt, not of one listener's odds, which lie further apart
    where listeners differ.

    Args:
        votes: the votes.
        ties: "half wins" makes strengths those of the expected score, as in Elo's ratings; "Davidson" gives ties a
            parameter of their own.
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: fewer than two models, models that are not even indirectly compared, a confidence outside (0, 1), or
            for "Davidson" no tied or no untied vote.

    Source: Bradley and Terry, Biometrika 39 (1952); Davidson, JASA 65 (1970).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence is a share between 0 and 1, got {confidence}")
    if votes.models < 2:
        raise ValueError("strengths need two models or more")
    wins, tied = _counted(votes, np.zeros(len(votes.choice), dtype=np.intp), 1)
    if not strongly_connected(wins + wins.transpose(0, 2, 1) + tied)[0]:
        raise ValueError("some models were compared with others neither directly nor through a third: no common scale")
    whole, sparse = _fitted(wins, tied, ties, None)
    if np.isnan(whole).any():
        raise ValueError("Davidson's model needs both tied and untied votes")
    fit = _Whole(votes, wins[0], tied[0], ties, whole[0])
    k = votes.models
    contrasts = np.concatenate([np.eye(k), _pairs(k)])
    found = cluster_variance(votes.listeners, votes.prompts, lambda groups: _jackknife(fit, groups, contrasts))
    variance, df = (np.broadcast_to(part, len(contrasts)) for part in (found.variance, found.df))
    estimate = contrasts @ whole[0, :k]
    reach, p = _t_interval(estimate, variance, df, confidence)
    low, high = estimate - reach, estimate + reach
    apart = [part[k:].reshape(k, k) for part in (estimate, low, high, p, df)]
    return VoteStrengths(
        ties,
        estimate[:k],
        low[:k],
        high[:k],
        apart[0],
        apart[1],
        apart[2],
        apart[3],
        apart[4],
        float(whole[0, k]),
        len(np.unique(votes.listeners)),
        len(np.unique(votes.prompts)),
        effective_number(votes.listeners),
        _HALF_WINS if sparse[0] else "",
        found.reason,
    )


@dataclass(frozen=True, eq=False)
class _Whole:
    """The fit to all votes, and what it is of."""

    votes: VoteTable
    wins: Array
    tied: Array
    ties: TieModel
    found: Array


def _counted(votes: VoteTable, groups: Labels, count: int) -> tuple[Array, Array]:
    """Wins and ties of each group, both of shape (groups, models, models)."""
    k = votes.models
    won = np.where(votes.choice > 0, votes.second, votes.first)
    lost = np.where(votes.choice > 0, votes.first, votes.second)
    decided = votes.choice != 0
    shape, size = (count, k, k), count * k * k
    cell = groups * k * k + won * k + lost
    wins = np.bincount(cell[decided], minlength=size).reshape(shape).astype(np.float64)
    forth = np.bincount(cell[~decided], minlength=size).reshape(shape).astype(np.float64)
    return wins, forth + forth.transpose(0, 2, 1)


def _fitted(wins: Array, tied: Array, ties: TieModel, start: Array | None) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Abilities and log ν, shape (tables, models + 1)."""
    if ties == "half wins":
        abilities, sparse = fit_half_wins(wins, tied, None if start is None else start[:-1])
        return np.column_stack([abilities, np.zeros(len(abilities))]), sparse
    abilities, log_nu, sparse = fit_davidson(wins, tied, None if start is None else (start[:-1], float(start[-1])))
    return np.column_stack([abilities, log_nu]), sparse


def _jackknife(fit: _Whole, groups: Labels, contrasts: Array) -> Array:
    """Delete-one-group variance of each contrast, (G − 1)/G · Σ(θ₋g − mean)²."""
    number = int(groups.max()) + 1
    whole = fit.found[:-1] @ contrasts.T
    # Of distances from the whole fit, which are small, so that all replicates are never there at once.
    total, squares = np.zeros(len(contrasts)), np.zeros(len(contrasts))
    for wins, tied, times in _without_each(fit, groups, number):
        found, _ = _fitted(wins, tied, fit.ties, fit.found)
        away = found[:, :-1] @ contrasts.T - whole
        total += times @ away
        squares += times @ away**2
    return np.maximum(squares - total**2 / number, 0) * (number - 1) / number


def _without_each(fit: _Whole, groups: Labels, number: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the counts without each group, some groups at a time, and how many groups leave these counts."""
    votes = fit.votes
    size = np.bincount(groups, minlength=number)
    single = size[groups] == 1
    times = np.ones(len(votes.choice))
    keep = ~single
    if single.any():
        # Groups of one vote leave the same counts where the vote is the same, which is nearly always.
        rows = np.flatnonzero(single)
        codes = (votes.first[rows] * votes.models + votes.second[rows]) * 3 + votes.choice[rows].astype(np.intp) + 1
        _, places, count = np.unique(codes, return_index=True, return_counts=True)
        keep[rows[places]] = True
        times[rows[places]] = count
    rows = np.flatnonzero(keep)
    _, own = np.unique(groups[rows], return_inverse=True)
    order = np.argsort(own, kind="stable")
    rows, own = rows[order], own[order]
    step = max(1, _CELLS // votes.models**2)
    for start in range(0, int(own[-1]) + 1, step):
        here = slice(*np.searchsorted(own, [start, start + step]))
        stop = int(own[here][-1]) + 1
        wins, tied = _counted(votes.of(rows[here]), own[here] - start, stop - start)
        first = rows[here][np.searchsorted(own[here], np.arange(start, stop))]
        yield fit.wins - wins, fit.tied - tied, times[first]


def _t_interval(estimate: Array, variance: Array, df: Array, confidence: float) -> tuple[Array, Array]:
    """Return half the interval's width and the two-sided p; NaN where nothing varies."""
    from scipy.special import stdtr, stdtrit

    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(np.where(variance > 0, variance, np.nan))
        return stdtrit(df, (1 + confidence) / 2) * se, 2 * stdtr(df, -np.abs(estimate / se))


def _pairs(models: int) -> Array:
    """Return b − a at row a·k + b."""
    eye = np.eye(models)
    return (eye[None, :, :] - eye[:, None, :]).reshape(-1, models)
