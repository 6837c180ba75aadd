"""Gaussians by their factors: the mean, and a matrix whose square is the covariance.

Every product here goes through SciPy: the BLAS in NumPy's wheels may be too old to know the processor, and is then
several times slower.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

Array = npt.NDArray[np.float64]
Method = Literal["auto", "fast", "exact"]

EPSILON = float(np.finfo(np.float64).eps)
TOLERATED = 1e-10
"""Relative error of a nuclear norm up to which ``auto`` trusts the eigenvalues."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal distribution with covariance factorᵀ · factor.

    Attributes:
        mean: float64, shape (dimension,).
        factor: float64, shape (rank, dimension); as few rows as the covariance needs.
    """

    mean: Array
    factor: Array

    @property
    def trace(self) -> float:
        """Trace of the covariance: the total variance."""
        return float(np.einsum("ij,ij->", self.factor, self.factor))

    @classmethod
    def of_windows(cls, windows: npt.ArrayLike) -> Gaussian:
        """Compute mean and covariance (ddof = 1) of windows, shape (n ≥ 2, dimension), without ever squaring them.

        Up to ``dimension`` windows give a factor of n − 1 rows, Helmert's contrasts: they have the scatter of the n
        centered windows without the direction that centering makes null. More windows are reduced to that size by QR.

        Raises:
            DataError: another shape, fewer than two windows, or a value that is not finite.
        """
        from scipy.linalg import qr

        x = np.array(windows, dtype=np.float64)
        if x.ndim != 2 or not x.shape[1]:
            raise DataError(f"windows of shape {x.shape}, must be (windows, dimension)")
        if len(x) < 2:
            raise DataError(f"a covariance needs 2 windows or more, got {len(x)}")
        mean = x.mean(axis=0)
        if not np.isfinite(mean).all():
            raise DataError("windows hold a value that is not finite (NaN or infinity)")
        x -= mean
        n = len(x)
        if n <= x.shape[1]:
            k = np.arange(1, n, dtype=np.float64)[:, np.newaxis]
            factor = (np.cumsum(x[:-1], axis=0) - k * x[1:]) / np.sqrt(k * (k + 1))
        else:
            # First the result without its size: only R is wanted, and the windows are not needed any more.
            factor = qr(x, mode="r", overwrite_a=True, check_finite=False)[0][: x.shape[1]]
        factor /= np.sqrt(n - 1)
        return cls(mean, factor)

    @classmethod
    def of_moments(cls, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> Gaussian:
        """Build the Gaussian from a mean, shape (dimension,), and a covariance, shape (dimension, dimension).

        Factored by Cholesky where the covariance has full numerical rank, otherwise by its eigenvectors without those
        whose eigenvalue is only rounding: the root of a rounding error would not be small.

        Raises:
            DataError: shapes that do not match, a value that is not finite, or no covariance (a negative variance).
        """
        from scipy.linalg import LinAlgError, cholesky, eigh, lapack

        centre = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        square = np.atleast_2d(np.asarray(covariance, dtype=np.float64))
        if centre.ndim != 1 or square.shape != (len(centre), len(centre)):
            raise DataError(f"a mean of shape {centre.shape} with a covariance of shape {square.shape}")
        if not (np.isfinite(centre).all() and np.isfinite(square).all()):
            raise DataError("mean or covariance holds a value that is not finite (NaN or infinity)")
        largest = float(np.abs(square).max(initial=0.0))
        if float(np.abs(square - square.T).max(initial=0.0)) > 1e-5 * largest:
            raise DataError("the covariance is not symmetric")
        square = (square + square.T) / 2
        rounding = (len(centre) + 20) * EPSILON
        try:
            upper = cholesky(square, lower=False, check_finite=False)
            if lapack.dpocon(upper, np.abs(square).sum(axis=0).max())[0] > 10 * rounding:
                return cls(centre, upper)
        except LinAlgError:
            pass
        values, vectors = eigh(square, check_finite=False)
        if values[0] < -1e-5 * max(largest, values[-1]):
            raise DataError(f"the covariance is not positive semi-definite (smallest eigenvalue {values[0]:.3g})")
        kept = values > rounding * values[-1]
        return cls(centre, np.sqrt(values[kept])[:, np.newaxis] * vectors.T[kept])


def stacked_factor(blocks: Iterable[Array]) -> Array:
    """Compute R of the QR decomposition of blocks of rows, one below the other, of which one is in memory at a time.

    Rᵀ · R is the scatter of all rows, which is never formed; shape (dimension or fewer, dimension).

    Raises:
        DataError: no rows.
    """
    from scipy.linalg import qr

    factor: Array | None = None
    for block in blocks:
        rows = block if factor is None else np.concatenate([factor, block])
        factor = qr(rows, mode="r", check_finite=False)[0][: rows.shape[1]]
    if factor is None:
        raise DataError("a factor needs at least 1 row, got 0")
    return factor


def product(a: Array, b: Array) -> Array:
    """Compute a · bᵀ of shapes (n, d) and (m, d)."""
    from scipy.linalg.blas import dgemm

    result: Array = dgemm(1.0, np.asarray(b).T, np.asarray(a).T, trans_a=True).T
    return result


def nuclear_norm(matrix: Array, method: Method = "auto") -> float:
    """Compute the sum of the singular values of a matrix; 0 where it is empty.

    ``fast`` takes the roots of the eigenvalues of the square on the smaller side; ``exact`` the singular values
    themselves, about three times slower. The roots lose half of the digits of what is small beside the largest, so
    ``auto`` takes ``exact`` where the rounding of the eigenvalues could move the sum by more than 1e-10 of it.
    """
    from scipy.linalg import eigvalsh, svdvals

    if not matrix.size:
        return 0.0
    if method != "exact":
        side = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        values = eigvalsh(product(side, side), overwrite_a=True, check_finite=False)
        roots = np.sqrt(np.maximum(values, 0.0))
        rounding = 10 * EPSILON * max(values[-1], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.minimum(np.sqrt(rounding), rounding / roots) if rounding else np.zeros_like(roots)
        if method == "fast" or errors.sum() <= TOLERATED * roots.sum():
            return float(roots.sum())
    return float(svdvals(matrix, check_finite=False).sum())
