"""Fréchet audio distance (FAD): how far apart two sets of embeddings are as Gaussians.

‖μ₁ − μ₂‖² + tr C₁ + tr C₂ − 2 tr √(C₁C₂). The last trace is the nuclear norm of F₁F₂ᵀ, where Cᵢ = FᵢᵀFᵢ: its singular
values are the roots of the eigenvalues of C₁C₂. No complex numbers can arise, and no root of a matrix is taken.

Dowson and Landau, "The Fréchet distance between multivariate normal distributions", Journal of Multivariate Analysis 12
(1982); Kilgour et al., "Fréchet Audio Distance: a reference-free metric for evaluating music enhancement algorithms",
Interspeech 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import DataError, Undefined
from bench.number_format import counted
from metrics.gaussian import EPSILON, Array, Gaussian, Method, nuclear_norm, product, stacked_factor
from metrics.grouped import Chosen, Contributions, Grouped, GroupedMetric, starts_of
from metrics.pairwise import mean_of, sums_of_rows

BLOCK = 4096
"""Windows that are processed together."""
KEPT = 1 << 24
"""Numbers that may be kept in memory instead of being computed again: 128 MB."""
LEAST_PROMPTS = 24
"""With fewer prompts, chance and bias outweigh the music."""


def frechet_distance(
    mean_a: npt.ArrayLike,
    cov_a: npt.ArrayLike,
    mean_b: npt.ArrayLike,
    cov_b: npt.ArrayLike,
    method: Method = "auto",
) -> float:
    """Compute the Fréchet distance between two Gaussians, ≥ 0, in squared units of the embedding.

    Args:
        mean_a, mean_b: shape (dimension,).
        cov_a, cov_b: shape (dimension, dimension), symmetric and positive semi-definite, of any rank.
        method: as in `metrics.gaussian.nuclear_norm`: ``fast`` by eigenvalues, ``exact`` by singular values, ``auto``
            by eigenvalues where they are accurate to 1e-10.

    Raises:
        DataError: shapes that do not match, values that are not finite, or a matrix that is not a covariance.

    >>> frechet_distance([0.0], [[4.0]], [3.0], [[1.0]])
    10.0
    """
    return gaussian_distance(Gaussian.of_moments(mean_a, cov_a), Gaussian.of_moments(mean_b, cov_b), method)


def frechet_audio_distance(evaluated: npt.ArrayLike, reference: npt.ArrayLike, method: Method = "auto") -> float:
    """Compute the Fréchet distance between two sets of windows, shapes (n, dimension) and (m, dimension), n, m ≥ 2.

    The work is done on the smaller side of either set, windows or dimension, and the sets are never squared.

    Args:
        evaluated: windows of a model's clips, shape (n, dimension).
        reference: windows of the reference, shape (m, dimension).
        method: as in `frechet_distance`.

    Raises:
        DataError: other shapes, fewer than two windows, or values that are not finite.
    """
    return gaussian_distance(Gaussian.of_windows(evaluated), Gaussian.of_windows(reference), method)


def per_clip_distances(clips: Iterable[npt.ArrayLike], reference: Gaussian) -> Array:
    """Compute the Fréchet distance of each clip's own windows, shape (n ≥ 2, dimension), to one reference, shape
    (clips,).

    The reference is factored once, beforehand; a clip costs the singular values of a matrix with n − 1 rows.

    Raises:
        DataError: a clip has fewer than two windows, a value that is not finite, or another dimension than the
            reference.

    Source: Gui et al., "Adapting Fréchet audio distance for generative music evaluation", ICASSP 2024, §2.3.
    """
    return np.array([gaussian_distance(Gaussian.of_windows(clip), reference) for clip in clips])


def gaussian_distance(a: Gaussian, b: Gaussian, method: Method = "auto") -> float:
    """Compute the Fréchet distance between two Gaussians that are factored already, ≥ 0, in squared units of the
    embedding.

    Args:
        a, b: of the same dimension.
        method: as in `metrics.gaussian.nuclear_norm`.

    Raises:
        DataError: the dimensions differ, or a variance overflows.
    """
    if a.mean.shape != b.mean.shape:
        raise DataError(f"embeddings of {len(a.mean)} and of {len(b.mean)} dimensions cannot be compared")
    step = a.mean - b.mean
    total = float(step @ step) + a.trace + b.trace
    if not np.isfinite(total):
        raise DataError("the embeddings are too large, their variance overflows")
    return max(total - 2 * nuclear_norm(product(a.factor, b.factor), method), 0.0)


@dataclass(frozen=True, eq=False)
class _Projected(Contributions):
    """Windows projected through the reference's factor, where their Fréchet distance is that of their singular values.

    Windows are read in blocks of one size and their moments merged in one order, so that memory does not grow with them
    and the result does not depend on how they are held.

    Attributes:
        windows: by unit.
        mean: of all windows, shape (dimension,).
        factor: of the reference, shape (rank, dimension).
        counts, squares: windows of each unit, and the sum of their squared distances from the mean.
        sums: sum of the windows of each unit about the mean, shape (units, dimension).
        step: mean of all windows − the reference's.
        reference_trace: total variance of the reference.
    """

    windows: Grouped
    mean: Array
    factor: Array
    counts: Array
    squares: Array
    sums: Array
    step: Array
    reference_trace: float

    @classmethod
    def of(cls, windows: Grouped, reference: Gaussian) -> _Projected:
        counts, mean = windows.counts, mean_of(windows.vectors)
        squares, sums = np.zeros(len(counts)), np.zeros((len(counts), len(mean)))
        unit = np.repeat(np.arange(len(counts)), counts)
        for start in range(0, len(unit), BLOCK):
            x, own = windows.vectors[start : start + BLOCK] - mean, unit[start : start + BLOCK]
            first = starts_of(own)
            squares[own[first]] += np.add.reduceat(np.einsum("ij,ij->i", x, x), first)
            sums[own[first]] += sums_of_rows(x, first)
        step = mean - reference.mean
        return cls(windows, mean, reference.factor, counts.astype(np.float64), squares, sums, step, reference.trace)

    def value(self, chosen: Chosen) -> float:
        n, rank = int(chosen @ self.counts), len(self.factor)
        if n <= rank:
            factor = Gaussian.of_windows(np.concatenate(list(self._rows(chosen)))).factor
        else:
            middle = self._mean(chosen, n)
            factor = stacked_factor(rows - middle for rows in self._rows(chosen)) / math.sqrt(n - 1)
        return float(self._distances(chosen[np.newaxis], np.array([nuclear_norm(factor)]))[0])

    def values(self, chosen: Chosen) -> Array:
        return self._distances(chosen, np.array([self._norm(row) for row in chosen]))

    def _distances(self, chosen: Chosen, norms: Array) -> Array:
        n = chosen @ self.counts
        offsets = chosen @ self.sums / n[:, np.newaxis]
        traces = (chosen @ self.squares - n * (offsets**2).sum(axis=1)) / (n - 1)
        steps = ((offsets + self.step) ** 2).sum(axis=1)
        distances: Array = np.maximum(steps + traces + self.reference_trace - 2 * norms, 0.0)
        return distances

    def _norm(self, chosen: Chosen) -> float:
        """Compute the nuclear norm by the eigenvalues of the scatter on its smaller side; those within rounding count
        as 0.

        Scatters of units add up: units that are left out are subtracted from the whole where they are fewer than the
        chosen.
        """
        from scipy.linalg import eigvalsh

        n, total = int(chosen @ self.counts), len(self.windows.vectors)
        if n <= len(self.factor):
            rows = np.concatenate(list(self._rows(chosen)))
            rows -= rows.mean(axis=0)
            scatter = product(rows, rows)
        else:
            middle = self._mean(chosen, n)
            fewer = self._scatter - self._scatter_of(~chosen) if 2 * n > total else self._scatter_of(chosen)
            scatter = fewer - n * np.outer(middle, middle)
        values = eigvalsh(scatter / (n - 1), overwrite_a=True, check_finite=False)
        return float(np.sqrt(values[values > len(values) * EPSILON * values[-1]]).sum())

    def _mean(self, chosen: Chosen, n: int) -> Array:
        """Compute the mean of the chosen windows through the factor, about the mean of all, shape (rank,)."""
        middle: Array = product((chosen @ self.sums / n)[np.newaxis], self.factor)[0]
        return middle

    def _scatter_of(self, chosen: Chosen) -> Array:
        scatter = np.zeros((len(self.factor), len(self.factor)))
        for rows in self._rows(chosen):
            scatter += product(rows.T, rows.T)
        return scatter

    @cached_property
    def _scatter(self) -> Array:
        return self._scatter_of(np.ones(len(self.counts), dtype=bool))

    def _rows(self, chosen: Chosen) -> Iterator[Array]:
        """Yield the chosen windows through the factor, in blocks."""
        size = self.windows.counts
        first = self.windows.starts[chosen]
        places = np.repeat(first - np.r_[0, np.cumsum(size[chosen])[:-1]], size[chosen]) + np.arange(size[chosen].sum())
        for start in range(0, len(places), BLOCK):
            part = places[start : start + BLOCK]
            yield self._kept[part] if self._kept is not None else self._through(self.windows.vectors[part])

    @cached_property
    def _kept(self) -> Array | None:
        """All windows through the factor, where they are few: tests use them hundreds of times."""
        vectors = self.windows.vectors
        return self._through(vectors) if len(vectors) * len(self.factor) <= KEPT else None

    def _through(self, vectors: npt.NDArray[np.float32]) -> Array:
        return product(vectors - self.mean, self.factor)


class FrechetAudioDistance(GroupedMetric):
    """FAD between all windows of a model and the reference, in squared units of the embedding.

    Its bias falls with the number of prompts, not of windows, and is large at the numbers people use: it is compared
    only at equal numbers of clips over the same prompts. The interval is for its expectation at this number.
    """

    version = 1
    direction: ClassVar[Direction] = "lower"
    cannot_tell = "which clip is at fault; it is biased upward for small sets, so compare only equal numbers of clips"

    def __init__(self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None) -> None:
        super().__init__(embedder, embedder_params)
        self._known: dict[str, Gaussian] = {}

    def check(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        warnings = super().check(evaluated, reference)
        assert reference is not None
        prompts, clips = len(np.unique(evaluated.groups)), len(np.unique(evaluated.recordings))
        if prompts < LEAST_PROMPTS:
            raise Undefined(f"{counted(prompts, 'prompt')}, FAD needs {LEAST_PROMPTS}; KAD works with fewer")
        for windows, whose in ((evaluated.windows, "clips"), (reference.windows, "reference")):
            if windows <= evaluated.dimension:
                rank = {"of": whose, "windows": windows, "dimension": evaluated.dimension}
                warnings = (*warnings, Notice("W-RANK", rank))
        needed = enough_clips(evaluated.dimension)
        if clips < needed:
            warnings = (*warnings, Notice("W-BIAS", {"clips": clips, "needed": needed}))
        return warnings

    def permutations(self, evaluated: EmbeddingSet) -> int:
        return 999 if evaluated.dimension <= 512 else 199

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        assert reference is not None
        gaussian = self.gaussian(reference)
        if not len(gaussian.factor):
            raise Undefined(f"the windows of the reference '{reference.name}' all have the same embedding")
        return _Projected.of(windows, gaussian)

    def gaussian(self, reference: Reference) -> Gaussian:
        """Return the reference's Gaussian, factored once."""
        if reference.fingerprint not in self._known:
            self._known[reference.fingerprint] = Gaussian.of_moments(reference.mean, reference.covariance)
        return self._known[reference.fingerprint]


def enough_clips(dimension: int) -> int:
    """Return the number of clips from which on FAD's bias is nearly proportional to 1/clips: max(300, 1.5 ·
    dimension)."""
    return max(300, math.ceil(1.5 * dimension))
