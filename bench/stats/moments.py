"""Running mean and covariance: for data in parts that do not fit in memory at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Number of rows, their mean, and the scatter Σ (x − mean)(x − mean)ᵀ around it.

    An immutable value: parts are measured with `of`, and joined with ``+`` in any grouping.

    Attributes:
        n: rows, ≥ 0.
        mean: float64, shape (dimension,).
        scatter: float64, shape (dimension, dimension), symmetric.

    Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37
    (1983), eq. 2.1, for vectors.
    """

    n: int
    mean: Array
    scatter: Array

    @classmethod
    def empty(cls, dimension: int) -> Moments:
        """Return the moments of no rows: the neutral element of ``+``."""
        return cls(0, np.zeros(dimension), np.zeros((dimension, dimension)))

    @classmethod
    def of(cls, rows: npt.ArrayLike, block: int = 4096) -> Moments:
        """Measure rows in float64, some at a time.

        Args:
            rows: shape (n, dimension), finite. What has a shape is only sliced, so a memory map is never read whole.
            block: rows at a time, ≥ 1.

        Raises:
            ValueError: not two-dimensional, or a value that is not finite.
        """
        source = rows if hasattr(rows, "shape") else np.asarray(rows)
        if len(source.shape) != 2:
            raise ValueError(f"moments need rows of shape (n, dimension), got {source.shape}")
        total = cls.empty(int(source.shape[1]))
        for start in range(0, int(source.shape[0]), block):
            part = np.asarray(source[start : start + block], dtype=np.float64)  # type: ignore[index]
            if not np.isfinite(part).all():
                raise ValueError(f"rows {start} to {start + len(part)} contain a value that is not finite")
            mean = part.mean(axis=0)
            centred = part - mean
            total += cls(len(part), mean, centred.T @ centred)
        return total

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both parts together."""
        if not isinstance(other, Moments):
            return NotImplemented
        n = self.n + other.n
        if not self.n or not other.n:
            return self if self.n else other
        step = other.mean - self.mean
        mean = self.mean + step * (other.n / n)
        scatter = self.scatter + other.scatter + np.outer(step, step) * (self.n * other.n / n)
        return Moments(n, mean, scatter)

    @property
    def covariance(self) -> Array:
        """Sample covariance, ddof = 1.

        Raises:
            ValueError: fewer than two rows.
        """
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 rows, there are {self.n}")
        covariance: Array = self.scatter / (self.n - 1)
        return covariance
