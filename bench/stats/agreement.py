"""Agreement of raters: Krippendorff's α, intraclass correlation, Kendall's W."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval", "ratio"]
Kind = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]


def krippendorff_alpha(ratings: npt.ArrayLike, level: str = "ordinal") -> float:
    """Return Krippendorff's α: 1 minus the observed disagreement over that expected by chance.

    α = 1 − (n − 1) Σ o_ck δ²_ck / Σ n_c n_k δ²_ck, with o the coincidences: each ordered pair of ratings within a unit
    counts 1/(m − 1), m the unit's ratings; n_c their row sums and n their total. Units with one rating do not count.
    δ² is 1 for unlike values (nominal), (Σ_{g=c..k} n_g − (n_c + n_k)/2)² (ordinal), (c − k)² (interval), or
    ((c − k)/(c + k))² (ratio).

    Args:
        ratings: shape (raters, units), NaN where missing.
        level: of measurement: nominal, ordinal, interval or ratio; ratio needs values ≥ 0.

    Returns:
        At most 1; 0 is chance, and less is systematic disagreement.

    Raises:
        ValueError: one rater, no unit with two ratings, all ratings equal, or an impossible value or level.

    Source: Krippendorff, "Computing Krippendorff's alpha-reliability", University of Pennsylvania (2011).

    >>> round(krippendorff_alpha([[1, 2, 3, 3], [1, 2, 3, 4]], "nominal"), 3)
    0.696
    """
    if level not in get_args(Level):
        raise ValueError(f"the level of measurement is one of {', '.join(get_args(Level))}, not {level!r}")
    x = _ratings(ratings, "raters, units")
    if level == "ratio" and (x < 0).any():
        raise ValueError("a ratio scale has no values below 0")
    if x.shape[0] < 2:
        raise ValueError("agreement needs at least two raters, got 1")
    x = x[:, (~np.isnan(x)).sum(axis=0) >= 2]
    present = ~np.isnan(x)
    if not present.any():
        raise ValueError("no unit was rated by two raters, so agreement is undefined")
    values, codes = np.unique(x[present], return_inverse=True)
    if len(values) < 2:
        raise ValueError("all ratings are equal, so agreement is undefined")
    counts = np.zeros((x.shape[1], len(values)))
    np.add.at(counts, (np.nonzero(present)[1], codes.reshape(-1)), 1)
    pairable = counts / (counts.sum(axis=1, keepdims=True) - 1)
    coincidences = counts.T @ pairable - np.diag(pairable.sum(axis=0))
    totals = counts.sum(axis=0)
    distance = _distance(values, totals, level)
    expected = totals @ distance @ totals / (totals.sum() - 1)
    return float(1 - (coincidences * distance).sum() / expected)


def icc(ratings: npt.ArrayLike, kind: str = "2,k") -> float:
    """Intraclass correlation: the share of variance that is between targets.

    With the mean squares between targets B, within targets W, between raters J and the residual E of n targets × k
    raters:

    ======  ==============================  ======  =========================
    1,1     (B − W)/(B + (k−1)W)            1,k     (B − W)/B
    2,1     (B − E)/(B + (k−1)E + k(J−E)/n) 2,k     (B − E)/(B + (J−E)/n)
    3,1     (B − E)/(B + (k−1)E)            3,k     (B − E)/B
    ======  ==============================  ======  =========================

    1: each target has its own raters. 2: the raters stand for others, and absolute agreement counts. 3: these raters
    only, and a rater's constant offset does not count. ``,1`` is of one rater, ``,k`` of the mean of all k.

    Args:
        ratings: shape (targets, raters), at least 2 × 2, none missing.
        kind: one of the six.

    Returns:
        At most 1; negative where targets differ less than chance alone would make them.

    Raises:
        ValueError: one target, one rater, a rating missing, all ratings equal, an unknown kind, or so little difference
            between targets that the ratio does not exist.

    Source: Shrout and Fleiss, "Intraclass correlations: uses in assessing rater reliability", Psychological Bulletin 86
    (1979).

    >>> round(icc([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], "2,1"), 2)
    0.29
    """
    if kind not in get_args(Kind):
        raise ValueError(f"the kind is one of {' '.join(get_args(Kind))}, not {kind!r}")
    x = _complete(_ratings(ratings, "targets, raters"), "an intraclass correlation")
    n, k = x.shape
    if k < 2:
        raise ValueError("agreement needs at least two raters, got 1")
    if n < 2:
        raise ValueError("only one target, so differences between targets are unknown")
    if np.ptp(x) == 0:
        raise ValueError("all ratings are equal, so agreement is undefined")
    x = x - x.mean()
    targets, raters = x.mean(axis=1, keepdims=True), x.mean(axis=0, keepdims=True)
    B = k * float((targets**2).sum()) / (n - 1)
    W = float(((x - targets) ** 2).sum()) / (n * (k - 1))
    J = n * float((raters**2).sum()) / (k - 1)
    E = float(((x - targets - raters) ** 2).sum()) / ((n - 1) * (k - 1))
    numerator = B - (W if kind[0] == "1" else E)
    denominator = {
        "1,1": B + (k - 1) * W,
        "2,1": B + (k - 1) * E + k * (J - E) / n,
        "3,1": B + (k - 1) * E,
        "1,k": B,
        "2,k": B + (J - E) / n,
        "3,k": B,
    }[kind]
    if denominator <= 1e-12 * (B + J + E):
        raise ValueError(f"targets have equal mean ratings, so ICC({kind}) is undefined")
    return numerator / denominator


def kendall_w(ratings: npt.ArrayLike) -> float:
    """Return Kendall's coefficient of concordance, corrected for ties.

    W = 12 S / (m²(n³ − n) − m Σ(t³ − t)) with S = Σ (Rᵢ − R̄)² of the n units' rank sums over m raters, and t the sizes
    of each rater's groups of ties (which share their mean rank).

    Args:
        ratings: shape (raters, units), at least 2 × 2, none missing.

    Returns:
        0 (no concordance) to 1 (all raters in one order).

    Raises:
        ValueError: one rater, one unit, a rating missing, or every rater giving one value only.

    Source: Kendall and Babington Smith, "The problem of m rankings", Annals of Mathematical Statistics 10 (1939);
    Kendall, *Rank Correlation Methods* (1948), ch. 6, for ties.

    >>> kendall_w([[1, 2, 3], [4, 5, 9]])
    1.0
    """
    x = _complete(_ratings(ratings, "raters, units"), "Kendall's W")
    m, n = x.shape
    if m < 2:
        raise ValueError("agreement needs at least two raters, got 1")
    if n < 2:
        raise ValueError("one unit: there is no order to agree on")
    ranks, ties = np.zeros(n), 0.0
    for row in x:
        _, place, size = np.unique(row, return_inverse=True, return_counts=True)
        ranks += (np.cumsum(size) - (size - 1) / 2)[place]
        ties += float((size.astype(np.float64) ** 3 - size).sum())
    largest = m**2 * (n**3 - n) - m * ties
    if largest == 0:
        raise ValueError("every rater gave all units the same rating, so there is no order to agree on")
    return float(12 * ((ranks - ranks.mean()) ** 2).sum() / largest)


def _distance(values: Array, totals: Array, level: str) -> Array:
    """Compute δ² between all pairs of values."""
    low, high = values[:, None], values[None, :]
    if level == "nominal":
        return np.asarray(low != high, dtype=np.float64)
    if level == "ordinal":
        # Where in the line of all ratings the middle one of each value stands.
        middle = np.cumsum(totals) - totals / 2
        return np.asarray((middle[:, None] - middle) ** 2)
    difference = (low - high) ** 2
    if level == "interval":
        return np.asarray(difference)
    total = low + high
    return np.asarray(np.divide(difference, total**2, out=np.zeros_like(difference), where=total > 0))


def _ratings(ratings: npt.ArrayLike, axes: str) -> Array:
    x = np.asarray(ratings, dtype=np.float64)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"ratings of shape ({axes}) are needed, got {x.shape}")
    if np.isinf(x).any():
        raise ValueError("an infinite value is not a rating")
    if np.isnan(x).all():
        raise ValueError("all ratings are missing: there is nothing to agree on")
    return x


def _complete(x: Array, what: str) -> Array:
    missing = int(np.isnan(x).sum())
    if missing:
        raise ValueError(
            f"{missing} of {x.size} ratings are missing: {what} needs all of them, Krippendorff's α does not"
        )
    return x
