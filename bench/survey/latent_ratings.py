"""Estimate the latent opinions behind the ratings of an earlier survey, before rounding and clipping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.stats.crossed import crossed_mean
from bench.stats.maximal_model import MaximalModel
from bench.stats.survey_model import TYPICAL, OpinionVariances, Scale, simulate_ratings
from bench.stats.two_way import Components
from bench.survey.ratings import Ratings

Array = npt.NDArray[np.float64]

_TERMS = 80
_HIGHEST_CORRELATION = 0.98


class LatentRatings(NamedTuple):
    """Variances of latent opinions and their mean, in steps of a five-point scale whose middle is 0."""

    variances: OpinionVariances
    centre: float


def estimate_opinion(ratings: Ratings, scales: Sequence[str]) -> LatentRatings:
    """Estimate the opinions behind ratings, averaged over pairs of models and over scales.

    Args:
        ratings: of at least two models, by at least two listeners on at least two prompts.
        scales: names of scales in ``ratings``, at least one.

    Raises:
        DataError: no pair of models has ratings that determine the variances.
    """
    found, reasons = [], []
    for name in scales:
        cube = ratings.cube(name)
        scale = whole_scale(ratings, name)
        for a, b in combinations(range(len(cube)), 2):
            try:
                found.append(opinion_behind(cube[a], cube[b], scale))
            except ValueError as error:
                reasons.append(f"{name}, {ratings.models[a]} and {ratings.models[b]}: {error}")
    if not found:
        why = reasons[0] if reasons else "there is only one model"
        raise DataError(f"the ratings do not determine the variances: {why}")
    mean = {part: float(np.mean([vars(opinion.variances)[part] for opinion in found])) for part in vars(TYPICAL)}
    return LatentRatings(OpinionVariances(**mean), float(np.mean([opinion.centre for opinion in found])))


def pilot_range(
    ratings: Ratings, opinion: LatentRatings, surveys: int = 60, seed: int = 0
) -> tuple[OpinionVariances, OpinionVariances] | None:
    """Return the range of variances consistent with a pilot of this size, by a parametric bootstrap.

    Surveys of the pilot's size, with its empty cells, are simulated from its estimates and estimated again; those at a
    tenth and at nine tenths of them, sorted by the standard error that they give a large survey, are returned.

    Args:
        ratings: ratings of the pilot.
        opinion: result of `estimate_opinion`.
        surveys: number of simulated surveys.
        seed: seed of the simulation.

    Returns:
        Variances that give a smaller standard error, and a larger one; None if too few simulated surveys determine
        their variances.
    """
    rng = np.random.default_rng(seed)
    cube, scale = ratings.cube(ratings.scales[0])[:2], whole_scale(ratings, ratings.scales[0])
    missing = np.isnan(cube)
    _, listeners, prompts = cube.shape
    found = []
    for _ in range(surveys):
        drawn = simulate_ratings(rng, 1, listeners, prompts, 0.0, opinion.variances, scale, opinion.centre)[:, 0]
        seen = np.where(missing, np.nan, drawn)
        try:
            found.append(opinion_behind(seen[0], seen[1], scale).variances)
        except ValueError:
            continue
    if len(found) < surveys / 2:
        return None
    # In a large survey only the variances by listener and by prompt matter.
    found.sort(key=lambda one: one.listener_model + one.prompt_model + 0.05 * one.residual)
    return found[len(found) // 10], found[len(found) - 1 - len(found) // 10]


def latent_effect(difference: float, opinion: LatentRatings, scale: Scale) -> float:
    """Return the difference of opinions that gives a difference of mean ratings, in steps of a five-point scale.

    Args:
        difference: difference of mean ratings, > 0, in steps of the scale.
        opinion: the latent opinions.
        scale: scale of the ratings.

    Raises:
        ValueError: no difference of opinions within the scale's width is large enough.
    """
    from scipy.optimize import brentq

    if mean_difference(8.0, opinion, scale) <= difference:
        raise ValueError(f"mean ratings on this scale cannot differ by {difference:g}")
    return float(brentq(lambda effect: mean_difference(effect, opinion, scale) - difference, 0.0, 8.0, xtol=1e-9))


def whole_scale(ratings: Ratings, name: str) -> Scale:
    """Return the range of a scale in whole steps."""
    low, high = ratings.ranges[name]
    return Scale(int(np.floor(low)), int(np.ceil(high)))


def opinion_behind(a: Array, b: Array, scale: Scale) -> LatentRatings:
    """Return the opinions behind two models' ratings.

    Mean and variance of the ratings give those of the opinions. The covariance of two ratings by one listener, or of
    one prompt, follows from the crossed components of b − a and of (a + b)/2, and C(ρ) = Σ cₙ²ρⁿ gives the opinions'
    correlation ρ, with cₙ the Hermite coefficients of the steps of the scale. A yes-or-no question does not
    determine the spread of opinions, so the typical one is used.

    Args:
        a, b: shape (listeners, prompts), ratings on the scale, NaN where missing.
        scale: scale of the ratings.

    Raises:
        ValueError: too few ratings, or equal ones; see `bench.stats.crossed_mean`.

    Source: Lancaster, "The structure of bivariate distributions", Annals of Mathematical Statistics 29 (1958); with
    thresholds from the margins as in Olsson, "Maximum likelihood estimation of the polychoric correlation coefficient",
    Psychometrika 44 (1979).
    """
    level, shared, own = _components(a, b)
    total = sum(shared) + sum(own) / 4
    centre, sd = _margin(level, total, scale)
    squares = _hermite_squares((_thresholds(scale) - centre) / sd)

    def latent(covariance: float) -> float:
        return sd**2 * _correlation(covariance, squares)

    listener = latent(shared.listener - own.listener / 4)
    prompt = latent(shared.prompt - own.prompt / 4)
    listener_model = latent(shared.listener + own.listener / 4) - listener
    prompt_model = latent(shared.prompt + own.prompt / 4) - prompt
    same_cell = latent(total - sum(own) / 2)
    residual = max(0.0, sd**2 - same_cell - listener_model - prompt_model)
    variances = OpinionVariances(listener, prompt, listener_model, prompt_model, residual)
    return LatentRatings(variances, centre)


def _components(a: Array, b: Array) -> tuple[float, Components, Components]:
    """Return the mean of (a + b)/2, its variances, and those of b − a; also from cells that rate one model only."""
    rated_one = np.isnan(a) != np.isnan(b)
    if not rated_one.any():
        between, level = crossed_mean(b - a), crossed_mean((a + b) / 2)
        if between.reason:
            raise ValueError("all differences are equal")
        return level.estimate, level.components, between.components
    found = MaximalModel.of(np.stack([a, b])).solution
    if found is None:
        raise ValueError("each model's ratings are all equal")
    halves, apart = np.array([0.5, 0.5]), np.array([-1.0, 1.0])

    def of(weights: Array) -> Components:
        listener, prompt = (float(weights @ part @ weights) for part in found.covariances)
        return Components(listener, prompt, found.residual * float(weights @ weights))

    return float(halves @ found.effects[:2]), of(halves), of(apart)


def mean_difference(effect: float, opinion: LatentRatings, scale: Scale) -> float:
    """Return the difference of mean ratings, in steps of the scale, for a difference of opinions of ``effect``.

    Σₖ Φ((centre + effect/2 − τₖ)/σ) − Φ((centre − effect/2 − τₖ)/σ) over the thresholds τ of the scale.

    Args:
        effect: in steps of a five-point scale.
        opinion: the opinions; σ² is the sum of their variances.
        scale: of the ratings.
    """
    from scipy.special import ndtr

    away = opinion.centre - _thresholds(scale)
    sd = sum(vars(opinion.variances).values()) ** 0.5
    if sd == 0:
        return float(np.count_nonzero(away + effect / 2 >= 0) - np.count_nonzero(away - effect / 2 >= 0))
    return float((ndtr((away + effect / 2) / sd) - ndtr((away - effect / 2) / sd)).sum())


def _thresholds(scale: Scale) -> Array:
    """Return the thresholds between ratings, in steps of a five-point scale."""
    return (np.arange(scale.low, scale.high) + 0.5 - (scale.low + scale.high) / 2) * scale.step


def _margin(mean: float, variance: float, scale: Scale) -> tuple[float, float]:
    """Return mean and standard deviation of normal opinions whose ratings have this mean and variance."""
    from scipy.optimize import least_squares
    from scipy.special import ndtr

    thresholds = _thresholds(scale)
    weights = 2 * np.arange(len(thresholds)) + 1  # k² as a sum over the steps below k
    typical = sum(vars(TYPICAL).values()) ** 0.5
    above = mean - scale.low

    def misfit(place: Array) -> Array:
        reach = ndtr((place[0] - thresholds) / np.exp(place[1]))
        first = float(reach.sum())
        second = float((weights * reach).sum()) - first**2
        spread = place[1] - np.log(typical) if len(thresholds) == 1 else second**0.5 - variance**0.5
        return np.array([first - above, spread])

    start = [(mean - (scale.low + scale.high) / 2) * scale.step, np.log(typical)]
    # With a wider spread, nearly all ratings would be at the ends.
    found = least_squares(misfit, start, bounds=([-12, np.log(0.05)], [12, np.log(8)])).x
    return float(found[0]), float(np.exp(found[1]))


def _hermite_squares(thresholds: Array) -> Array:
    """Return cₙ² for n = 1, 2, …: the ratings' variance of each Hermite order for a standard normal opinion."""
    before, polynomial = np.zeros_like(thresholds), np.exp(-(thresholds**2) / 2) / np.sqrt(2 * np.pi)
    squares = np.empty(_TERMS)
    for n in range(1, _TERMS + 1):
        squares[n - 1] = polynomial.sum() ** 2 / n
        # Heₙ/√n! times the density, by the three-term recurrence.
        following = (thresholds * polynomial - np.sqrt(n - 1) * before) / np.sqrt(n)
        before, polynomial = polynomial, following
    return squares


def _correlation(covariance: float, squares: Array) -> float:
    """Return the correlation of opinions, 0 to 0.98, whose ratings have this covariance."""
    from scipy.optimize import brentq

    orders = np.arange(1, _TERMS + 1)

    def excess(correlation: float) -> float:
        return float((squares * correlation**orders).sum()) - covariance

    if excess(0.0) >= 0:
        return 0.0
    if excess(_HIGHEST_CORRELATION) <= 0:
        return _HIGHEST_CORRELATION
    return float(brentq(excess, 0.0, _HIGHEST_CORRELATION, xtol=1e-9))
