"""Adjusted p-values: many comparisons, one error rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def holm(p: npt.ArrayLike) -> Array:
    """Return Holm's step-down adjustment: with it, the chance of even one false claim in the family stays at the level.

    In ascending order, p₍ᵢ₎ · (n − i + 1), made monotone from below and cut at 1. However the tests depend.

    Args:
        p: shape (n,), in [0, 1]; NaN where there was no test, which is ignored and stays NaN.

    Returns:
        Adjusted p-values, shape (n,), in the order of ``p``.

    Raises:
        ValueError: not one-dimensional, or a value outside [0, 1].

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values, ascending = _ascending(p)
    n = len(ascending)
    stepped = np.maximum.accumulate(values[ascending] * np.arange(n, 0, -1))
    return _in_place(values, ascending, stepped)


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """Return Benjamini and Hochberg's step-up adjustment, for the expected share of false claims among those made.

    In ascending order, p₍ᵢ₎ · n/i, made monotone from above and cut at 1. For tests that are independent or
    depend positively.

    Args:
        p: shape (n,), in [0, 1]; NaN where there was no test, which is ignored and stays NaN.

    Returns:
        Adjusted p-values, shape (n,), in the order of ``p``.

    Raises:
        ValueError: not one-dimensional, or a value outside [0, 1].

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B
    57 (1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    values, ascending = _ascending(p)
    n = len(ascending)
    scaled = values[ascending] * n / np.arange(1, n + 1)
    return _in_place(values, ascending, np.minimum.accumulate(scaled[::-1])[::-1])


def holm_confidence(p: npt.ArrayLike, level: float = 0.05) -> Array:
    """Find the confidence of the interval that goes with each test under Holm's procedure.

    The test that was rejected i-th has an interval of 1 − level/(n − i + 1), and those that were not all have the one
    of the step at which the procedure stopped. So an interval leaves out the value that was tested exactly where Holm's
    adjusted p is at the level or below.

    Args:
        p: shape (n,), in [0, 1]; NaN where there was no test, which is ignored and stays NaN.
        level: of the family, in (0, 1).

    Returns:
        Confidences in (0, 1), shape (n,), in the order of ``p``.

    Raises:
        ValueError: not one-dimensional, a value outside [0, 1], or a level outside (0, 1).

    Source: Serlin, "Confidence intervals and the scientific method: a case for Holm on the range", Journal of
    Experimental Education 61 (1993).

    >>> holm_confidence([0.01, 0.04, 0.03]).round(4).tolist()
    [0.9833, 0.975, 0.975]
    """
    if not 0 < level < 1:
        raise ValueError(f"the level must be between 0 and 1, got {level}")
    values, ascending = _ascending(p)
    n = len(ascending)
    left = np.arange(n, 0, -1)
    kept = values[ascending] * left > level
    stop = int(kept.argmax()) if kept.any() else n - 1
    return _in_place(values, ascending, 1 - level / left[np.minimum(np.arange(n), stop)])


def _ascending(p: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return the values, and where the known ones stand in ascending order."""
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or ((values < 0) | (values > 1)).any():
        raise ValueError("p-values between 0 and 1 in one row are needed")
    order = np.argsort(values, kind="stable")  # NaN comes last
    return values, order[: int((~np.isnan(values)).sum())]


def _in_place(values: Array, ascending: npt.NDArray[np.int64], adjusted: Array) -> Array:
    result = np.full(len(values), np.nan)
    result[ascending] = np.minimum(adjusted, 1.0)
    return result
