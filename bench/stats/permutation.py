"""Permutation tests for pairs: the distribution of a statistic when the two of each pair are swapped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

EXACT = 13
"""Up to this many pairs, all swaps are tried."""
PERMUTATIONS = 9999
"""Random ones of more pairs, so that p can be small enough for Holm's adjustment over hundreds of tests."""


def random_swaps(pairs: int, permutations: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return which pairs change sides in each permutation, shape (permutations, pairs); every pair by a fair coin.

    Raises:
        ValueError: no pairs or no permutations.
    """
    if pairs < 1 or permutations < 1:
        raise ValueError(f"a permutation test needs pairs and permutations, got {pairs} and {permutations}")
    return rng.integers(0, 2, (permutations, pairs)).astype(bool)


def all_swaps(pairs: int) -> npt.NDArray[np.bool_]:
    """Return which pairs change sides, in all ways that matter but the observed one, shape (2^(pairs−1) − 1, pairs).

    A statistic that only changes its sign when every pair changes sides, as a difference does, has one size in a way
    and in its opposite; so the last pair stays. With these, `permutation_p` is exact.

    Raises:
        ValueError: fewer than 2 pairs, or more than 13.

    >>> all_swaps(3).astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [1, 1, 0]]
    """
    if not 2 <= pairs <= EXACT:
        raise ValueError(f"all swaps are tried of 2 to {EXACT} pairs, got {pairs}")
    numbers = np.arange(1, 2 ** (pairs - 1))[:, np.newaxis]
    swaps: npt.NDArray[np.bool_] = (numbers >> np.arange(pairs) & 1).astype(bool)
    return swaps


def smallest_p(pairs: int, permutations: int = PERMUTATIONS) -> float:
    """Return the smallest p of a two-sided test of n pairs: 2/2ⁿ up to 13, where all swaps are tried.

    Args:
        pairs: ≥ 0; without any, p is 1.
        permutations: random ones where there are more pairs.

    >>> smallest_p(4), smallest_p(36, 999)
    (0.125, 0.001)
    """
    return min(1.0, 2.0 / 2.0**pairs) if pairs <= EXACT else 1 / (1 + permutations)


def permutation_p(observed: float, permuted: npt.ArrayLike) -> float:
    """Return two-sided p: the share of permutations at least as far from 0, the observed order among them.

    (1 + #{|permuted| ≥ |observed|}) / (1 + permutations), never 0, and valid at any number of permutations; exact for
    those of `all_swaps`. What equals the observed value up to rounding counts as equal.

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
