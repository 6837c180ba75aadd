"""A codebook of embeddings: buckets that windows are sorted into, so that sets of windows become histograms.

As in mauve-text 0.4.0: windows are brought to length 1, the principal components that hold 90 % of their variance are
kept, and k-means finds the buckets, the best of five starts. Here the starts are drawn by k-means++ with a fixed seed.
Equal windows are one with a weight, and all are put in one order first: the same windows give the same buckets, in
whatever order and from whichever set they come.

Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007; Lloyd, "Least squares quantization
in PCM", IEEE Transactions on Information Theory 28 (1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metrics.pairwise import Array, Windows

Labels = npt.NDArray[np.int64]

VARIANCE = 0.9
"""Share of the variance that the kept components hold."""
STARTS, MANY = 5, 2_000_000
"""Starts of k-means, of which the best is kept. Where windows × buckets exceed this number, one start is enough:
with hundreds of buckets, all starts give nearly the same result."""
_ROUNDS = 500
_SETTLED = 1e-5
"""k-means ends when a round lowers the sum of squared distances by less than this share."""
_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Codebook:
    """Buckets of embeddings, fitted once and not moved again.

    Attributes:
        mean: of the windows that it was fitted on, each of length 1, shape (dimension,).
        components: shape (kept, dimension).
        centers: of the buckets, shape (buckets, kept).
    """

    mean: Array
    components: Array
    centers: Array

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        return len(self.centers)

    def labels(self, windows: Windows) -> Labels:
        """Return the nearest bucket of each window, shape (windows,)."""
        return _nearest(_projected(windows, self.mean, self.components), self.centers)[0]


def fit_codebook(windows: Windows, buckets: int, seed: int = 0) -> Codebook:
    """Fit buckets to windows; there are fewer where fewer windows differ.

    Args:
        windows: shape (n ≥ 1, dimension), finite.
        buckets: how many, ≥ 1.
        seed: of the starts of k-means.
    """
    distinct, weights = np.unique(np.asarray(windows, dtype=np.float32), axis=0, return_counts=True)
    mean, components = _components(distinct, weights.astype(np.float64))
    projected = _projected(distinct, mean, components)
    rng = np.random.default_rng(seed)
    buckets = min(buckets, len(distinct))
    starts = STARTS if len(distinct) * buckets <= MANY else 1
    tries = [_k_means(projected, weights.astype(np.float64), buckets, rng) for _ in range(starts)]
    return Codebook(mean, components, min(tries, key=lambda found: found[1])[0])


def _of_length_1(windows: Windows) -> Array:
    wide = np.asarray(windows, dtype=np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    scaled: Array = wide / np.where(lengths > 0, lengths, 1.0)
    return scaled


def _projected(windows: Windows, mean: Array, components: Array) -> Array:
    parts = [_of_length_1(windows[start : start + _ROWS]) - mean for start in range(0, len(windows), _ROWS)]
    projected: Array = np.concatenate([part @ components.T for part in parts])
    return projected


def _components(windows: Windows, weights: Array) -> tuple[Array, Array]:
    """Return the mean, and the fewest principal components that hold `VARIANCE`, shape (kept ≥ 1, dimension)."""
    from scipy.linalg import eigh

    dimension = windows.shape[1]
    total, scatter = np.zeros(dimension), np.zeros((dimension, dimension))
    for start in range(0, len(windows), _ROWS):
        part, own = _of_length_1(windows[start : start + _ROWS]), weights[start : start + _ROWS]
        total += own @ part
        scatter += (part * own[:, np.newaxis]).T @ part
    mean = total / weights.sum()
    values, vectors = eigh(scatter / weights.sum() - np.outer(mean, mean))
    held = np.cumsum(np.maximum(values[::-1], 0.0))
    kept = int(np.argmax(held >= VARIANCE * held[-1])) + 1
    return mean, vectors[:, ::-1][:, :kept].T


def _k_means(points: Array, weights: Array, buckets: int, rng: np.random.Generator) -> tuple[Array, float]:
    """Return the centers, shape (buckets, dimension), and the weighted sum of squared distances from them."""
    from scipy.sparse import csr_matrix

    centers = _starts(points, weights, buckets, rng)
    spread = np.inf
    for _ in range(_ROUNDS):
        labels, squares = _nearest(points, centers)
        before, spread = spread, float(weights @ squares)
        if not before - spread > _SETTLED * spread:
            break
        members = csr_matrix((weights, (labels, np.arange(len(points)))), (buckets, len(points)))
        totals = np.asarray(members.sum(axis=1))
        centers = np.where(totals > 0, (members @ points) / np.where(totals > 0, totals, 1.0), centers)
    return centers, spread


def _starts(points: Array, weights: Array, buckets: int, rng: np.random.Generator) -> Array:
    """Draw the starts by k-means++: each next center is a point, drawn by its squared distance from those so far."""
    centers = np.empty((buckets, points.shape[1]))
    chances = weights
    squares = np.full(len(points), np.inf)
    for number in range(buckets):
        sums = np.cumsum(chances)
        place = int(np.searchsorted(sums, rng.random() * sums[-1], "right")) if sums[-1] > 0 else number
        centers[number] = points[min(place, len(points) - 1)]
        squares = np.minimum(squares, ((points - centers[number]) ** 2).sum(axis=1))
        chances = weights * squares
    return centers


def _nearest(points: Array, centers: Array) -> tuple[Labels, Array]:
    """Return the nearest center of each point, and its squared distance."""
    labels, squares = np.empty(len(points), dtype=np.int64), np.empty(len(points))
    lengths = (centers**2).sum(axis=1)
    for start in range(0, len(points), _ROWS):
        part = points[start : start + _ROWS]
        table = lengths - 2 * part @ centers.T
        labels[start : start + len(part)] = own = table.argmin(axis=1)
        nearest = table[np.arange(len(part)), own] + (part**2).sum(axis=1)
        squares[start : start + len(part)] = np.maximum(nearest, 0.0)
    return labels, squares
