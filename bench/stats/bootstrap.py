"""The crossed bootstrap: intervals of statistics for new listeners and new prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array, Array], Array]

RESAMPLES = 2000
SEED = 2007
MOST_UNDEFINED = 0.1


class Bootstrapped(NamedTuple):
    """A statistic of shape (…) with its percentile interval.

    Attributes:
        estimate: of the data as they are, NaN where it does not exist.
        low, high: the interval; NaN where there is no estimate, or the share ``undefined`` is over a tenth.
        mean: of the statistic over the resamples; less the estimate it is the bootstrap's guess of the bias.
        undefined: share of the resamples in which the statistic does not exist; they are left out of the interval.
    """

    estimate: Array
    low: Array
    high: Array
    mean: Array
    undefined: Array


def crossed_bootstrap(
    statistic: Statistic,
    listeners: int,
    prompts: int,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = SEED,
) -> Bootstrapped:
    """Compute the percentile interval from resampling listeners and, independently, prompts, with replacement.

    A resample is two vectors of counts: how often each listener and each prompt was drawn. A rating by listener l of
    prompt p weighs count_l · count_p; ratings themselves are never drawn apart from their listener and prompt.

    How far to trust it: the residual's variance is counted up to three times (Owen 2007), that of listeners and prompts
    a little less than once, and percentiles know no t-distribution. Of 1,000 simulated 95 % intervals for the mean of
    36 prompts, with 5 and 20 listeners, .997 and .997 held it under residual noise alone, .951 and .966 with standard
    deviations of .3 for listeners and prompts beside 1, and .867 and .944 where listeners differ by a standard
    deviation of 1. So it is too short for few listeners of very different taste. For means and their differences
    `bench.stats.crossed` is the better tool; this one is for statistics that have no such formula.

    Args:
        statistic: takes counts of shapes (rows, listeners) and (rows, prompts), float64, and returns shape
            (rows, …), NaN where it does not exist.
        listeners: how many, ≥ 2.
        prompts: how many, ≥ 2.
        resamples: ≥ 1.
        confidence: coverage in (0, 1).
        seed: of the Generator that draws the counts; the same seed gives the same interval.

    Raises:
        ValueError: one listener or one prompt, no resamples, or a confidence outside (0, 1).

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007); Owen and Eckles, "Bootstrapping
    data arrays of arbitrary order", Annals of Applied Statistics 6 (2012).
    """
    if listeners < 2:
        raise ValueError("only one listener, so there is no interval for other listeners")
    if prompts < 2:
        raise ValueError("only one prompt, so there is no interval for other prompts")
    if resamples < 1:
        raise ValueError(f"a bootstrap needs resamples, got {resamples}")
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must be between 0 and 1, got {confidence}")
    rng = np.random.default_rng(seed)
    of_listeners = _counts(rng, listeners, resamples)
    of_prompts = _counts(rng, prompts, resamples)
    estimate = statistic(np.ones((1, listeners)), np.ones((1, prompts)))[0]
    drawn = statistic(of_listeners, of_prompts)
    missing = np.isnan(drawn)
    undefined = missing.mean(axis=0)
    none = np.isnan(estimate) | (undefined > MOST_UNDEFINED)
    tail = (1 - confidence) / 2
    # A column without any value would make numpy warn; it has no interval anyway.
    drawn = np.where(none & missing, 0.0, drawn)
    parts = (*np.nanquantile(drawn, [tail, 1 - tail], axis=0), np.nanmean(drawn, axis=0))
    low, high, mean = (np.where(none, np.nan, part) for part in parts)
    return Bootstrapped(estimate, low, high, mean, undefined)


def _counts(rng: np.random.Generator, units: int, resamples: int) -> Array:
    """Return how often each unit is drawn, shape (resamples, units)."""
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples).astype(np.float64)
