"""The difference that a test would have found, against the noncentral t distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.detectable import detectable_difference


@pytest.mark.parametrize("df", [1, 2.5, 4, 11.3, 60, 999])
@pytest.mark.parametrize(("level", "power"), [(0.05, 0.8), (0.05 / 28, 0.8), (0.1, 0.9)])
def test_the_power_at_the_difference_is_what_was_asked_for(df: float, level: float, power: float) -> None:
    found = detectable_difference(0.3, df, level, power)
    critical = stats.t.ppf(1 - level / 2, df)
    assert 1 - stats.nct.cdf(critical, df, found / 0.3) == pytest.approx(power, abs=1e-6)


def test_many_degrees_of_freedom_give_the_normal_formula() -> None:
    expected = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert detectable_difference(2.0, 1e7) == pytest.approx(2 * expected, rel=1e-6)


def test_the_share_of_simulated_tests() -> None:
    """A t-test of 6 values around the difference rejects in four of five draws."""
    se, n = 0.5, 6
    shift = detectable_difference(se, n - 1)
    draws = np.random.default_rng(0).normal(shift, se * np.sqrt(n), (20_000, n))
    rejected = stats.ttest_1samp(draws, 0, axis=1)
    assert ((rejected.pvalue < 0.05) & (rejected.statistic > 0)).mean() == pytest.approx(0.8, abs=0.01)
