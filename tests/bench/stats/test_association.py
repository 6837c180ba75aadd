"""Metrics beside ratings: correlations against SciPy, and simulated metrics of which the truth is known."""

from __future__ import annotations

import math
from re import findall

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.association import RatedClips, between_models, pooled, within_prompts
from bench.stats.rank_correlation import paired_rank_correlations, rank_correlations

_ = math.nan


def survey(
    scores: np.ndarray, liking: np.ndarray, listeners: int, noise: float, rng: np.random.Generator
) -> RatedClips:
    """Ratings 1–5 of a clip a prompt × model; scores (metrics, prompts, models), liking (prompts, models)."""
    prompts, models = liking.shape
    heard = liking + 0.5 * rng.normal(size=(listeners, 1, 1)) + 0.2 * rng.normal(size=(listeners, prompts, 1))
    ratings = np.clip(np.round(3 + heard + noise * rng.normal(size=(listeners, prompts, models))), 1, 5)
    return RatedClips(
        scores.reshape(len(scores), -1),
        ratings.reshape(listeners, -1),
        np.repeat(np.arange(prompts), models),
        np.tile(np.arange(models), prompts),
    )


def by_hand(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[known], y[known]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return _, _
    return scipy.stats.kendalltau(x, y).statistic, scipy.stats.spearmanr(x, y).statistic


@settings(max_examples=40)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_weighted_correlations_are_those_of_repeated_clips(clips: int, seed: int) -> None:
    """With ties, gaps in either, and weights 0 to 3."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (3, clips)).astype(float)
    ratings = rng.integers(1, 6, (4, clips)).astype(float)
    scores[rng.random(scores.shape) < 0.2] = _
    ratings[rng.random(ratings.shape) < 0.2] = _
    weights = rng.integers(0, 4, (4, clips))
    found = rank_correlations(scores, ratings, weights)
    for row in range(4):
        for metric in range(3):
            repeated = (np.repeat(values, weights[row]) for values in (scores[metric], ratings[row]))
            assert found[row, metric] == pytest.approx(by_hand(*repeated), abs=1e-6, nan_ok=True)


@settings(max_examples=40)
@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_paired_correlations_are_scipys(count: int, seed: int) -> None:
    x, y = np.random.default_rng(seed).integers(0, 6, (2, 5, count)).astype(float)
    expected = [by_hand(*row) for row in zip(x, y, strict=True)]
    assert paired_rank_correlations(x, y) == pytest.approx(np.array(expected), abs=1e-9, nan_ok=True)


@settings(max_examples=30)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_within_is_the_mean_over_prompts_weighted_by_pairs(models: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = survey(rng.normal(size=(2, 6, models)), rng.normal(size=(6, models)), 3, 1.0, rng)
    data.scores[rng.random(data.scores.shape) < 0.2] = _
    data.ratings[rng.random(data.ratings.shape) < 0.3] = _
    mean = data.mean_ratings(np.ones((1, 3)))[0]
    found = within_prompts(data, resamples=2)
    for metric in range(2):
        parts = []
        for prompt in range(6):
            clips = data.prompts == prompt
            n = np.count_nonzero(data.counted[metric] & clips)
            values = by_hand(data.scores[metric, clips], mean[clips])
            if not math.isnan(values[0]):
                parts.append((n * (n - 1) / 2, *values))
        if parts:
            pairs, tau, rho = np.array(parts).T
            expected = (np.average(tau, weights=pairs), np.average(rho, weights=pairs))
            assert found.estimate[metric] == pytest.approx(expected, abs=1e-6)
        else:
            assert np.isnan(found.estimate[metric]).all() and found.reasons[metric]


def test_two_models_are_the_agreement_of_signs() -> None:
    """Metric and listeners agree on 3 prompts, disagree on 1; on the fifth the listeners do not care."""
    scores = np.array([[[1, 2], [5, 3], [0, 9], [2, 1], [1, 2]]], dtype=float)
    ratings = np.array([[1, 3], [4, 2], [2, 3], [2, 5], [3, 3]], dtype=float)
    data = RatedClips(
        scores.reshape(1, -1), np.tile(ratings.ravel(), (3, 1)), np.repeat(np.arange(5), 2), np.tile([0, 1], 5)
    )
    found = within_prompts(data)
    assert found.estimate[0] == pytest.approx([0.5, 0.5])
    assert (found.pairs[0], found.prompts[0], found.clips[0]) == (5, 5, 10)


def test_a_metric_that_tells_genres_apart_predicts_nothing_within_prompts() -> None:
    """It reads 0 within prompts and about .3 over all clips; a metric of quality predicts both. 20 surveys."""
    rng = np.random.default_rng(10)
    inside, over = [], []
    for _round in range(20):
        genre = np.repeat(rng.permutation(6), 6)[:, None] * np.ones(4)
        quality = rng.normal(size=(36, 4))
        liking = 0.16 * genre + 0.5 * quality
        metrics = np.stack([genre + 0.5 * rng.normal(size=(36, 4)), quality + 0.5 * rng.normal(size=(36, 4))])
        data = survey(metrics, liking, 10, 1.0, rng)
        inside.append(within_prompts(data, resamples=2).estimate)
        over.append(pooled(data, resamples=2).estimate)
    tau_inside, tau_over = np.mean(inside, axis=0)[:, 0], np.mean(over, axis=0)[:, 0]
    assert tau_inside[0] == pytest.approx(0, abs=0.04)
    assert tau_over[0] == pytest.approx(0.3, abs=0.06)
    assert tau_inside[1] > 0.4 and tau_over[1] > 0.3


def test_intervals_hold_the_expected_correlation() -> None:
    """5 listeners, 20 prompts, 3 models, a metric of moderate worth and one of none; 40 surveys."""
    rng = np.random.default_rng(11)
    found = []
    for _round in range(40):
        quality = rng.normal(size=(20, 3))
        metrics = np.stack([quality + rng.normal(size=(20, 3)), rng.normal(size=(20, 3))])
        data = survey(metrics, 0.5 * quality, 5, 1.0, rng)
        found.append([level(data, resamples=200) for level in (within_prompts, pooled)])
    for level in range(2):
        estimate, low, high = (
            np.array([getattr(one[level], part) for one in found]) for part in ("estimate", "low", "high")
        )
        expected = estimate.mean(axis=0)
        assert ((low <= expected) & (expected <= high)).mean() >= 0.93
        assert ((low <= estimate) & (estimate <= high)).all()
        assert (low[:, 0, 0] > 0).mean() > 0.5  # and are short enough to show something


def test_models_are_correlated_from_five_up() -> None:
    rng = np.random.default_rng(12)
    strength = np.array([0.0, 0.8, 0.4, 1.6, 1.2])
    liking = strength + 0.3 * rng.normal(size=(12, 5))
    metrics = np.stack([strength + 0.1 * rng.normal(size=(12, 5)), -liking, np.full((12, 5), 0.1)])
    data = survey(metrics, liking - 1, 8, 0.5, rng)
    found = between_models(data)
    means = [data.scores[0, data.models == m].mean() for m in range(5)]
    heard = [data.ratings[:, data.models == m].mean() for m in range(5)]
    assert found.estimate[0] == pytest.approx(by_hand(np.array(means), np.array(heard)))
    assert found.estimate[:2, 0] == pytest.approx([1, -1])
    assert found.pairs.tolist() == [10, 10, 10]
    assert np.isnan(found.estimate[2]).all() and "equal" in found.reasons[2]
    kept = data.models < 4
    four = RatedClips(data.scores[:, kept], data.ratings[:, kept], data.prompts[kept], data.models[kept])
    few = between_models(four)
    assert np.isnan(few.estimate).all() and "needs 5" in few.reasons[0]


def test_more_clips_of_one_prompt_do_not_weigh_more_over_models() -> None:
    """Model 0 has its bad prompt in three seeds, and would come last by its clips; by its prompts it is first."""
    prompts = np.array([0, 0, 0, 1, *np.repeat([0, 1], 4)])
    models = np.array([0, 0, 0, 0, *np.tile([1, 2, 3, 4], 2)])
    scores = np.where(models == 0, np.where(prompts == 0, 1.0, 9.0), 4.9 - models / 10)
    ratings = np.where(models == 0, np.where(prompts == 0, 1.0, 5.0), 2.9 - models / 10)
    data = RatedClips(scores[None], np.stack([ratings, ratings]), prompts, models)
    assert between_models(data, resamples=2).estimate[0] == pytest.approx([1, 1])
    assert pooled(data, resamples=2).estimate[0, 0] == pytest.approx(1)


def test_what_cannot_be_told_says_why() -> None:
    rng = np.random.default_rng(13)
    scores = rng.normal(size=(4, 6, 2))
    scores[1] = 3.0
    scores[2] = _
    scores[3, 3:] = _
    data = survey(scores, rng.normal(size=(6, 2)), 5, 0.5, rng)
    found = within_prompts(data)
    assert found.reasons[0] == "" and "equal" in found.reasons[1] and "no clip" in found.reasons[2]
    assert findall(r"\d+", found.reasons[3]) == ["3", "4"]
    assert np.isfinite(found.estimate[3]).all() and np.isnan(found.low[1:]).all()
    alone = RatedClips(data.scores, data.ratings[:1], data.prompts, data.models)
    assert "one listener" in within_prompts(alone).reasons[0]
    assert np.isfinite(within_prompts(alone).estimate[0]).all()
    single = RatedClips(data.scores[:, ::2], data.ratings[:, ::2], data.prompts[::2], data.models[::2])
    assert "two clips" in within_prompts(single).reasons[0]
    perfect = RatedClips(
        data.ratings.mean(axis=0)[None], data.ratings.mean(axis=0)[None][[0, 0]], data.prompts, data.models
    )
    assert "every resample" in within_prompts(perfect).reasons[0]


def test_order_of_listeners_and_clips_does_not_matter() -> None:
    rng = np.random.default_rng(14)
    data = survey(rng.normal(size=(2, 8, 3)), rng.normal(size=(8, 3)), 6, 1.0, rng)
    order = rng.permutation(24)
    moved = RatedClips(
        data.scores[:, order], data.ratings[rng.permutation(6)][:, order], data.prompts[order], data.models[order]
    )
    for level in (within_prompts, pooled):
        assert level(moved, 2).estimate == pytest.approx(level(data, 2).estimate, abs=1e-9)
    rising = RatedClips(np.exp(data.scores), data.ratings, data.prompts, data.models)
    turned = RatedClips(-data.scores, data.ratings, data.prompts, data.models)
    assert within_prompts(rising, 2).estimate == pytest.approx(within_prompts(data, 2).estimate)
    assert within_prompts(turned, 2).estimate == pytest.approx(-within_prompts(data, 2).estimate)


def test_shapes_that_do_not_fit_are_refused() -> None:
    prompts = np.array([0, 1])
    with pytest.raises(ValueError) as caught:
        RatedClips(np.ones((1, 3)), np.ones((2, 2)), prompts, prompts)
    assert all(word in str(caught.value) for word in ("(1, 3)", "(2, 2)"))
    with pytest.raises(ValueError, match="infinite"):
        RatedClips(np.array([[1, math.inf]]), np.ones((2, 2)), prompts, prompts)
