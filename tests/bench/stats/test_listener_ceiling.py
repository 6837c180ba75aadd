"""The noise ceiling against its definition by scipy, and where truth and noise are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from bench.stats.association import RatedClips
from bench.stats.listener_ceiling import listener_correlation


def rated(ratings: np.ndarray, scores: np.ndarray, prompts: int) -> RatedClips:
    """Clips in the order prompt by prompt, each with the same number."""
    number = np.repeat(np.arange(prompts), ratings.shape[1] // prompts)
    models = np.tile(np.arange(ratings.shape[1] // prompts), prompts)
    return RatedClips(scores, ratings, number, models)


def test_it_is_the_mean_of_what_scipy_says_of_each_listener_and_prompt() -> None:
    rng = np.random.default_rng(3)
    ratings = rng.integers(1, 8, (4, 5 * 6)).astype(float)
    gaps = rng.random(ratings.shape) < 0.2
    ratings[gaps & (gaps.sum(axis=0) < 3)] = np.nan
    scores = rng.normal(size=(2, 30))
    found = listener_correlation(rated(ratings, scores, 5), resamples=50)
    tops, weights = np.zeros(4), np.zeros(4)
    for listener in range(4):
        for prompt in range(5):
            clips = np.arange(6 * prompt, 6 * prompt + 6)
            own = ratings[listener, clips]
            others = np.nanmean(np.delete(ratings, listener, 0)[:, clips], axis=0)
            for row, x in enumerate((*scores[:, clips], others, np.nanmean(ratings[:, clips], axis=0))):
                both = ~np.isnan(own) & ~np.isnan(x)
                tau = kendalltau(x[both], own[both]).statistic
                if both.sum() >= 2 and not np.isnan(tau):
                    pairs = both.sum() * (both.sum() - 1) / 2
                    tops[row] += pairs * tau
                    weights[row] += pairs
    expected = tops / weights
    assert found.estimate == pytest.approx(expected[:2])
    assert (found.ceiling_low, found.ceiling_high) == pytest.approx(tuple(expected[2:]))
    assert (found.listeners, found.prompts, found.pairs) == (4, 5, weights[3])
    assert (found.low < found.estimate).all() and (found.estimate < found.high).all()


def test_the_truth_lies_within_the_ceiling_and_a_coin_at_0() -> None:
    """Listeners are truth and noise; a metric that knows the truth does as well as the best that can be expected."""
    rng = np.random.default_rng(5)
    truth = rng.normal(size=200 * 4)
    ratings = truth + rng.normal(size=(8, 800))
    found = listener_correlation(rated(ratings, np.array([truth, rng.normal(size=800)]), 200), resamples=200)
    # τ of two normals of correlation 1/√2 is 2/π·asin(1/√2) = .5.
    assert found.estimate[0] == pytest.approx(0.5, abs=0.02)
    assert found.ceiling_low < found.estimate[0] < found.ceiling_high
    assert found.low[1] < 0 < found.high[1] and found.low[0] > 0.4


def test_one_listener_has_no_others_and_no_interval() -> None:
    ratings = np.array([[1.0, 2.0, 3.0, 1.0, 3.0, 2.0]])
    found = listener_correlation(rated(ratings, ratings, 2), resamples=20)
    assert found.estimate[0] == found.ceiling_high == 1 and np.isnan(found.ceiling_low)
    assert np.isnan(found.low).all()


def test_listeners_who_heard_one_clip_each_say_nothing() -> None:
    ratings = np.array([[1.0, np.nan], [np.nan, 4.0]])
    found = listener_correlation(rated(ratings, np.array([[0.0, 1.0]]), 1), resamples=20)
    assert np.isnan(found.estimate).all() and np.isnan(found.ceiling_high) and found.pairs == 0
