"""Distances between all pairs of windows, a block at a time, so that memory does not grow with the pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import DataError

Array = npt.NDArray[np.float64]
Windows = npt.NDArray[np.floating[Any]]
Precision = type[np.float32] | type[np.float64]

ROWS, COLUMNS = 2048, 512
"""Size of a block, fixed so that a result does not depend on the machine: 8 MB. Multiples of 8."""


class Block(NamedTuple):
    """The values of pairs of windows ``row …`` of one set and ``column …`` of the other.

    ``values``, shape (rows, columns), is a buffer that the next block overwrites; the receiver may overwrite it, too.
    """

    row: int
    column: int
    values: npt.NDArray[Any]


def check_windows(windows: npt.ArrayLike, what: str) -> Windows:
    """Return ``windows`` as an array of shape (n ≥ 1, dimension ≥ 1), not copied.

    Args:
        windows: embeddings.
        what: their name, for the message.

    Raises:
        DataError: another shape, or a value that is not finite.
    """
    x = windows if isinstance(windows, np.ndarray) else np.asarray(windows)
    if x.ndim != 2 or not x.size:
        raise DataError(f"the {what} has shape {x.shape}, must be (windows, dimension)")
    for start in range(0, len(x), 4096):
        if not np.isfinite(x[start : start + 4096]).all():
            raise DataError(f"the {what} holds a value that is not finite (NaN or infinity); embed it again")
    return x


def distance_blocks(a: Windows, b: Windows | None = None) -> Iterator[Block]:
    """Yield the squared Euclidean distances of the pairs of two sets, or of one; see `scaled_blocks`."""
    for block in scaled_blocks(a, b):
        np.maximum(block.values, 0.0, out=block.values)
        yield block


def scaled_blocks(
    a: Windows, b: Windows | None, scale: float = 1.0, precision: Precision = np.float64
) -> Iterator[Block]:
    """Yield squared Euclidean distances times ``scale``, in blocks; a true 0 may be a rounding error below 0.

    Within one set (``b`` None) every pair comes once: blocks below the diagonal are left out, and entries on or below
    the diagonal of the others are infinite (times ``scale``).

    Computed as |x|² + |y|² − 2xy about a common center: the sum loses the digits by which the windows are farther from
    zero than from each other. The squares are part of the product, as two more dimensions.

    Args:
        a: windows, shape (n, dimension).
        b: windows of the other set, shape (m, dimension), or None for the pairs within ``a``.
        scale: factor on the squared distances.
        precision: type that the products are computed in.
    """
    from scipy.linalg import blas

    gemm = blas.dgemm if precision is np.float64 else blas.sgemm
    other = a if b is None else b
    centre = mean_of(other)
    left = np.empty((min(ROWS, len(a)), a.shape[1] + 2), dtype=precision)
    right = np.empty((min(COLUMNS, len(other)), a.shape[1] + 2), dtype=precision)
    buffer = np.empty(len(left) * len(right), dtype=precision)
    for row in range(0, len(a), ROWS):
        part = _with_squares(a[row : row + ROWS], centre, left)
        part[:, :-2] *= -2
        for column in range(0 if b is not None else row, len(other), COLUMNS):
            y = _with_squares(other[column : column + COLUMNS], centre, right)
            y[:, -2:] = y[:, :-3:-1]
            x = part if b is not None else part[: column + len(y) - row]
            values = buffer[: len(x) * len(y)].reshape(len(x), len(y))
            gemm(scale, y.T, x.T, c=values.T, trans_a=True, overwrite_c=True)
            if b is None and column < row + len(x):
                values[np.tri(len(x), len(y), row - column, dtype=bool)] = scale * np.inf
            yield Block(row, column, values)


def _with_squares(windows: Windows, centre: Array, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Write windows about the center, each followed by its squared length and a 1."""
    x = out[: len(windows)]
    np.subtract(windows, centre, out=x[:, :-2], casting="same_kind")
    np.einsum("ij,ij->i", x[:, :-2], x[:, :-2], out=x[:, -2])
    x[:, -1] = 1
    return x


def of_one_label(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
    """Return which pairs of a block have one label, shape (rows, columns); None for none: most blocks, which then need
    no comparison.

    Args:
        rows, columns: label of each row and of each column.
    """
    return rows[:, np.newaxis] == columns if len(np.intersect1d(rows, columns)) else None


def sums_of_rows(block: npt.NDArray[Any], starts: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Compute the sums of consecutive rows, which begin at ``starts``, shape (starts, columns).

    As a sparse product, ten times faster than ``np.add.reduceat``, which adds number by number.

    Args:
        block: shape (rows, columns).
        starts: where each sum begins, ascending; the first is 0.
    """
    from scipy.sparse import csr_matrix

    ends = np.r_[starts, len(block)]
    ones = np.ones(len(block), dtype=block.dtype)
    result: npt.NDArray[Any] = csr_matrix((ones, np.arange(len(block)), ends), (len(starts), len(block))) @ block
    return result


def mean_of(windows: Windows) -> Array:
    """Compute the mean of windows in float64, shape (dimension,)."""
    total = np.zeros(windows.shape[1])
    for start in range(0, len(windows), 4096):
        total += np.asarray(windows[start : start + 4096], dtype=np.float64).sum(axis=0)
    return total / len(windows)
