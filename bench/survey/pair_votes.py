"""The votes between two models of a survey, and the test of preference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import CrossedTest, crossed_t_test
from bench.stats.two_way import Components
from bench.stats.vote_strengths import VoteTable
from bench.survey.ratings import Preferences, cell_means

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]

_MOST = 400
"""Maximum of listeners plus prompts of a pair for a mixed model with missing cells."""


class PairResult(NamedTuple):
    """A test, or None; why it or its interval is missing; and whether positions are a covariate."""

    test: CrossedTest | None
    reason: str
    by_position: bool = False


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Preferences between two models; answers that called both bad are separate.

    Attributes:
        scores: for each listener and prompt with a vote, by how much b was better: 1 for b, −1 for a, 0 for a tie
            if listeners only chose, else comparison scores; the mean of repeated votes; shape (cells,).
        signs: the mean of the votes' signs, of the same shape.
        listeners, prompts: numbered as in the survey; of the same shape.
    """

    scores: Array
    signs: Array
    listeners: Labels
    prompts: Labels

    @property
    def by_sign(self) -> PairVotes:
        """The votes reduced to their signs."""
        return PairVotes(self.signs, self.signs, self.listeners, self.prompts)

    @property
    def crossed(self) -> bool:
        """Whether listeners share prompts, and are few enough for a mixed model."""
        people, pieces = len(np.unique(self.listeners)), len(np.unique(self.prompts))
        return pieces < len(self.scores) and (people * pieces == len(self.scores) or people + pieces <= _MOST)

    @property
    def differences(self) -> Array:
        """The scores with a row per listener, and a column per prompt if crossed; NaN without a vote."""
        who = np.unique(self.listeners, return_inverse=True)[1]
        if self.crossed:
            what = np.unique(self.prompts, return_inverse=True)[1]
        else:  # the votes of each listener in sequence
            order = np.argsort(who, kind="stable")
            starts = np.searchsorted(who[order], who[order])
            what = np.empty_like(who)
            what[order] = np.arange(len(who)) - starts
        return cell_means([who, what], self.scores, [int(who.max(initial=-1)) + 1, int(what.max(initial=-1)) + 1])

    @property
    def missing(self) -> int:
        """Cells of its listeners × prompts without a vote; 0 if not crossed."""
        differences = self.differences
        return int(np.isnan(differences).sum()) if self.crossed else 0

    def of_prompts(self, chosen: npt.NDArray[np.bool_]) -> PairVotes:
        """Return the votes on some of the survey's prompts."""
        rows = chosen[self.prompts]
        return PairVotes(self.scores[rows], self.signs[rows], self.listeners[rows], self.prompts[rows])

    def mean(self) -> float | None:
        """Return the mean score; for choices, the share that preferred b minus the share that preferred a."""
        return float(self.scores.mean()) if len(self.scores) else None

    def test(self, confidence: float) -> PairResult:
        """Test whether neither is preferred: crossed, or as means of clustered votes if not crossed."""
        if not len(self.scores):
            return PairResult(None, "no listener answered here")
        try:
            found = crossed_t_test(self.differences, confidence) if self.crossed else self._clustered(confidence)
        except ValueError as error:
            return PairResult(None, str(error))
        return PairResult(found, found.reason)

    def warnings(self, a: str, b: str) -> tuple[str, ...]:
        """Return no warnings, as effects of sides are reported for all pairs together."""
        del a, b
        return ()

    def _clustered(self, confidence: float) -> CrossedTest:
        from bench.stats.clusters import clustered_mean

        found = clustered_mean(self.scores, self.listeners, self.prompts, confidence)
        people, pieces = len(np.unique(self.listeners)), len(np.unique(self.prompts))
        nothing = Components(float("nan"), float("nan"), float("nan"))
        return CrossedTest(
            found.estimate, found.se, found.df, found.low, found.high, confidence, "clustered votes",
            floored=False, listeners=people, prompts=pieces, cells=len(self.scores), missing=0, dropped_listeners=0,
            dropped_prompts=0, components=nothing, reason=found.reason, t=found.t, p=found.p,
        )  # fmt: skip


def votes_of(preferences: Preferences, scale: str) -> dict[tuple[str, str], PairVotes]:
    """Return the votes on one scale, by pair of models in the survey's order; pairs without votes are left out."""
    rows = _decided(preferences, scale)
    codes = _Codes.of(preferences, rows)
    turned = codes.a > codes.b
    low, high = np.minimum(codes.a, codes.b), np.maximum(codes.a, codes.b)
    turn = np.where(turned, -1.0, 1.0)
    signs, scores = turn * codes.choice, turn * rows["score"].to_numpy(dtype=np.float64)
    found = {}
    for i, j in combinations(range(len(preferences.models)), 2):
        here = (low == i) & (high == j)
        if here.any():
            cells, which = np.unique(
                codes.listener[here] * len(preferences.prompts) + codes.prompt[here], return_inverse=True
            )
            means = [np.bincount(which, part[here]) / np.bincount(which) for part in (scores, signs)]
            listeners, prompts = np.divmod(cells, len(preferences.prompts))
            found[preferences.models[i], preferences.models[j]] = PairVotes(means[0], means[1], listeners, prompts)
    return found


def cells_called_bad(preferences: Preferences, scale: str) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """Return the cells called bad by pair: (listener, prompt) as numbered in the survey."""
    table = preferences.table
    rows = table[(table["scale"] == scale) & (table["outcome"] == "both bad")]
    codes = _Codes.of(preferences, rows)
    found: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for a, b, listener, prompt in zip(codes.a, codes.b, codes.listener, codes.prompt, strict=True):
        pair = preferences.models[min(a, b)], preferences.models[max(a, b)]
        found.setdefault(pair, set()).add((int(listener), int(prompt)))
    return found


def vote_table(preferences: Preferences, scale: str) -> VoteTable:
    """Return all votes on one scale, except those that call both bad.

    Raises:
        ValueError: there are none.
    """
    codes = _Codes.of(preferences, _decided(preferences, scale))
    return VoteTable(codes.a, codes.b, codes.choice, codes.listener, codes.prompt, len(preferences.models))


def _decided(preferences: Preferences, scale: str) -> pd.DataFrame:
    table = preferences.table
    return table[(table["scale"] == scale) & (table["outcome"] != "both bad")]


@dataclass(frozen=True, eq=False)
class _Codes:
    """Columns of votes as numbers: models, listeners and prompts by position in the survey."""

    a: Labels
    b: Labels
    choice: Array
    listener: Labels
    prompt: Labels

    @classmethod
    def of(cls, preferences: Preferences, rows: pd.DataFrame) -> _Codes:
        import pandas as pd

        def places() -> Iterator[Labels]:
            for column, names in (
                ("a", preferences.models),
                ("b", preferences.models),
                ("listener", preferences.listeners),
                ("prompt", preferences.prompts),
            ):
                yield np.asarray(pd.Index(list(names)).get_indexer(pd.Index(rows[column])), dtype=np.intp)

        a, b, listener, prompt = places()
        return cls(a, b, rows["choice"].to_numpy(dtype=np.float64), listener, prompt)
