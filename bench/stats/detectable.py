"""The difference that a t-test of a known standard error detects."""

from __future__ import annotations

from functools import lru_cache


def detectable_difference(se: float, df: float, level: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that a two-sided t-test finds with that power, at the standard error at hand.

    se · δ, where a noncentral t with df degrees of freedom and noncentrality δ is beyond t(df; 1 − level/2), on the
    side of the true difference, with probability ``power``. It says what a test of this size can see, and nothing about
    the difference that was found.

    Args:
        se: standard error of the mean difference, ≥ 0, in its unit.
        df: degrees of freedom, > 0.
        level: two-sided, in (0, 1).
        power: in (level, 1).

    Raises:
        ValueError: something outside its range.

    Source: Cohen, *Statistical Power Analysis for the Behavioral Sciences*, 2nd ed. (1988), ch. 2; Hoenig and Heisey,
    "The abuse of power", The American Statistician 55 (2001), on which power may be computed after the data are seen.

    >>> round(detectable_difference(1 / 34**0.5, 33), 2)  # 34 pairs find a d_z of .5
    0.5
    """
    if not (se >= 0 and df > 0 and 0 < level < power < 1):
        raise ValueError(
            f"need se ≥ 0, df > 0 and 0 < level < power < 1, got se {se}, df {df}, level {level}, power {power}"
        )
    return se * _noncentrality(df, level, power)


@lru_cache(maxsize=4096)
def _noncentrality(df: float, level: float, power: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    edge = float(stdtrit(df, 1 - level / 2))

    def missing(noncentrality: float) -> float:
        return 1 - float(nctdtr(df, noncentrality, edge)) - power

    high = edge + 1
    while missing(high) < 0:
        high *= 2
    return float(brentq(missing, 0, high, xtol=1e-9))
