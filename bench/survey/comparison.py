"""Compare the models of a survey: each alone, every pair on every scale, and every pair within every genre."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import CrossedTest, crossed_mean
from bench.stats.intervals import bounded_t_interval
from bench.survey.pair_test import JointFits, Pair, PairAnswers
from bench.survey.pair_votes import PairVotes
from bench.survey.ratings import Ratings
from bench.survey.results import (
    EquivalenceTest,
    GenreComparison,
    ModelRating,
    OmnibusTest,
    SurveyComparison,
    VarianceComponents,
    known,
)

Array = npt.NDArray[np.float64]

SEED = 20


def model_ratings(ratings: Ratings, confidence: float) -> tuple[ModelRating, ...]:
    """Return mean with crossed interval (within the scale), median and quartiles of each model on each scale.

    Args:
        ratings: checked ratings.
        confidence: confidence of the intervals, in (0, 1).
    """
    return tuple(
        _model_rating(model, scale, values, ratings.ranges.get(scale), confidence)
        for scale in ratings.scales
        for model, values in zip(ratings.models, ratings.cube(scale), strict=True)
    )


def compare(
    pairs: Mapping[Pair, PairAnswers] | Mapping[Pair, PairVotes],
    confidence: float,
    margin: float | None = None,
    resamples: int = 2000,
    seed: int = SEED,
) -> tuple[SurveyComparison, ...]:
    """Return the test of every pair, Holm's adjustment over all of them, and effect sizes.

    Args:
        pairs: from `bench.survey.pair_test.pairs_of`.
        confidence: confidence of the intervals, in (0, 1).
        margin: the smallest difference that matters, for a test of equivalence; > 0.
        resamples: bootstrap resamples of listeners and prompts, for the interval of the probability of superiority.
        seed: seed of the resampling.
    """
    from bench.stats.multiplicity import holm

    found = [_comparison(pair, answers, confidence, margin) for pair, answers in pairs.items()]
    adjusted = holm([np.nan if one.p is None else one.p for one in found])
    rated = [one.differences for one in pairs.values() if isinstance(one, PairAnswers)]
    voted = [one for one in pairs.values() if isinstance(one, PairVotes)]
    limits = _superiority_limits(rated, confidence, resamples, seed) if rated else _share_limits(voted, confidence)
    return tuple(
        replace(one, p_holm=known(p), superiority_low=known(low), superiority_high=known(high))
        for one, p, (low, high) in zip(found, adjusted, limits, strict=True)
    )


def compare_within_genres(
    pairs: Mapping[Pair, PairAnswers] | Mapping[Pair, PairVotes],
    prompts: Sequence[str],
    genres: Mapping[str, str],
    confidence: float,
) -> tuple[GenreComparison, ...]:
    """Return every pair within every genre, with Benjamini and Hochberg's adjustment over the whole table.

    Args:
        pairs: from `bench.survey.pair_test.pairs_of`.
        prompts: of the survey, in its order.
        genres: by prompt; prompts without a genre are in none.
        confidence: confidence of the intervals, in (0, 1).
    """
    from bench.stats.multiplicity import benjamini_hochberg

    names = sorted(set(genres.values()))
    where = {name: np.array([genres.get(prompt) == name for prompt in prompts]) for name in names}
    found = []
    for (a, b, scale), answers in pairs.items():
        for name in names:
            part = answers.of_prompts(where[name])
            rated = len(np.unique(part.prompts)) if isinstance(part, PairVotes) else int(part.rated.any(axis=0).sum())
            test, reason, _ = part.test(confidence)
            found.append(
                GenreComparison(
                    *(name, a, b, scale),
                    estimate=part.mean() if test is None else known(test.estimate),
                    low=None if test is None else known(test.low),
                    high=None if test is None else known(test.high),
                    p=None if test is None else known(test.p),
                    p_bh=None,
                    prompts=rated,
                    method=None if test is None else test.method,
                    reason=reason,
                )
            )
    adjusted = benjamini_hochberg([np.nan if one.p is None else one.p for one in found])
    return tuple(replace(one, p_bh=known(p)) for one, p in zip(found, adjusted, strict=True))


def _mean(values: Array) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else None


def _model_rating(
    model: str, scale: str, values: Array, ends: tuple[float, float] | None, confidence: float
) -> ModelRating:
    rated = values[~np.isnan(values)]
    q1, median, q3 = (known(q) for q in np.quantile(rated, [0.25, 0.5, 0.75])) if len(rated) else (None, None, None)
    low, high, method = None, None, None
    try:
        mean = crossed_mean(values, confidence)
    except ValueError as error:
        average, reason = _mean(values), str(error)
    else:
        average, method, reason = known(mean.estimate), mean.method, mean.reason
        low, high = known(mean.low), known(mean.high)
        if not reason and ends is not None:
            found = bounded_t_interval(float(np.clip(mean.estimate, *ends)), mean.se, mean.df, ends, confidence)
            low, high = known(found.low), known(found.high)
    return ModelRating(
        model, scale, average, low, high, median, q1, q3, len(rated), values.size - len(rated), method, reason
    )


def _share_limits(votes: Sequence[PairVotes], confidence: float) -> Iterator[tuple[float, float]]:
    """Yield the interval of superiority for votes, where it is a share of votes."""
    for one in votes:
        test, reason, _ = one.by_sign.test(confidence)
        if test is None or reason:
            yield np.nan, np.nan
        else:
            yield max(0.0, (1 + test.low) / 2), min(1.0, (1 + test.high) / 2)


def _comparison(
    pair: Pair, answers: PairAnswers | PairVotes, confidence: float, margin: float | None
) -> SurveyComparison:
    from bench.stats.effect_size import matched_rank_biserial, probability_of_superiority, standardised_difference

    values = answers.differences
    paired = int((~np.isnan(values)).sum())
    if isinstance(answers, PairVotes):
        listeners, prompts = len(np.unique(answers.listeners)), len(np.unique(answers.prompts))
        cells = paired
    else:
        listeners, prompts = (int(answers.rated.any(axis=axis).sum()) for axis in (1, 0))
        cells = int(answers.rated.sum())
    test, reason, by_position = answers.test(confidence)
    try:
        d_z = known(standardised_difference(values, "listener"))
    except ValueError:
        d_z = None
    return SurveyComparison(
        *pair,
        estimate=answers.mean() if test is None else known(test.estimate),
        low=None if test is None else known(test.low),
        high=None if test is None else known(test.high),
        t=None if test is None else known(test.t),
        df=None if test is None else known(test.df),
        p=None if test is None else known(test.p),
        p_holm=None,
        method=None if test is None else test.method,
        se=None if test is None or reason else known(test.se),
        floored=None if test is None else test.floored,
        listeners=listeners,
        prompts=prompts,
        cells=cells,
        missing=answers.missing,
        paired=paired,
        superiority=probability_of_superiority(values) if paired else None,
        superiority_low=None,
        superiority_high=None,
        rank_biserial=matched_rank_biserial(values) if paired else None,
        d_z=d_z,
        d_z_unit="listener means",
        components=None if test is None or np.isnan(test.components).any() else VarianceComponents(*test.components),
        equivalence=None if test is None or reason or margin is None else _equivalence(test, margin),
        by_position=by_position,
        warnings=answers.warnings(*pair[:2]),
        reason=reason,
    )


def _equivalence(test: CrossedTest, margin: float) -> EquivalenceTest:
    from bench.stats.effect_size import equivalence

    found = equivalence(test, margin)
    return EquivalenceTest(found.margin, found.p, found.low, found.high)


def _superiority_limits(
    differences: Sequence[Array], confidence: float, resamples: int, seed: int
) -> Iterator[tuple[float, float]]:
    """Return the bootstrap interval of each pair's probability of superiority; NaN if there is none."""
    from bench.stats.bootstrap import crossed_bootstrap

    if not differences:
        return iter(())
    stack = np.stack(differences)  # (pairs, listeners, prompts)
    count, listeners, prompts = stack.shape
    if listeners < 2 or prompts < 2:
        return iter([(float("nan"), float("nan"))] * count)
    present = ~np.isnan(stack)
    better = np.where(present, (stack > 0) + 0.5 * (stack == 0), 0.0)
    by_listener = [part.transpose(1, 0, 2).reshape(listeners, -1) for part in (better, present.astype(np.float64))]

    def superiority(of_listeners: Array, of_prompts: Array) -> Array:
        shape = (len(of_listeners), count, prompts)
        sums = [((of_listeners @ part).reshape(shape) @ of_prompts[:, :, None])[:, :, 0] for part in by_listener]
        with np.errstate(invalid="ignore"):
            share: Array = sums[0] / sums[1]
        return share

    limits = crossed_bootstrap(superiority, listeners, prompts, resamples, confidence, seed)
    # Equal values in every resample mean too little data to resample, not certainty.
    low, high = (np.where(limits.low == limits.high, np.nan, end) for end in (limits.low, limits.high))
    return zip(map(float, low), map(float, high), strict=True)


def omnibus(ratings: Ratings, joint: JointFits) -> tuple[OmnibusTest, ...]:
    """Return the crossed F-test of each scale, or with missing ratings the maximal mixed model; Holm over scales.

    Args:
        ratings: checked ratings.
        joint: the fits of these ratings.

    Returns:
        A test for each scale; without numbers, but with a reason, where it does not exist.
    """
    from bench.stats.crossed_f import crossed_f_test
    from bench.stats.multiplicity import holm

    found = []
    for scale in ratings.scales:
        cube = ratings.cube(scale)
        complete = not np.isnan(cube).any() and ratings.positions(scale) is None
        if min(cube.shape) < 2:
            reason = "the test of all models needs at least two models, two listeners and two prompts"
            found.append(OmnibusTest(scale, None, None, None, None, None, None, reason))
            continue
        try:
            test = crossed_f_test(cube) if complete else joint.of(scale).all_equal()
        except ValueError as error:
            found.append(OmnibusTest(scale, None, None, None, None, None, None, str(error)))
            continue
        method = "crossed F" if complete else "maximal mixed model"
        found.append(OmnibusTest(scale, test.f, test.df_models, test.df_error, test.p, None, method, ""))
    adjusted = holm([np.nan if one.p is None else one.p for one in found])
    return tuple(replace(one, p_holm=known(p)) for one, p in zip(found, adjusted, strict=True))
