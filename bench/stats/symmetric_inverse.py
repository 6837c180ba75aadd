"""The inverse of symmetric matrices, many times over, without what linear algebra in threads costs.

numpy's `inv` and `solve` start threads even for matrices of two rows. On a busy machine threads that wait for each
other make them fifty times as slow, which a fit of many small steps cannot afford; products and Cholesky factors of
small matrices start none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def inverse_and_logarithm(matrices: Array) -> tuple[Array, Array]:
    """Invert symmetric positive definite matrices, and give the logarithms of their determinants.

    Args:
        matrices: shape (…, n, n).

    Returns:
        The inverses, shape (…, n, n), and the logarithms, shape (…).

    Raises:
        numpy.linalg.LinAlgError: one is not positive definite.

    >>> inverse, logarithm = inverse_and_logarithm(np.array([[2.0, 0.0], [0.0, 8.0]]))
    >>> inverse.tolist(), round(float(np.exp(logarithm)), 6)
    ([[0.5, 0.0], [0.0, 0.125]], 16.0)
    """
    factors = np.linalg.cholesky(matrices)
    roots = _invert_lower(factors.reshape(-1, *factors.shape[-2:])).reshape(factors.shape)
    logarithms: Array = 2 * np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.swapaxes(roots, -1, -2) @ roots, logarithms


def _invert_lower(factors: Array) -> Array:
    """Inverses of lower triangular matrices, shape (count, n, n), by doubling the blocks that are inverted already."""
    count, n, _ = factors.shape
    size = 1 << (n - 1).bit_length()
    whole = np.broadcast_to(np.eye(size), (count, size, size)).copy()
    whole[:, :n, :n] = factors
    found = np.zeros_like(whole)
    diagonal = np.arange(size)
    found[:, diagonal, diagonal] = 1 / whole[:, diagonal, diagonal]
    step = 1
    while step < size:
        pairs = size // (2 * step)
        shape, block = (count, pairs, 2 * step, pairs, 2 * step), np.arange(pairs)
        given, made = whole.reshape(shape), found.reshape(shape)
        first = made[:, block, :step, block, :step]
        last = made[:, block, step:, block, step:]
        made[:, block, step:, block, :step] = -last @ given[:, block, step:, block, :step] @ first
        step *= 2
    return found[:, :n, :n]
