"""Permutation tests against SciPy's and against all swaps there are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from bench.stats import permutation_p, random_swaps


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
    for observed, permuted in ((1.0, []), (np.nan, [1.0]), (1.0, [np.inf])):
        with pytest.raises(ValueError, match="permutation"):
            permutation_p(observed, permuted)
