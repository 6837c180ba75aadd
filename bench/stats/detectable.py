"""The difference that a t-test with a known standard error detects."""

from __future__ import annotations

import numpy as np

_POINTS = 2000


def detectable_difference(se: float, df: float, level: float = 0.05, power: float = 0.8) -> float:
    """Find the true difference at which a two-sided t-test rejects equality with the given power.

    The chance of the rejection on the side of the difference: P((Z + δ/se)/√(V/df) > t), Z normal, V chi-squared, t the
    quantile of 1 − level/2. It depends on the standard error and not on the estimate, so that it says no more of a test
    than its interval does, but in words that plan the next one.

    Args:
        se: standard error of the difference, > 0.
        df: its degrees of freedom, > 0.
        level: two-sided significance level, in (0, 1).
        power: in (0, 1), above level/2.

    Returns:
        The difference, > 0, in the unit of ``se``.

    Source: Hoenig and Heisey, "The abuse of power", The American Statistician 55 (2001), on which power may be computed
    after the data are seen.

    >>> round(detectable_difference(0.2, 1e6), 2)
    0.56
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr
    from scipy.stats import chi2, t

    # Spread of the estimated standard error about the true one, at equally likely places.
    spread = np.sqrt(chi2.ppf((np.arange(_POINTS) + 0.5) / _POINTS, df) / df)
    least = spread * float(t.ppf(1 - level / 2, df))

    def excess(shift: float) -> float:
        return float(ndtr(shift - least).mean()) - power

    return se * float(brentq(excess, 0.0, float(least.max()) + 10.0))
