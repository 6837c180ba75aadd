"""MAUVE of two histograms: the area under the curve of what each distribution has and the other lacks.

r = w·p + (1 − w)·q moves from q to p as w goes from 0 to 1. The curve of exp(−c·KL(q ‖ r)) and exp(−c·KL(p ‖ r)) runs
from (1, 0) to (0, 1), and is bent towards (1, 1) the more alike p and q are: its area is 1 where they are equal.

Pillutla et al., "MAUVE: measuring the gap between neural text and human text using divergence frontiers", NeurIPS 2021,
eq. 1 and 2; c = 5 and 25 values of w as there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from metrics.grouped import Array

SCALING = 5.0
"""c of the paper."""
MIXTURES = 25
_FIRST = 1e-6  # w is never 0 or 1: the ends of the curve are known


def mauve_of_histograms(p: npt.ArrayLike, q: npt.ArrayLike) -> Array:
    """Compute MAUVE in (0, 1]: 1 for equal histograms, about 1/252 for those that have no bucket in common.

    Args:
        p, q: shapes (…, buckets), ≥ 0; each row is divided by its sum. One of them may have fewer rows, or one.

    Returns:
        shape (…).

    Raises:
        DataError: shapes that do not match, negative numbers, or a row without anything in it.

    >>> mauve_of_histograms([2, 3, 5], [20, 30, 50]).round(9)
    1.0
    """
    p, q = _shares(p), _shares(q)
    if p.shape[-1] != q.shape[-1]:
        raise DataError(f"histograms of {p.shape[-1]} and of {q.shape[-1]} buckets cannot be compared")
    from scipy.special import rel_entr

    ones = np.ones(np.broadcast_shapes(p.shape, q.shape)[:-1])
    last = 0 * ones, ones  # (0, 1), where w would be 1
    area = np.zeros(ones.shape)
    for w in np.linspace(1 - _FIRST, _FIRST, MIXTURES):
        mixed = w * p + (1 - w) * q
        point = np.exp(-SCALING * rel_entr(q, mixed).sum(axis=-1)), np.exp(-SCALING * rel_entr(p, mixed).sum(axis=-1))
        area += _trapezoid(last, point)
        last = point
    result: Array = np.minimum(area + _trapezoid(last, (ones, 0 * ones)), 1.0)
    return result


def _shares(histogram: npt.ArrayLike) -> Array:
    counts = np.asarray(histogram, dtype=np.float64)
    totals = counts.sum(axis=-1, keepdims=True) if counts.ndim else np.zeros(1)
    if not (np.isfinite(counts).all() and (counts >= 0).all() and (totals > 0).all()):
        raise DataError(f"a histogram holds numbers of 0 or more, not all of them 0; this one has shape {counts.shape}")
    return counts / totals


def _trapezoid(left: tuple[Array, Array], right: tuple[Array, Array]) -> Array:
    area: Array = (right[0] - left[0]) * (left[1] + right[1]) / 2
    return area
