"""The crossed t-test: inference on a mean for new listeners and new prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.stats.two_way import Components, Solution, crossed_spread, mean_squares, solve_complete

Array = npt.NDArray[np.float64]
Method = Literal["crossed t", "mixed model", "maximal mixed model", "clustered votes"]


@dataclass(frozen=True)
class CrossedMean:
    """The mean of listener × prompt values with its interval for new listeners and new prompts.

    Attributes:
        estimate: the mean (generalized least squares where cells are missing).
        se: its standard error; 0 where all values are equal.
        df: degrees of freedom.
        low, high: the confidence interval.
        confidence: its coverage, in (0, 1).
        method: "crossed t" (complete data), "mixed model" (cells missing), or "maximal mixed model" (of all ratings of
            two models or more, `bench.stats.maximal_model`).
        floored: whether the variance floor bound.
        listeners, prompts: those with at least one value.
        cells, missing: values there are, and empty places among these listeners × prompts.
        dropped_listeners, dropped_prompts: rows and columns without any value, left out.
        components: the estimated variances.
        reason: why there is no interval, "" if there is one; then df, low and high (and t and p) are NaN.
    """

    estimate: float
    se: float
    df: float
    low: float
    high: float
    confidence: float
    method: Method
    floored: bool
    listeners: int
    prompts: int
    cells: int
    missing: int
    dropped_listeners: int
    dropped_prompts: int
    components: Components
    reason: str


@dataclass(frozen=True)
class CrossedTest(CrossedMean):
    """A crossed mean tested against 0: ``t`` = estimate/se, and the two-sided ``p``."""

    t: float
    p: float


def crossed_t_test(differences: npt.ArrayLike, confidence: float = 0.95) -> CrossedTest:
    """Test whether the mean difference is 0 for new listeners and new prompts.

    t = mean/√V on the degrees of freedom of `crossed_mean`. On complete data whose floor does not bind it equals
    ``lmer(d ~ 1 + (1|listener) + (1|prompt))`` with lmerTest's Satterthwaite df.

    Args:
        differences: shape (listeners, prompts), rating of B minus rating of A; NaN where one is missing.
        confidence: coverage of the interval, in (0, 1).

    Raises:
        ValueError: see `crossed_mean`; the sentence says what cannot be claimed.

    Source: Baayen, Davidson and Bates, "Mixed-effects modeling with crossed random effects for subjects and items",
    Journal of Memory and Language 59 (2008).

    >>> test = crossed_t_test([[1, 2, 0], [0, 1, 0], [2, 2, 1]])
    >>> round(test.estimate, 3), round(test.se, 3)
    (1.0, 0.527)
    """
    from scipy.special import stdtr

    mean = crossed_mean(differences, confidence)
    if mean.reason:
        return CrossedTest(**vars(mean), t=float("nan"), p=float("nan"))
    t = mean.estimate / mean.se
    return CrossedTest(**vars(mean), t=t, p=float(2 * stdtr(mean.df, -abs(t))))


def crossed_mean(values: npt.ArrayLike, confidence: float = 0.95) -> CrossedMean:
    """Return the mean with the interval for new listeners and new prompts.

    Complete data: V = max(L + I − E, L, I)/(N·M) from the mean squares of listeners L, prompts I and residual E, and
    Satterthwaite's df (`crossed_spread`). With cells missing: REML and its Satterthwaite df with the same floor
    (`bench.stats.mixed`).

    Args:
        values: shape (listeners, prompts), NaN where missing. Rows and columns without any are left out and counted.
        confidence: coverage in (0, 1).

    Raises:
        ValueError: no values, one listener, one prompt, a value that is infinite or cannot be squared, too few cells to
            tell listeners, prompts and residual apart, or a confidence outside (0, 1).

    Source: Barr, Levy, Scheepers and Tily, "Random effects structure for confirmatory hypothesis testing", Journal of
    Memory and Language 68 (2013); Clark, "The language-as-fixed-effect fallacy" (1973) for the mean squares.
    """
    from scipy.special import stdtrit

    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must be between 0 and 1, got {confidence}")
    whole = np.asarray(values, dtype=np.float64)
    x = _with_values(whole)
    present = ~np.isnan(x)
    known = x[present]
    equal = bool(np.ptp(known) <= 1e-12 * np.abs(known).max())
    if equal:
        solution = Solution(float(known.mean()), 0.0, float("nan"), False, Components(0.0, 0.0, 0.0))
    elif present.all():
        solution = solve_complete(x)
    else:
        from bench.stats.mixed import mixed_mean

        solution = mixed_mean(x)
    se = float(np.sqrt(solution.variance))
    if not equal and not (se > 0 and np.isfinite([se, solution.estimate]).all()):
        raise ValueError("the values are too large or too small to compute their variance")
    reach = float("nan") if equal else float(stdtrit(solution.df, (1 + confidence) / 2)) * se
    return CrossedMean(
        estimate=solution.estimate,
        se=se,
        df=solution.df,
        low=solution.estimate - reach,
        high=solution.estimate + reach,
        confidence=confidence,
        method="crossed t" if present.all() else "mixed model",
        floored=solution.floored,
        listeners=x.shape[0],
        prompts=x.shape[1],
        cells=len(known),
        missing=x.size - len(known),
        dropped_listeners=whole.shape[0] - x.shape[0],
        dropped_prompts=whole.shape[1] - x.shape[1],
        components=solution.components,
        reason="all values are equal" if equal else "",
    )


def crossed_p(differences: Array) -> Array:
    """Compute the two-sided p of many complete surveys at once: the closed form of `crossed_t_test`, for simulations.

    Args:
        differences: shape (…, listeners, prompts), finite, at least 2 of each.

    Returns:
        Shape (…); NaN where all differences of a survey are equal.
    """
    from scipy.special import stdtr

    spread = crossed_spread(mean_squares(differences), *differences.shape[-2:])
    with np.errstate(divide="ignore", invalid="ignore"):
        t = differences.mean(axis=(-2, -1)) / np.sqrt(spread.variance)
    p: Array = np.where(spread.variance > 0, 2 * stdtr(spread.df, -np.abs(t)), np.nan)
    return p


def _with_values(x: Array) -> Array:
    """Return the rows and columns with a value."""
    if x.ndim != 2:
        raise ValueError(f"values of shape (listeners, prompts) are needed, got {x.shape}")
    if np.isinf(x).any():
        raise ValueError("an infinite value is not a rating")
    present = ~np.isnan(x)
    if not present.any():
        raise ValueError("no listener rated anything here")
    x = x[present.any(axis=1)][:, present.any(axis=0)]
    if x.shape[0] < 2:
        raise ValueError("only one listener, so nothing can be inferred for other listeners")
    if x.shape[1] < 2:
        raise ValueError("only one prompt, so nothing can be inferred for other prompts")
    return x
