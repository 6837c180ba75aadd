"""Intervals against closed forms, SciPy, and their promised coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import stratified_t_interval, t_interval, wilson_interval

_values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)


@given(_values, st.sampled_from([0.8, 0.95, 0.99]))
def test_one_group_is_students_interval(values: list[float], level: float) -> None:
    ours = t_interval(values, level)
    if np.std(values) < 1e-6:
        return
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(level)
    assert ours.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-7, abs=1e-7)
    assert ours.df == pytest.approx(len(values) - 1)


def test_two_strata_by_hand() -> None:
    """Strata {1, 3} and {10, 14, 18}: s² = 2 and 16, v = (2/5)²·2/2 + (3/5)²·16/3 = .16 + 1.92."""
    interval = stratified_t_interval([1, 3, 10, 14, 18], ["a", "a", "b", "b", "b"])
    variance = 0.16 + 1.92
    df = variance**2 / (0.16**2 / 1 + 1.92**2 / 2)
    reach = scipy.stats.t.ppf(0.975, df) * math.sqrt(variance)
    assert interval.mean == pytest.approx(9.2)
    assert interval.df == pytest.approx(df)
    assert (interval.low, interval.high) == pytest.approx((9.2 - reach, 9.2 + reach))


@given(_values, st.integers(0, 2**32 - 1), st.floats(-100, 100), st.floats(0.1, 10))
def test_laws(values: list[float], seed: int, shift: float, factor: float) -> None:
    rng = np.random.default_rng(seed)
    strata = rng.integers(0, 3, len(values))
    base = stratified_t_interval(values, strata)
    order = rng.permutation(len(values))
    shuffled = stratified_t_interval(np.array(values)[order], strata[order])
    assert np.allclose(base, shuffled, rtol=1e-6, atol=1e-6, equal_nan=True)
    moved = stratified_t_interval(np.array(values) * factor + shift, strata)
    expected = np.array(base[:3]) * factor + shift
    assert np.allclose(moved[:3], expected, rtol=1e-6, atol=1e-5, equal_nan=True)
    if not math.isnan(base.low):
        assert base.low <= base.mean + 1e-9 and base.mean <= base.high + 1e-9


def test_differences_between_strata_are_no_uncertainty() -> None:
    values = np.array([0.0, 1.0, 100.0, 101.0])
    assert np.ptp(stratified_t_interval(values, [0, 0, 1, 1])[1:3]) < np.ptp(t_interval(values)[1:3]) / 10


def test_strata_of_one_are_collapsed_and_one_value_has_no_interval() -> None:
    assert stratified_t_interval([1.0, 2.0, 4.0], [0, 1, 2]) == t_interval([1.0, 2.0, 4.0])
    assert not math.isnan(stratified_t_interval([1.0, 2.0, 4.0, 9.0], [0, 0, 0, 1]).low)
    assert math.isnan(t_interval([3.0]).low)
    assert t_interval([3.0]).mean == 3.0


def test_constant_values_have_an_interval_of_no_width() -> None:
    assert stratified_t_interval([5.0] * 6, [0, 0, 0, 1, 1, 1])[:3] == (5.0, 5.0, 5.0)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_is_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite values"):
        t_interval(values)


@pytest.mark.parametrize("each", [2, 3, 6])
def test_coverage_of_the_stratified_interval(each: int) -> None:
    """Six genres that differ in mean and spread, as suites have them; 4,000 simulated suites."""
    rng = np.random.default_rng(7)
    means, spreads = np.arange(6) * 3.0, np.array([0.5, 1, 1, 1.5, 2, 1])
    strata = np.repeat(np.arange(6), each)
    covered = 0
    for _ in range(4000):
        values = means[strata] + spreads[strata] * rng.standard_normal(len(strata))
        interval = stratified_t_interval(values, strata)
        covered += interval.low <= means.mean() <= interval.high
    # Two prompts a genre leave one degree of freedom each; Satterthwaite's interval is then wider than it need be.
    assert 0.935 <= covered / 4000 <= (0.98 if each == 2 else 0.965)


@given(st.integers(1, 60), st.data())
def test_wilson_interval_solves_its_equation(trials: int, data: st.DataObject) -> None:
    """The limits solve (p − x)² = z² x (1 − x) / n."""
    hits = data.draw(st.integers(0, trials))
    share, low, high, _ = wilson_interval(hits, trials)
    z = scipy.stats.norm.ppf(0.975)
    for limit in (low, high):
        assert (share - limit) ** 2 == pytest.approx(z**2 * limit * (1 - limit) / trials, abs=1e-9)
    assert 0 <= low <= share <= high <= 1
    mirrored = wilson_interval(trials - hits, trials)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high))


def test_wilson_interval_refuses_what_is_no_share() -> None:
    for hits, trials in ((-1, 3), (4, 3), (0, 0)):
        with pytest.raises(ValueError, match=f"{hits} of {trials}"):
            wilson_interval(hits, trials)
