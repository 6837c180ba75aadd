"""The test of two models of a survey, using all ratings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import CrossedTest, crossed_t_test
from bench.stats.maximal_model import MaximalModel, maximal_t_test
from bench.survey.pair_votes import PairResult, PairVotes, votes_of
from bench.survey.ratings import Preferences, Ratings

Array = npt.NDArray[np.float64]
Pair = tuple[str, str, str]  # a, b, scale
# A function that tests two models, by position, in one fit to all models of their scale.
Joint = Callable[[int, int, float], CrossedTest]


# Minimum number and share of cells with the same order for a warning.
_FEWEST_ORDERED, _ORDERED = 6, 0.9


@dataclass(frozen=True, eq=False)
class PairAnswers:
    """Ratings of two models on one scale.

    Attributes:
        differences: shape (listeners, prompts): b − a, NaN if one is missing.
        ratings: of a and of b, shape (2, listeners, prompts).
        positions: position of each rating, of the same shape; None if unknown.
        joint: the test within one fit to all models, for pairs whose own ratings allow no test.
    """

    differences: Array
    ratings: Array
    positions: Array | None = None
    joint: Joint | None = None
    places: tuple[int, int] = (0, 1)

    @property
    def rated(self) -> npt.NDArray[np.bool_]:
        """Mask of cells with a rating of either model, shape (listeners, prompts)."""
        found: npt.NDArray[np.bool_] = (~np.isnan(self.ratings)).any(axis=0)
        return found

    @property
    def missing(self) -> int:
        """Cells of the survey's listeners × prompts without a rating of either."""
        return int((~self.rated).sum())

    @property
    def one_sided(self) -> bool:
        """Whether some cell has a rating of only one model, which a test of differences ignores."""
        return bool((self.rated & np.isnan(self.differences)).any())

    def of_prompts(self, chosen: npt.NDArray[np.bool_]) -> PairAnswers:
        """Return the answers on some of the prompts, by themselves."""
        positions = None if self.positions is None else self.positions[..., chosen]
        return PairAnswers(self.differences[:, chosen], self.ratings[..., chosen], positions)

    def mean(self) -> float | None:
        """Return the raw difference, ignoring who gave the ratings."""
        paired = self.differences[~np.isnan(self.differences)]
        if len(paired) and not self.one_sided:
            return float(paired.mean())
        if np.isnan(self.ratings).all(axis=(1, 2)).any():
            return None
        return float(np.nanmean(self.ratings[1]) - np.nanmean(self.ratings[0]))

    def test(self, confidence: float) -> PairResult:
        """Test whether the models are equally good.

        Uses the maximal mixed model of both models' ratings with positions as a covariate, if positions are
        known and not confounded with the models. Otherwise `bench.stats.crossed` if every cell has both ratings or
        none, else the maximal model; if that allows no test, the fit to all models.
        """
        if not self.rated.any():
            return PairResult(None, "no listener answered here")
        if np.isnan(self.ratings).all(axis=(1, 2)).any():
            return PairResult(None, "one of the models has no rating")
        a, b = self.ratings
        if self.positions is not None:
            found = _attempt(lambda: maximal_t_test(a, b, confidence, self.positions))
            if not found.reason:
                return found._replace(by_position=True)
        if not self.one_sided:
            return _attempt(lambda: crossed_t_test(self.differences, confidence))
        found = _attempt(lambda: maximal_t_test(a, b, confidence))
        if found.reason and self.joint is not None:
            joint = self.joint
            together = _attempt(lambda: joint(*self.places, confidence))
            return found if together.reason else together
        return found

    def order(self) -> tuple[float, int] | None:
        """Return the share of cells with both ratings in which a was given before b, and their number.

        If no cell has both, use listeners' mean positions; None if positions are unknown.
        """
        if self.positions is None:
            return None
        apart = self.positions[1] - self.positions[0]
        if np.isnan(apart).all():
            both = (~np.isnan(self.positions)).any(axis=2).all(axis=0)
            apart = np.diff(np.nanmean(self.positions[:, both], axis=2), axis=0)
        known = apart[~np.isnan(apart) & (apart != 0)]
        return (float((known > 0).mean()), len(known)) if len(known) else None

    def warnings(self, a: str, b: str) -> tuple[str, ...]:
        """Return warnings that limit the result, whatever its p; ``a`` and ``b`` are the models' names."""
        order = self.order()
        if order is None or order[1] < _FEWEST_ORDERED or 1 - _ORDERED < order[0] < _ORDERED:
            return ()
        first, last, share = (a, b, order[0]) if order[0] > 0.5 else (b, a, 1 - order[0])
        often = "always" if share == 1 else f"in {100 * share:.0f} % of cases"
        return (
            f"W-ORDER-EFFECT: {first} was heard before {last} {often}, so an effect of the order may look like a "
            "difference",
        )


def _attempt(test: Callable[[], CrossedTest]) -> PairResult:
    try:
        found = test()
    except ValueError as error:
        return PairResult(None, str(error))
    return PairResult(found, found.reason)


class JointFits:
    """A fit to all models of each scale, made on first use."""

    def __init__(self, ratings: Ratings) -> None:
        self._ratings = ratings
        self._fits: dict[str, MaximalModel | str] = {}

    def of(self, scale: str) -> MaximalModel:
        """Fit all models' ratings on a scale.

        Raises:
            ValueError: see `bench.stats.maximal_model.MaximalModel.of`.
        """
        if scale not in self._fits:
            self._fits[scale] = self._fit(scale)
        found = self._fits[scale]
        if isinstance(found, str):
            raise ValueError(found)
        return found

    def _fit(self, scale: str) -> MaximalModel | str:
        """Fit all models, with positions as a covariate if known and not confounded."""
        cube, positions = self._ratings.cube(scale), self._ratings.positions(scale)
        reason = ""
        for covariate in (positions, None) if positions is not None else (None,):
            try:
                return MaximalModel.of(cube, covariate)
            except ValueError as error:
                reason = str(error)
        return reason

    def pair_tester(self, scale: str) -> Joint:
        """Return a function that tests two models within the fit to all models of a scale."""
        return lambda a, b, confidence: self.of(scale).difference(a, b, confidence)


def pairs_of(
    survey: Ratings | Preferences, joint: JointFits | None = None
) -> Mapping[Pair, PairAnswers] | Mapping[Pair, PairVotes]:
    """Return every pair of models on every scale; pairs without votes are left out.

    Args:
        survey: checked answers.
        joint: fits of the same ratings, for pairs of three or more models whose own ratings allow no test.
    """
    found: dict[Pair, Any] = {}
    for scale in survey.scales:
        if isinstance(survey, Ratings):
            together = None if joint is None or len(survey.models) < 3 else joint.pair_tester(scale)
            found |= _rated(survey, scale, together)
        else:
            found |= {(a, b, scale): votes for (a, b), votes in votes_of(survey, scale).items()}
    return found


def _rated(survey: Ratings, scale: str, joint: Joint | None) -> Iterable[tuple[Pair, PairAnswers]]:
    cube, positions = survey.cube(scale), survey.positions(scale)
    found = {}
    for (i, a), (j, b) in combinations(enumerate(survey.models), 2):
        places = [i, j]
        at = None if positions is None else positions[places]
        found[a, b, scale] = PairAnswers(cube[j] - cube[i], cube[places], at, joint, (i, j))
    return found.items()
