"""The jackknife: how sure a statistic is that is no mean of independent values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.stats.intervals import Interval


def jackknife_interval(
    estimate: float, left_out: npt.ArrayLike, level: float = 0.95, strata: npt.ArrayLike | None = None
) -> Interval:
    """Interval from the statistic's values with each independent unit left out in turn.

    estimate ± t(n−1) · se with se² = (n−1)/n · Σ (θ₋ᵢ − mean θ₋)². The estimate stays as it is: its bias at this n is
    not removed, so the interval is for the statistic's expectation at n units. For a mean it is Student's interval.
    Unlike the bootstrap, no unit is ever there twice, which matters to statistics of pairs.

    Of a statistic in which strata have fixed weights, se² is the sum of (m−1)/m · Σ (θ₋ᵢ − mean of its stratum)² over
    the strata of m units, with the degrees of freedom of Satterthwaite: what differs between strata that were not drawn
    at random is no uncertainty. If a stratum has one unit, units are taken as though there were no strata, which is
    wider.

    Args:
        estimate: the statistic of all units; it becomes the interval's ``mean``.
        left_out: shape (n,), n ≥ 2, finite; entry i is the statistic without unit i.
        level: coverage in (0, 1).
        strata: shape (n,), any labels; None for a single one.

    Raises:
        ValueError: fewer than two values, one that is not finite, or another number of strata.

    Source: Tukey, "Bias and confidence in not quite large samples", Annals of Mathematical Statistics 29 (1958); Efron
    and Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981): the variance is not too small on
    average. Jones, "Jackknife estimation of functions of stratum means", Biometrika 61 (1974).

    >>> jackknife_interval(2.0, [2.5, 2.0, 1.5]).df
    2.0
    """
    from scipy.special import stdtrit

    values = np.asarray(left_out, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not (np.isfinite(values).all() and np.isfinite(estimate)):
        raise ValueError(f"a jackknife needs finite values without each of 2 units or more, got shape {values.shape}")
    labels = np.zeros(len(values), dtype=np.int64)
    if strata is not None:
        labels = np.unique(np.asarray(strata), return_inverse=True)[1]
    if labels.shape != values.shape:
        raise ValueError(f"a jackknife of {len(values)} units needs a stratum each, got shape {labels.shape}")
    counts = np.bincount(labels)
    if counts.min() < 2:
        labels, counts = np.zeros_like(labels), np.array([len(values)])
    centred = values - (np.bincount(labels, values) / counts)[labels]
    parts = (counts - 1) / counts * np.bincount(labels, centred**2)
    variance = float(parts.sum())
    df = float(len(values) - len(counts))
    if len(counts) > 1 and variance > 0:
        df = variance**2 / float((parts**2 / (counts - 1)).sum())
    reach = float(stdtrit(df, (1 + level) / 2)) * variance**0.5
    return Interval(float(estimate), estimate - reach, estimate + reach, df)
