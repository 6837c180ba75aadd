"""The test of two models of a survey, which leaves no rating out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import CrossedTest, crossed_t_test
from bench.stats.maximal_model import MaximalModel, maximal_t_test
from bench.survey.pair_votes import PairVotes, votes_of
from bench.survey.ratings import Preferences, Ratings

Array = npt.NDArray[np.float64]
Pair = tuple[str, str, str]  # a, b, scale
# A test, None without a reason where there is none; and the sentence that says why it is none or has no interval.
Tested = tuple[CrossedTest | None, str]
# Tests two models, by their places, in one fit to all models of their scale.
Joint = Callable[[int, int, float], CrossedTest]


@dataclass(frozen=True, eq=False)
class PairAnswers:
    """How listeners rated two models on one scale.

    Attributes:
        differences: shape (listeners, prompts): b − a, NaN where one of them is missing.
        ratings: of a and of b, shape (2, listeners, prompts).
        positions: at which each rating was given, of the same shape; None where the file does not say.
        joint: the test within one fit to all models, for pairs whose own ratings allow none.
    """

    differences: Array
    ratings: Array
    positions: Array | None = None
    joint: Joint | None = None
    places: tuple[int, int] = (0, 1)

    @property
    def rated(self) -> npt.NDArray[np.bool_]:
        """Where there is a rating of either; shape (listeners, prompts)."""
        found: npt.NDArray[np.bool_] = (~np.isnan(self.ratings)).any(axis=0)
        return found

    @property
    def missing(self) -> int:
        """Cells of the survey's listeners × prompts without a rating of either."""
        return int((~self.rated).sum())

    @property
    def one_sided(self) -> bool:
        """Whether some cell has a rating of one model and none of the other, which a test of differences leaves out."""
        return bool((self.rated & np.isnan(self.differences)).any())

    def of_prompts(self, chosen: npt.NDArray[np.bool_]) -> PairAnswers:
        """The answers on some of the prompts, by themselves."""
        positions = None if self.positions is None else self.positions[..., chosen]
        return PairAnswers(self.differences[:, chosen], self.ratings[..., chosen], positions)

    def mean(self) -> float | None:
        """The difference as the answers stand, without regard to who gave them."""
        paired = self.differences[~np.isnan(self.differences)]
        if len(paired) and not self.one_sided:
            return float(paired.mean())
        if np.isnan(self.ratings).all(axis=(1, 2)).any():
            return None
        return float(np.nanmean(self.ratings[1]) - np.nanmean(self.ratings[0]))

    def test(self, confidence: float) -> Tested:
        """Test whether the models are equally good.

        By `bench.stats.crossed` where every cell has both ratings or none and no positions are known; otherwise by the
        maximal mixed model of both models' ratings; where that allows no test, by the fit to all models.
        """
        if not self.rated.any():
            return None, "no listener answered here"
        if not (self.one_sided or self.positions is not None):
            return _attempt(lambda: crossed_t_test(self.differences, confidence))
        if np.isnan(self.ratings).all(axis=(1, 2)).any():
            return None, "one of the models has no rating"
        ratings, positions = self.ratings, self.positions
        found, reason = _attempt(lambda: maximal_t_test(ratings[0], ratings[1], confidence, positions))
        if reason and self.joint is not None:
            joint = self.joint
            together, none = _attempt(lambda: joint(*self.places, confidence))
            if not none:
                return together, ""
        return found, reason


def _attempt(test: Callable[[], CrossedTest]) -> Tested:
    try:
        found = test()
    except ValueError as error:
        return None, str(error)
    return found, found.reason


class JointFits:
    """One fit to all models of each scale, made when it is first asked for."""

    def __init__(self, ratings: Ratings) -> None:
        self._ratings = ratings
        self._fits: dict[str, MaximalModel | str] = {}

    def of(self, scale: str) -> MaximalModel:
        """Fit all models' ratings on a scale.

        Raises:
            ValueError: see `bench.stats.maximal_model.MaximalModel.of`.
        """
        if scale not in self._fits:
            cube, positions = self._ratings.cube(scale), self._ratings.positions(scale)
            try:
                self._fits[scale] = MaximalModel.of(cube, positions)
            except ValueError as error:
                self._fits[scale] = str(error)
        found = self._fits[scale]
        if isinstance(found, str):
            raise ValueError(found)
        return found

    def test(self, scale: str) -> Joint:
        """The test of two models within the fit to all."""
        return lambda a, b, confidence: self.of(scale).difference(a, b, confidence)


def pairs_of(
    survey: Ratings | Preferences, joint: JointFits | None = None
) -> Mapping[Pair, PairAnswers] | Mapping[Pair, PairVotes]:
    """Every pair of models on every scale; pairs that nobody was asked to choose between are left out."""
    found: dict[Pair, Any] = {}
    for scale in survey.scales:
        if isinstance(survey, Ratings):
            together = None if joint is None or len(survey.models) < 3 else joint.test(scale)
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
