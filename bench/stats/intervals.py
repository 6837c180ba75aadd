"""Confidence intervals for means of independent units, in one group or stratified."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Interval(NamedTuple):
    """A mean with its confidence interval.

    Attributes:
        mean: the estimate.
        low, high: the interval; NaN where there is none, as of a single value.
        df: degrees of freedom; 0 of a single value, infinite for `wilson_interval`.
    """

    mean: float
    low: float
    high: float
    df: float


def t_interval(values: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Return Student's interval for the mean of independent values.

    mean ± t(n−1) · s/√n with s² the sample variance (ddof = 1).

    Args:
        values: shape (n,), n ≥ 1, finite.
        level: coverage in (0, 1).

    Raises:
        ValueError: no values, or a value that is not finite.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    return stratified_t_interval(values, np.zeros(len(np.atleast_1d(values)), dtype=np.int64), level)


def stratified_t_interval(values: npt.ArrayLike, strata: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval for the mean of values that were chosen stratum by stratum (prompts within genres).

    The mean is that of all values. Its variance is Σ w² s²/n over the strata, w a stratum's share of the values, with
    the degrees of freedom of Satterthwaite, (Σ v)²/Σ(v²/(n−1)); what differs between the strata is no uncertainty,
    since the strata were not drawn at random. Strata of one value are collapsed into one. With a single stratum this
    is Student's interval.

    Args:
        values: shape (n,), n ≥ 1, finite.
        strata: shape (n,), any labels.
        level: coverage in (0, 1).

    Raises:
        ValueError: no values, a value that is not finite, or lengths that differ.

    Source: Cochran, *Sampling Techniques*, 3rd ed. (1977), §5.4 (variance and Satterthwaite's degrees of freedom) and
    §5A.12 (collapsed strata).
    """
    from scipy.special import stdtrit

    x = np.atleast_1d(np.asarray(values, dtype=np.float64))
    _, labels = np.unique(np.asarray(strata), return_inverse=True)
    if not len(x) or x.ndim != 1 or len(labels) != len(x) or not np.isfinite(x).all():
        raise ValueError(
            f"an interval needs finite values and one stratum each, got {x.shape} values and {labels.shape} strata"
        )
    mean = float(x.mean())
    counts = np.bincount(labels)
    if (counts == 1).any():
        collapsed = np.where(counts[labels] == 1, len(counts), labels)
        # A stratum that is alone even so joins the largest one.
        if (counts == 1).sum() == 1 and len(counts) > 1:
            collapsed = np.where(counts[labels] == 1, int(counts.argmax()), labels)
        _, labels = np.unique(collapsed, return_inverse=True)
        counts = np.bincount(labels)
    if counts.min() < 2:
        return Interval(mean, float("nan"), float("nan"), 0.0)
    means = np.bincount(labels, x) / counts
    variances = np.bincount(labels, (x - means[labels]) ** 2) / (counts - 1)
    parts = (counts / len(x)) ** 2 * variances / counts
    total = float(parts.sum())
    if total == 0:
        return Interval(mean, mean, mean, float(len(x) - len(counts)))
    df = 1 / float(((parts / total) ** 2 / (counts - 1)).sum())
    reach = float(stdtrit(df, (1 + level) / 2)) * total**0.5
    return Interval(mean, mean - reach, mean + reach, df)


def wilson_interval(hits: int, trials: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval for a share: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), with p = hits/n.

    It stays within [0, 1] and has a width even when there are only hits or only misses.

    Args:
        hits: 0 to ``trials``.
        trials: independent ones, 1 or more.
        level: coverage in (0, 1).

    Returns:
        The interval, with hits/trials as its ``mean``.

    Raises:
        ValueError: hits that are not between 0 and trials, or no trials.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    from scipy.special import ndtri

    if not 0 <= hits <= trials or trials < 1:
        raise ValueError(f"hits must be between 0 and trials, and trials at least 1, got {hits} of {trials}")
    z = float(ndtri((1 + level) / 2))
    share = hits / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5 / (1 + z**2 / trials)
    # At the ends the limit is exact, and rounding must not say otherwise.
    low = 0.0 if hits == 0 else middle - reach
    high = 1.0 if hits == trials else middle + reach
    return Interval(share, low, high, float("inf"))


def bounded_t_interval(mean: float, se: float, df: float, bounds: tuple[float, float], level: float = 0.95) -> Interval:
    """Return the interval for a mean on a scale with two ends, which stays between them.

    With s the mean's place on the scale, from 0 to 1: logit s ± t(df) · se/(width · s(1 − s)), the delta method's
    standard error, taken back to the scale. A mean at an end has none.

    Args:
        mean: within the bounds.
        se: its standard error, > 0.
        df: its degrees of freedom.
        bounds: lowest and highest possible value.
        level: coverage in (0, 1).

    Raises:
        ValueError: the mean is not within the bounds.

    Source: Oehlert, "A note on the delta method", The American Statistician 46 (1992).

    >>> bounded_t_interval(4.8, 0.2, 4, (1, 5)).high < 5
    True
    """
    from scipy.special import expit, logit, stdtrit

    low, high = bounds
    if not low <= mean <= high:
        raise ValueError(f"the mean {mean:g} is not within {low:g} and {high:g}")
    if mean in (low, high):
        return Interval(mean, float("nan"), float("nan"), df)
    share = (mean - low) / (high - low)
    reach = float(stdtrit(df, (1 + level) / 2)) * se / ((high - low) * share * (1 - share))
    ends = low + (high - low) * expit(logit(share) + np.array([-reach, reach]))
    return Interval(mean, float(ends[0]), float(ends[1]), df)
