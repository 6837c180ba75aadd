"""Kendall's and Spearman's rank correlation with ties, gaps and weights, for many resamples at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


def rank_correlations(scores: npt.ArrayLike, ratings: npt.ArrayLike, weights: npt.ArrayLike) -> Array:
    """Compute Kendall's τ-b and Spearman's ρ of every row of scores with every row of ratings, clips by weight.

    Both are Daniels' generalized correlation. With s = sign(xᵢ − xⱼ) and u = sign(yᵢ − yⱼ),
    τ-b = Σ wᵢwⱼ s u / √(Σ wᵢwⱼ s² · Σ wᵢwⱼ u²) over pairs; and as Σⱼ wⱼ s is twice the centered midrank of clip i, ρ is
    the weighted product-moment correlation of these sums. Whole weights give what each clip repeated that often would.

    Args:
        scores: shape (metrics, clips), NaN where missing.
        ratings: shape (rows, clips), NaN where missing; a row for each resample.
        weights: shape (rows, clips), whole numbers ≥ 0, at most 10⁷ pairs by weight.

    Returns:
        Shape (rows, metrics, 2): τ-b and ρ in [−1, 1]; NaN where fewer than two clips have both values, or all that
        have are equal in one of them.

    Source: Daniels, "The relation between measures of correlation in the universe of sample permutations", Biometrika
    33 (1944); Kendall, "The treatment of ties in ranking problems", Biometrika 33 (1945).

    >>> rank_correlations([[1, 2, 3, 4]], [[1, 3, 2, 4]], [[1, 1, 1, 1]]).round(3).tolist()
    [[[0.667, 0.8]]]
    """
    x, y = np.asarray(scores, np.float64), np.asarray(ratings, np.float64)
    w = np.where(np.isnan(y), 0.0, np.asarray(weights, np.float64))
    found = np.full((len(y), len(x), 2), np.nan)
    # Metrics that are undefined for the same clips share the work.
    patterns, which = np.unique(~np.isnan(x), axis=0, return_inverse=True)
    for number, known in enumerate(patterns):
        metrics = np.flatnonzero(which.reshape(-1) == number)
        if known.sum() >= 2:
            found[:, metrics] = _complete(x[np.ix_(metrics, known)], np.nan_to_num(y[:, known]), w[:, known])
    return found


def _complete(x: Array, y: Array, weights: Array) -> Array:
    """Compute `rank_correlations` without gaps. Sums of whole weights are exact in float32, which halves the time."""
    signs = np.sign(x[:, :, None] - x[:, None, :]).astype(np.float32)
    # A row a clip from here on, so that all that follows a clip lies together.
    w, y = np.ascontiguousarray(weights.T, np.float32), np.ascontiguousarray(y.T)
    clips, rows = y.shape
    agreeing, untied_y, rank_y = np.zeros((len(x), rows)), np.zeros(rows), np.zeros_like(w)
    for i in range(clips - 1):
        later = slice(i + 1, clips)
        sign = np.subtract(y[i] > y[later], y[i] < y[later], dtype=np.float32)
        rank_y[later] -= w[i] * sign
        sign *= w[later]
        rank_y[i] += sign.sum(axis=0)
        agreeing += w[i] * (signs[:, i, later] @ sign)
        untied_y += w[i] * np.abs(sign, out=sign).sum(axis=0)

    def product(a: Floats, b: Floats) -> Array:
        return np.asarray(np.einsum("cr,cr,cr->r", a, b, w, dtype=np.float64))

    square_y = product(rank_y, rank_y)
    found = np.empty((rows, len(x), 2))
    with np.errstate(invalid="ignore"):
        for metric, sign in enumerate(signs):
            rank_x = sign @ w
            untied_x = (w * (np.abs(sign) @ w)).sum(axis=0, dtype=np.float64) / 2
            found[:, metric, 0] = agreeing[metric] / np.sqrt(untied_x * untied_y)
            found[:, metric, 1] = product(rank_x, rank_y) / np.sqrt(product(rank_x, rank_x) * square_y)
    return found


def paired_rank_correlations(x: Array, y: Array) -> Array:
    """Compute τ-b and ρ of each row of x with the same row of y, both of shape (rows, n), without weights.

    Returns:
        Shape (rows, 2); NaN where a row holds a NaN, or only equal values.
    """
    s, u = (np.sign(values[:, :, None] - values[:, None, :]) for values in (x, y))
    pairs = (s * u).sum(axis=(1, 2)), (s * s).sum(axis=(1, 2)), (u * u).sum(axis=(1, 2))
    rank_x, rank_y = s.sum(axis=2), u.sum(axis=2)
    ranks = (rank_x * rank_y).sum(axis=1), (rank_x**2).sum(axis=1), (rank_y**2).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.stack([both / np.sqrt(of_x * of_y) for both, of_x, of_y in (pairs, ranks)], axis=-1)
