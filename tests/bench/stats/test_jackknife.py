"""The jackknife against what it is for a mean, and against textbook values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats import jackknife_interval, t_interval

numbers = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)


def left_out(values: np.ndarray, statistic: object) -> list[float]:
    return [statistic(np.delete(values, i)) for i in range(len(values))]  # type: ignore[operator]


@given(numbers)
def test_for_a_mean_it_is_students_interval(values: list[float]) -> None:
    x = np.array(values)
    jackknife, student = jackknife_interval(x.mean(), left_out(x, np.mean)), t_interval(x)
    np.testing.assert_allclose(jackknife, student, rtol=1e-7, atol=1e-7)


def test_a_ratio_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.normal([2, 4], 0.1, (400, 2))
    ratio = pairs[:, 0].mean() / pairs[:, 1].mean()
    without = [np.delete(pairs, i, axis=0).mean(axis=0) for i in range(len(pairs))]
    interval = jackknife_interval(ratio, [a / b for a, b in without])
    residual = (pairs[:, 0] - ratio * pairs[:, 1]) / pairs[:, 1].mean()
    standard_error = residual.std(ddof=1) / np.sqrt(len(pairs))
    assert interval.df == 399
    assert (interval.high - interval.low) / 2 == pytest.approx(stats.t.ppf(0.975, 399) * standard_error, rel=1e-2)


def test_the_level_widens_it() -> None:
    wide, narrow = (jackknife_interval(0.0, [1.0, 2.0, 4.0], level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < 0 < narrow.high < wide.high


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_what_has_no_interval_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match="jackknife"):
        jackknife_interval(1.0, values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="jackknife"):
        jackknife_interval(np.nan, [1.0, 2.0])
