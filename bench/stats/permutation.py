"""Permutation tests for pairs: what the statistic would be if the two of each pair were named the other way round."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def random_swaps(pairs: int, permutations: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which pairs change sides in each permutation, shape (permutations, pairs); every pair by a fair coin.

    Raises:
        ValueError: no pairs or no permutations.
    """
    if pairs < 1 or permutations < 1:
        raise ValueError(f"a permutation test needs pairs and permutations, got {pairs} and {permutations}")
    return rng.integers(0, 2, (permutations, pairs)).astype(bool)


def permutation_p(observed: float, permuted: npt.ArrayLike) -> float:
    """Two-sided p: the share of permutations at least as far from 0, the observed order among them.

    (1 + #{|permuted| ≥ |observed|}) / (1 + permutations), never 0, and valid at any number of permutations. What equals
    the observed value up to rounding counts as equal.

    Args:
        observed: the statistic as it was found.
        permuted: shape (permutations,), finite.

    Raises:
        ValueError: no permutations, or a value that is not finite.

    Source: Phipson and Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics and
    Molecular Biology 9 (2010).

    >>> permutation_p(3.0, [-3.0, 1.0, 2.0])
    0.5
    """
    values = np.asarray(permuted, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not (np.isfinite(values).all() and np.isfinite(observed)):
        raise ValueError(f"a permutation test needs finite values, got shape {values.shape}")
    as_far = np.abs(values) >= abs(observed) * (1 - 1e-10)
    return float((1 + np.count_nonzero(as_far)) / (1 + len(values)))
