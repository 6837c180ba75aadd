"""The bootstrap-t against scipy's moments of its definition, symmetry laws, and simulations at a true mean of 0."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.mean_test import RESAMPLES, mean_test, mean_tests, unseen_share
from bench.stats.paired import paired_tests

RUNS = 1000
rows = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=30)


@given(rows)
@settings(max_examples=40, deadline=None)
def test_order_and_names_change_nothing_but_the_sign(values: list[float]) -> None:
    one, mirrored, turned = mean_tests([np.array(values), -np.array(values), np.array(values[::-1])])
    assert np.allclose(one, turned, equal_nan=True)
    assert np.allclose(one, (-mirrored.high, -mirrored.low, mirrored.p), equal_nan=True)


@given(rows, st.sampled_from([1e-9, 0.5, 1e6]))
@settings(max_examples=20, deadline=None)
def test_the_unit_changes_nothing(values: list[float], factor: float) -> None:
    one, other = mean_tests([np.array(values), factor * np.array(values)])
    assert other.p == pytest.approx(one.p, nan_ok=True)
    assert other.low == pytest.approx(factor * one.low, rel=1e-9, nan_ok=True)


def test_it_is_the_bootstrap_t_of_its_definition() -> None:
    """Every resample of five values, 5⁵ of them, gives the tails; 1,999 random ones must be near."""
    d = np.array([0.2, 0.5, 1.0, 2.5, 9.0])
    draws = d[np.stack(np.meshgrid(*[np.arange(5)] * 5), -1).reshape(-1, 5)]
    se = draws.std(axis=1, ddof=1) / math.sqrt(5)
    shift = draws.mean(axis=1) - d.mean()
    studentized = np.where(se > 0, shift / np.where(se > 0, se, 1), np.copysign(np.inf, shift))
    t = d.mean() / (d.std(ddof=1) / math.sqrt(5))
    exact = 2 * min((studentized >= t).mean(), (studentized <= t).mean())
    assert mean_test(d).p == pytest.approx(exact, abs=5 * math.sqrt(2 * exact / RESAMPLES))


def test_interval_and_p_agree_and_equal_differences_have_neither() -> None:
    rng = np.random.default_rng(4)
    for test in mean_tests([rng.lognormal(size=20) - 1.2 for _ in range(40)]):
        assert (test.low <= 0 <= test.high) == (test.p > 0.05)
    assert all(map(math.isnan, mean_test([0.1, 0.1, 0.1])))
    assert mean_test([0.0] * 11 + [-1.0]).low == -math.inf  # a third of the resamples are all 0


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [[1.0, 2.0]]])
def test_no_mean_to_test_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite differences"):
        mean_tests([np.array(values)])


@pytest.mark.parametrize(("n", "share"), [(1, 0.95), (36, 1 - 0.05 ** (1 / 36)), (3000, 3 / 3000)])
def test_what_no_sample_shows(n: int, share: float) -> None:
    assert unseen_share(n) == pytest.approx(share, abs=2e-6)


@pytest.mark.parametrize(("n", "confidence"), [(0, 0.95), (12, 1.0), (12, 0.0)])
def test_a_share_of_no_sample_or_no_confidence_is_refused(n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=f"{n}.*{confidence}"):
        unseen_share(n, confidence)


def test_at_a_true_mean_of_0_it_keeps_its_size_where_sign_flips_do_not() -> None:
    """One prompt in ten fails badly: 36 prompts, equal means; the flips with Student's interval reject too often."""
    rng = np.random.default_rng(11)
    d = rng.normal(0, 0.3, (RUNS, 36)) - 3 * (rng.random((RUNS, 36)) < 0.1) + 0.3
    skewed = np.array([test.p for test in mean_tests(list(d))]) < 0.05
    flips = np.array([t.p < 0.05 and not t.low <= 0 <= t.high for t in paired_tests(list(d))])
    assert skewed.mean() <= 0.06 < flips.mean()
    assert (skewed & flips).mean() <= 0.05
    normal = np.array([test.p for test in mean_tests(list(rng.normal(size=(RUNS, 36))))]) < 0.05
    assert 0.03 <= normal.mean() <= 0.07
