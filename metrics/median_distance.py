"""The exact median of all pairwise distances, in memory that does not grow with the pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from metrics.pairwise import Array, Windows, distance_blocks, mean_of, scaled_blocks

KEPT = 2_000_000
"""Distances that are held at once; in a float32 pass, four times as many."""
Places = npt.NDArray[np.int32] | npt.NDArray[np.int64]
LARGEST = float(np.finfo(np.float64).max)
_SAMPLED, _MOST_SAMPLED = 1 << 15, 1 << 20
_BINS = 4096


def median_distance(windows: Windows, lower: bool = False) -> float:
    """Compute the median Euclidean distance over all pairs i < j of windows, shape (n ≥ 2, dimension), finite.

    Of an even number of pairs it is the mean of the two middle distances; ``lower`` takes the lower one, as
    ``torch.median`` does and so kadtk.

    Raises:
        DataError: fewer than two windows.
    """
    n = len(windows)
    if n < 2:
        raise DataError(f"a median distance needs 2 windows or more, got {n}")
    pairs = n * (n - 1) // 2
    rank, upper_rank = (pairs - 1) // 2, pairs // 2
    found = _by_rounded(windows, rank) if pairs > KEPT else None
    below, around = found or _by_bisection(windows, rank)
    around.sort()
    middle = float(around[rank - below])
    if lower or upper_rank == rank:
        return float(np.sqrt(middle))
    upper = float(around[upper_rank - below]) if upper_rank - below < len(around) else _next(windows, middle)
    return float((np.sqrt(middle) + np.sqrt(upper)) / 2)


def _by_rounded(windows: Windows, rank: int) -> tuple[int, Array] | None:
    """Return exact squared distances around this rank and how many are smaller than those, from one pass in float32.

    A distance in float32 is off by at most a known bound, and so is that of any rank. Whatever float32 puts farther
    than twice the bound from its own median is then on that side; only closer distances are computed exactly. None
    where there are too many of these (a few windows very far from the rest).
    """
    n, dimension = windows.shape
    pairs, centre = n * (n - 1) // 2, mean_of(windows)
    longest = max(
        float(((windows[start : start + 1024] - centre) ** 2).sum(axis=1).max()) for start in range(0, n, 1024)
    )
    # Rounded inputs, and a sum of dimension + 2 products whose sizes add up to at most 4 · longest.
    bound = 4 * (dimension + 8) * float(np.finfo(np.float32).eps) / 2 * longest
    if not 1e-30 < longest < 1e30:  # float32 would leave its range, where the bound does not hold
        return None
    low, high = _sample_bracket(windows, rank / pairs)
    low, high = float(np.float32(low - 4 * bound)), float(np.float32(high + 4 * bound))
    below, held = 0, 0
    values, firsts, seconds = [], [], []
    for row, column, squared in scaled_blocks(windows, None, precision=np.float32):
        below += int(np.count_nonzero(squared < low))
        i, j = np.divmod(np.flatnonzero((squared >= low) & (squared <= high)), squared.shape[1])
        held += len(i)
        if held > 4 * KEPT:
            return None
        values.append(squared[i, j])
        firsts.append((i + row).astype(np.int32))
        seconds.append((j + column).astype(np.int32))
    value, first, second = np.concatenate(values), np.concatenate(firsts), np.concatenate(seconds)
    if not below <= rank < below + held - 1:
        return None
    ordered = np.partition(value, (rank - below, rank - below + 1))
    bottom, top = ordered[rank - below] - 2 * bound, ordered[rank - below + 1] + 2 * bound
    if bottom < low or top > high:
        return None
    near = (value >= bottom) & (value <= top)
    return below + int(np.count_nonzero(value < bottom)), _squared(windows, first[near], second[near])


def _by_bisection(windows: Windows, rank: int) -> tuple[int, Array]:
    """Return squared distances around this rank and how many are smaller; each pass narrows a bracket by 4096."""
    low, high = 0.0, LARGEST
    while True:
        below, counts, inside = _pass(windows, low, high)
        if inside is not None:
            return below, inside
        bin = int(np.searchsorted(below + np.cumsum(counts), rank, "right"))
        edges = _edges(low, high)
        if (edges[bin], edges[bin + 1]) == (low, high):
            # More equal distances than can be held: repeat them by their count.
            return rank, np.full(min(2, below + int(counts.sum()) - rank), low)
        low, high = float(edges[bin]), float(edges[bin + 1])


def _pass(windows: Windows, low: float, high: float) -> tuple[int, npt.NDArray[np.int64], Array | None]:
    """Count the squared distances below ``low`` and in each bin of [low, high]; return those too, if not too many."""
    below, held = 0, 0
    counts = np.zeros(_BINS, dtype=np.int64)
    kept: list[Array] = []
    edges = _edges(low, high)
    for _, _, squared in distance_blocks(windows):
        below += int(np.count_nonzero(squared < low))
        inside = squared[(squared >= low) & (squared <= high)]
        held += len(inside)
        kept = [*kept, inside] if held <= KEPT else []
        places = np.searchsorted(edges, inside, "right") - 1
        counts += np.bincount(np.minimum(places, _BINS - 1), minlength=_BINS)
    return below, counts, np.concatenate(kept) if held <= KEPT else None


def _edges(low: float, high: float) -> Array:
    """Return bins of equal width, or of equal ratio where the range is that of all numbers."""
    if high < LARGEST:
        return np.linspace(low, high, _BINS + 1)
    return np.concatenate([[0.0], np.geomspace(1e-300, 1e300, _BINS - 1), [LARGEST]])


def _next(windows: Windows, value: float) -> float:
    """Return the smallest squared distance above ``value``."""
    return min(float(squared.min(where=squared > value, initial=np.inf)) for _, _, squared in distance_blocks(windows))


def _sample_bracket(windows: Windows, quantile: float) -> tuple[float, float]:
    """Return bounds that almost certainly hold this quantile of the squared distances, from a fixed sample of pairs."""
    n = len(windows)
    # Between the bounds lies 5/√sampled of all pairs, which must not be more than are held.
    sampled = int(min(max((2.5 * n**2 / KEPT) ** 2, _SAMPLED), _MOST_SAMPLED))
    rng = np.random.default_rng(0)
    first = rng.integers(0, n, sampled)
    squared = np.sort(_squared(windows, first, (first + rng.integers(1, n, sampled)) % n))
    middle, reach = quantile * sampled, 5 * np.sqrt(sampled / 4)
    return float(squared[int(max(middle - reach, 0))]), float(squared[int(min(middle + reach, sampled - 1))])


def _squared(windows: Windows, first: Places, second: Places) -> Array:
    """Compute the squared distances of the pairs (first, second), by their differences."""
    squared = np.empty(len(first))
    for start in range(0, len(first), 512):
        part = slice(start, start + 512)
        step = windows[first[part]].astype(np.float64) - windows[second[part]]
        np.einsum("ij,ij->i", step, step, out=squared[part])
    return squared
