"""The jackknife: intervals of statistics that are not means of independent values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.stats.intervals import Interval


def jackknife_interval(estimate: float, left_out: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval from the statistic's values with each independent unit left out in turn.

    estimate ± t(n−1) · se with se² = (n−1)/n · Σ (θ₋ᵢ − mean θ₋)². The estimate stays as it is: its bias at this n is
    not removed, so the interval is for the statistic's expectation at n units. For a mean it is Student's interval.
    Unlike the bootstrap, no unit is ever there twice, which matters to statistics of pairs.

    Args:
        estimate: the statistic of all units; it becomes the interval's ``mean``.
        left_out: shape (n,), n ≥ 2, finite; entry i is the statistic without unit i.
        level: coverage in (0, 1).

    Raises:
        ValueError: fewer than two values, or one that is not finite.

    Source: Tukey, "Bias and confidence in not quite large samples", Annals of Mathematical Statistics 29 (1958); Efron
    and Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981): the variance is not too small on
    average.

    >>> jackknife_interval(2.0, [2.5, 2.0, 1.5]).df
    2.0
    """
    from scipy.special import stdtrit

    values = np.asarray(left_out, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not (np.isfinite(values).all() and np.isfinite(estimate)):
        raise ValueError(f"a jackknife needs finite values without each of at least 2 units, got shape {values.shape}")
    n = len(values)
    standard_error = float(np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * standard_error
    return Interval(float(estimate), estimate - reach, estimate + reach, float(n - 1))
