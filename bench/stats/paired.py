"""Two models on the same prompts: the mean difference, its interval, a test by sign flips, and what it could find.

The unit is the prompt. Under the null hypothesis the two values of a prompt are exchangeable, so every difference might
as well have had the other sign; the test asks how many of those signs give a mean as far from 0 as the one found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.stats.permutation import EXACT, PERMUTATIONS

Array = npt.NDArray[np.float64]

_SAME = 1e-12  # of Σ|d|: rounding makes equal sums differ by less
_TESTS, _SIGNS = 256, 2048  # at a time, so that memory stays within some 20 MB
_ROWS = (
    256  # of random signs at a time; of a multiple of 4 rows the generator draws whole words, as of all rows at once
)


class PairedTest(NamedTuple):
    """The mean of differences with its interval and test.

    Attributes:
        estimate: the mean.
        low, high: Student's 95 % interval; NaN for one difference, which says nothing of its spread.
        p: two-sided, as `sign_flip_p` returns it.
        n: how many differences.
        df: n − 1.
        se: standard error of the mean; 0 where all differences are equal, NaN for one.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int
    df: float
    se: float


def sign_flips(n: int, permutations: int, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Return signs of n differences, one column a permutation: all 2ⁿ for n ≤ 13, otherwise random ones.

    The random signs of one row do not depend on how many rows follow it.

    Args:
        n: differences, ≥ 1.
        permutations: how many random ones, ≥ 1.
        rng: where they are drawn from; not used for n ≤ 13.

    Returns:
        −1 or 1, shape (n, 2ⁿ) or (n, permutations).

    Raises:
        ValueError: no differences or no permutations.

    >>> sign_flips(2, 9999, np.random.default_rng(0)).tolist()
    [[1, -1, 1, -1], [1, 1, -1, -1]]
    """
    if n < 1 or permutations < 1:
        raise ValueError(f"sign flips need differences and permutations, got {n} and {permutations}")
    if n > EXACT:
        return _random_signs(n, permutations, rng)
    bits = np.arange(2**n) >> np.arange(n)[:, np.newaxis] & 1
    signs: npt.NDArray[np.int8] = 1 - 2 * bits.astype(np.int8)
    return signs


def _random_signs(rows: int, permutations: int, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Return signs of further differences; after a multiple of 4 rows, those of the next rows follow."""
    coins = rng.integers(0, 256, (rows, -(-permutations // 8)), dtype=np.uint8)
    signs: npt.NDArray[np.int8] = 1 - 2 * np.unpackbits(coins, axis=1)[:, :permutations].view(np.int8)
    return signs


def sign_flip_p(differences: npt.ArrayLike, permutations: int = PERMUTATIONS, seed: int = 0) -> Array:
    """Return two-sided p of each row's mean, by flipping the signs of whole rows' entries.

    Exact where 13 differences or fewer are not 0: the share of all signs whose |mean| is at least the one found.
    Otherwise (1 + those of the random signs) / (1 + permutations), so that p is never 0. Signs are given to |d| in
    descending order: p does not depend on the order of the differences, nor on which model is B.

    Normal differences that a t-test finds with a power of .80 are found as often from 10 on (.79); fewer have too few
    values of p: .63 with 6, .76 with 7, .78 with 8.

    Args:
        differences: B − A, shape (tests, n), n ≥ 1, finite. A difference of 0 has no sign, so shorter rows may be
            filled up with zeros.
        permutations: random ones, ≥ 1.
        seed: of ``numpy.random.default_rng``; all tests share its signs.

    Returns:
        Shape (tests,), in (0, 1].

    Raises:
        ValueError: no differences, or one that is not finite.

    Source: Fisher, *The Design of Experiments* (1935), §21; Phipson and Smyth, "Permutation p-values should never be
    zero", Statistical Applications in Genetics and Molecular Biology 9 (2010). Of differences that are −1, 0 and 1 it
    is McNemar's exact test.

    >>> sign_flip_p([[1.0, 2.0, 3.0], [3.0, -1.0, 0.0]]).tolist()
    [0.25, 1.0]
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 2 or not d.shape[1] or not np.isfinite(d).all():
        raise ValueError(f"a sign-flip test needs rows of finite differences, got shape {d.shape}")
    sizes = -np.sort(-np.abs(d), axis=1)
    # fsum: the same sum in whatever order the prompts come.
    found = np.array([abs(math.fsum(row)) for row in d]) - _SAME * sizes.sum(axis=1)
    signed = np.count_nonzero(sizes, axis=1)
    p = np.empty(len(d))
    order = np.argsort(signed, kind="stable")
    edge = int(np.searchsorted(signed[order], EXACT, side="right"))
    for first, last in ((0, edge), (edge, len(d))):
        for start in range(first, last, _TESTS):
            tests = order[start : min(start + _TESTS, last)]
            n = max(1, int(signed[tests[-1]]))
            rng = np.random.default_rng(seed)
            if n <= EXACT:
                signs = sign_flips(n, permutations, rng)
                p[tests] = _as_far(sizes[tests, :n], found[tests], signs) / signs.shape[1]
            else:
                # All signs hold the observed ones; random ones do not, and get them beside.
                as_far = _as_far_at_random(sizes[tests, :n], found[tests], permutations, rng)
                p[tests] = (1 + as_far) / (1 + permutations)
    return p


def _as_far(sizes: Array, found: Array, signs: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Return how many columns of signs take each row's sum as far from 0 as was found."""
    count = np.zeros(len(sizes), dtype=np.int64)
    for start in range(0, signs.shape[1], _SIGNS):
        sums = sizes @ signs[:, start : start + _SIGNS].astype(np.float64)
        count += (np.abs(sums) >= found[:, np.newaxis]).sum(axis=1)
    return count


def _as_far_at_random(sizes: Array, found: Array, permutations: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Compute `_as_far` with the random signs of `sign_flips`, a few rows at a time."""
    sums = np.zeros((len(sizes), permutations))
    for start in range(0, sizes.shape[1], _ROWS):
        rows = sizes[:, start : start + _ROWS]
        sums += rows @ _random_signs(rows.shape[1], permutations, rng).astype(np.float64)
    count: npt.NDArray[np.int64] = np.count_nonzero(np.abs(sums) >= found[:, np.newaxis], axis=1)
    return count


def paired_test(differences: npt.ArrayLike) -> PairedTest:
    """Return mean difference with Student's 95 % interval and the p of `sign_flip_p`.

    Args:
        differences: B − A, one for each prompt, shape (n,), n ≥ 1, finite.

    Raises:
        ValueError: no differences, or one that is not finite.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908), for the interval.

    >>> test = paired_test([1.0, 2.0, 3.0, 4.0])
    >>> test.estimate, test.p, round(test.low, 3), round(test.high, 3)
    (2.5, 0.125, 0.446, 4.554)
    """
    return paired_tests([np.atleast_1d(np.asarray(differences, dtype=np.float64))])[0]


def paired_tests(batch: Sequence[Array]) -> list[PairedTest]:
    """Compute `paired_test` of many rows of differences.

    Args:
        batch: rows of finite differences, each of shape (n,), n ≥ 1; n may differ.

    Returns:
        A result a row, in order.

    Raises:
        ValueError: as `paired_test`.
    """
    from scipy.special import stdtrit

    if not batch:
        return []
    sizes = np.array([len(row) for row in batch])
    if any(row.ndim != 1 for row in batch) or not sizes.all():
        raise ValueError("a paired test needs a row of at least one difference")
    filled = np.zeros((len(batch), sizes.max()))
    for place, row in enumerate(batch):
        filled[place, : len(row)] = row
    p = sign_flip_p(filled)
    df = sizes - 1.0
    reach = stdtrit(np.maximum(df, 1), 0.975)
    tests = []
    for place, row in enumerate(batch):
        n = len(row)
        mean = math.fsum(row) / n
        se = math.nan
        if n > 1:
            # Equal differences have no spread, whatever rounding made of them.
            same = float(np.ptp(row)) <= _SAME * float(np.abs(row).max())
            se = 0.0 if same else float(row.std(ddof=1)) / math.sqrt(n)
        wide = float(reach[place]) * se
        tests.append(PairedTest(mean, mean - wide, mean + wide, float(p[place]), n, float(df[place]), se))
    return tests
