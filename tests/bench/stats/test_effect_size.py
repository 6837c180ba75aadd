"""Effect sizes against published values, counting by hand, and independent tests."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from bench.stats import crossed_t_test
from bench.stats.effect_size import (
    equivalence,
    matched_rank_biserial,
    probability_of_superiority,
    standardised_difference,
)

differences = hnp.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(-3, 3))

# The example of pingouin's `wilcoxon`: W 20.5, RBC −0.378788.
BEFORE = [20, 22, 19, 20, 22, 18, 24, 20, 19, 24, 26, 13]
AFTER = [38, 37, 33, 29, 14, 12, 20, 22, 17, 25, 26, 16]


def test_rank_biserial_as_published() -> None:
    d = np.subtract(BEFORE, AFTER)
    assert matched_rank_biserial(d) == pytest.approx(-0.378788, abs=5e-7)
    # Kerby (2014): the difference between the share of favourable and of unfavourable evidence.
    assert matched_rank_biserial([5, 4, 3, 2, -1]) == pytest.approx((14 - 1) / 15)


@given(differences)
def test_laws_of_superiority_and_rank_biserial(d: np.ndarray) -> None:
    superiority, biserial = probability_of_superiority(d), matched_rank_biserial(d)
    assert superiority == pytest.approx(np.mean([1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in d.flat]))
    assert probability_of_superiority(-d) == pytest.approx(1 - superiority)
    assert matched_rank_biserial(-d) == pytest.approx(-biserial)
    assert -1 <= biserial <= 1
    # Only the order of the sizes counts.
    assert matched_rank_biserial(np.sign(d) * np.abs(d) ** 3) == pytest.approx(biserial)


def test_missing_cells_count_for_nothing() -> None:
    d = np.array([[1.0, np.nan, -1.0], [2.0, 0.0, np.nan]])
    assert probability_of_superiority(d) == pytest.approx(2.5 / 4)
    assert matched_rank_biserial(d) == matched_rank_biserial([1.0, -1.0, 2.0])
    assert standardised_difference(d, "cell") == pytest.approx(0.5 / np.std([1, -1, 2, 0], ddof=1))
    assert standardised_difference(d, "listener") == pytest.approx(0.5 / np.std([0, 1], ddof=1))
    assert standardised_difference(d, "prompt") == pytest.approx(np.mean([1.5, 0, -1]) / np.std([1.5, 0, -1], ddof=1))


def test_standardised_difference_is_t_without_the_number_of_units() -> None:
    d = np.random.default_rng(0).normal(0.5, 1, (6, 9))
    units: list[tuple[Literal["listener", "prompt", "cell"], np.ndarray]]
    units = [("listener", d.mean(axis=1)), ("prompt", d.mean(axis=0)), ("cell", d.ravel())]
    for unit, values in units:
        t = stats.ttest_1samp(values, 0).statistic
        assert standardised_difference(d, unit) == pytest.approx(t / len(values) ** 0.5)


@pytest.mark.parametrize(
    ("d", "unit", "sentence"),
    [([[1.0, 2.0]], "listener", "one listener"), ([[1.0, 2.0], [2.0, 1.0]], "listener", "listener .*equal")],
)
def test_without_spread_there_is_no_standardised_difference(d: list[list[float]], unit: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        standardised_difference(d, unit)  # type: ignore[arg-type]


def test_nothing_rated_is_no_effect_size() -> None:
    for effect_size in (probability_of_superiority, matched_rank_biserial):
        with pytest.raises(ValueError, match="finite differences"):
            effect_size([np.nan, np.nan])
    assert matched_rank_biserial([0.0, 0.0]) == 0


def test_equivalence_is_two_one_sided_t_tests() -> None:
    """Where the floor makes the crossed test a t-test on prompt means, TOST is that of the prompt means."""
    d = np.random.default_rng(3).normal(0.1, 0.5, (1, 12)) + np.array([[0.2, -0.2] * 6, [-0.2, 0.2] * 6])
    test, means = crossed_t_test(d), d.mean(axis=0)
    assert test.df == 11
    result = equivalence(test, 0.4)
    one_sided = [
        stats.ttest_1samp(means, bound, alternative=side).pvalue for bound, side in ((-0.4, "greater"), (0.4, "less"))
    ]
    assert result.p == pytest.approx(max(one_sided))
    assert (result.low, result.high) == pytest.approx(stats.ttest_1samp(means, 0).confidence_interval(0.9))


@given(st.floats(0.05, 3), st.floats(0.01, 0.2))
def test_equivalent_exactly_where_the_interval_lies_within_the_margin(margin: float, level: float) -> None:
    test = crossed_t_test(np.random.default_rng(5).normal(0.3, 1, (5, 12)))
    result = equivalence(test, margin, level)
    assert (result.p < level) == (-margin < result.low and result.high < margin)


def test_equivalence_wants_a_margin_and_an_interval() -> None:
    test = crossed_t_test(np.eye(3))
    for margin in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="margin"):
            equivalence(test, margin)
    with pytest.raises(ValueError, match="one-sided"):
        equivalence(test, 1.0, level=0.6)
    with pytest.raises(ValueError, match=r"values .*equal.*equivalence"):
        equivalence(crossed_t_test(np.ones((3, 3))), 1.0)
