"""Permutation tests against SciPy's and against all swaps there are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from bench.stats import all_swaps, permutation_p, random_swaps, smallest_p
from bench.stats.multiplicity import holm
from bench.stats.permutation import EXACT


def test_p_agrees_with_scipys_paired_test() -> None:
    differences = np.random.default_rng(3).normal(0.45, 1, 30)
    swaps = random_swaps(30, 9999, np.random.default_rng(1))
    p = permutation_p(differences.mean(), (np.where(swaps, -1, 1) * differences).mean(axis=1))
    theirs = stats.permutation_test(
        (differences, np.zeros(30)),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        random_state=2,
    )
    assert 0.005 < p < 0.3
    assert p == pytest.approx(theirs.pvalue, abs=0.015)


def test_p_of_all_swaps_is_the_exact_one() -> None:
    differences = np.array([1.0, 2.0, 3.0])
    signs = np.array(list(product([1, -1], repeat=3)))[1:]
    assert permutation_p(differences.mean(), (signs * differences).mean(axis=1)) == 2 / 8


@pytest.mark.parametrize("pairs", [2, 4, 9])
def test_half_of_all_swaps_give_the_p_of_all(pairs: int) -> None:
    """Of a statistic that is no mean: the difference of two medians, squared with its sign."""
    values = np.random.default_rng(pairs).normal([[0.0], [0.8]], 1, (2, pairs))

    def statistic(swapped: np.ndarray) -> float:
        a, b = np.where(swapped, values[::-1], values)
        apart = np.median(b) - np.median(a)
        return float(apart * abs(apart))

    everything = [statistic(np.array(swapped)) for swapped in product([False, True], repeat=pairs)]
    exact = np.mean(np.abs(everything) >= abs(everything[0]) * (1 - 1e-10))
    assert permutation_p(everything[0], [statistic(swapped) for swapped in all_swaps(pairs)]) == exact
    assert exact >= smallest_p(pairs)


def test_all_swaps_are_there_once_without_their_opposites() -> None:
    swaps = all_swaps(EXACT)
    assert swaps.shape == (2 ** (EXACT - 1) - 1, EXACT)
    both = {tuple(row) for row in swaps} | {tuple(row) for row in ~swaps}
    assert len(both) == 2**EXACT - 2 and (False,) * EXACT not in both


def test_the_smallest_p_is_that_of_the_largest_difference() -> None:
    for pairs in (2, 4, EXACT):
        apart = np.where(all_swaps(pairs), -1, 1).sum(axis=1)
        assert permutation_p(pairs, apart) == smallest_p(pairs) == 2 / 2**pairs
    assert permutation_p(30.0, np.zeros(999)) == smallest_p(30, 999) == 0.001
    # Eleven models make 55 pairs, which 999 permutations can never tell apart.
    assert holm([smallest_p(36)] * 55).max() < 0.05 < holm([smallest_p(36, 999)] * 55).min()


def test_rounding_does_not_make_equals_differ() -> None:
    assert permutation_p(0.3, [0.1 + 0.2, -(0.1 + 0.2), 0.3 - 1e-15]) == 1


def test_swaps_are_fair_and_named_by_their_seed() -> None:
    swaps = random_swaps(7, 20_000, np.random.default_rng(5))
    np.testing.assert_allclose(swaps.mean(axis=0), 0.5, atol=4 * 0.5 / np.sqrt(20_000))
    assert abs(np.corrcoef(swaps[:, 0], swaps[:, 1])[0, 1]) < 0.03
    assert (swaps == random_swaps(7, 20_000, np.random.default_rng(5))).all()


def test_what_cannot_be_tested_is_refused() -> None:
    rng = np.random.default_rng(0)
    for pairs, permutations in ((0, 9), (9, 0)):
        with pytest.raises(ValueError, match="permutation"):
            random_swaps(pairs, permutations, rng)
    for pairs in (1, EXACT + 1):
        with pytest.raises(ValueError, match="all swaps"):
            all_swaps(pairs)
    for observed, permuted in ((1.0, []), (np.nan, [1.0]), (1.0, [np.inf])):
        with pytest.raises(ValueError, match="permutation"):
            permutation_p(observed, permuted)
