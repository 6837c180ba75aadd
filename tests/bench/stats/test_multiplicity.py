"""Adjusted p-values against R's, against published decisions, and against the procedures they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.multiplicity import benjamini_hochberg, holm, holm_confidence

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)

# R's multtest::mt.rawp2adjp, as recorded in statsmodels' stats/tests/test_multi.py: raw p, Holm, BH.
MULTTEST = np.array(
    [
        [5.23656777208e-05, 5.23656777208e-04, 5.23656777208e-04],
        [2.8140506198e-04, 2.53264555782e-03, 1.4070253099e-03],
        [1.49877310796e-02, 1.199018486368e-01, 4.995910359867e-02],
        [2.02732688798e-02, 1.419128821586e-01, 5.06831721995e-02],
        [1.77096952723e-01, 1.0, 3.541939054460e-01],
        [6.42193923795e-01, 1.0, 8.95336727975e-01],
        [6.80845947633e-01, 1.0, 8.95336727975e-01],
        [7.16269382380e-01, 1.0, 8.95336727975e-01],
        [8.38541367553e-01, 1.0, 9.31712630614e-01],
        [9.67833824309e-01, 1.0, 9.67833824309e-01],
    ]
)
# Benjamini and Hochberg (1995), §4.1: 15 comparisons of treatments for myocardial infarction.
INFARCTION = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
]


def test_as_r_has_it_in_any_order() -> None:
    order = np.random.default_rng(0).permutation(len(MULTTEST))
    raw, by_holm, by_bh = MULTTEST[order].T
    np.testing.assert_allclose(holm(raw), by_holm, rtol=1e-11)
    np.testing.assert_allclose(benjamini_hochberg(raw), by_bh, rtol=1e-11)


def test_ties_and_steps_as_r_has_them() -> None:
    raw = [0.001, 0.002, 0.003, 0.004, 0.005, 0.05, 0.06, 0.07, 0.08, 0.09]
    np.testing.assert_allclose(holm(raw), [0.01, 0.018, 0.024, 0.028, 0.03, 0.25, 0.25, 0.25, 0.25, 0.25])
    expected = [0.01] * 5 + [0.05 / 0.6, 0.06 / 0.7, 0.07 / 0.8, 0.08 / 0.9, 0.09]
    np.testing.assert_allclose(benjamini_hochberg(raw), expected)


def test_the_published_number_of_discoveries() -> None:
    assert (benjamini_hochberg(INFARCTION) <= 0.05).sum() == 4
    assert (holm(INFARCTION) <= 0.05).sum() == 3


@given(p_values, st.floats(0.01, 0.2))
def test_adjusted_values_decide_as_the_procedures_do(raw: list[float], level: float) -> None:
    n, ascending = len(raw), np.sort(raw)
    down = 0
    while down < n and ascending[down] * (n - down) <= level:
        down += 1
    up = max((i + 1 for i in range(n) if ascending[i] * n / (i + 1) <= level), default=0)
    assert (holm(raw) <= level).sum() == down
    assert (benjamini_hochberg(raw) <= level).sum() == up


@given(p_values, st.floats(0.01, 0.2))
def test_an_interval_leaves_out_what_its_test_rejects(raw: list[float], level: float) -> None:
    """An interval of confidence c leaves out the tested value where p ≤ 1 − c."""
    confidence = holm_confidence(raw, level)
    clear = np.abs(holm(raw) - level) > 1e-9
    assert ((np.asarray(raw) <= 1 - confidence) == (holm(raw) <= level))[clear].all()
    n = len(raw)
    assert (confidence >= 1 - level - 1e-12).all()
    assert (confidence <= 1 - level / n + 1e-12).all()


def test_the_confidence_of_each_step() -> None:
    found = holm_confidence([0.2, 0.001, float("nan"), 0.02, 0.03])
    assert found.tolist() == pytest.approx(
        [1 - 0.05 / 3, 1 - 0.05 / 4, np.nan, 1 - 0.05 / 3, 1 - 0.05 / 3], nan_ok=True
    )
    assert holm_confidence([0.002, 0.001]).tolist() == pytest.approx([0.95, 0.975])


@given(p_values)
def test_order_and_bounds(raw: list[float]) -> None:
    by_holm, by_bh = holm(raw), benjamini_hochberg(raw)
    order = np.argsort(raw, kind="stable")
    assert (np.diff(by_holm[order]) >= 0).all()
    assert (np.diff(by_bh[order]) >= 0).all()
    # Rounding: n·p/n need not be p.
    assert (np.asarray(raw) <= by_bh * (1 + 1e-12)).all()
    assert (by_bh <= by_holm * (1 + 1e-12)).all()
    assert by_holm.max() <= 1


def test_what_was_not_tested_counts_for_nothing() -> None:
    for adjust in (holm, benjamini_hochberg):
        with_gaps = adjust([np.nan, 0.01, np.nan, 0.04])
        np.testing.assert_array_equal(with_gaps, [np.nan, *adjust([0.01, 0.04])[:1], np.nan, *adjust([0.01, 0.04])[1:]])
        assert np.isnan(adjust([np.nan])).all()
        assert adjust([]).shape == (0,)


@pytest.mark.parametrize("raw", [[1.2], [-0.1, 0.5], [[0.1]]])
def test_what_is_no_p_value_is_refused(raw: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm(raw)
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg(raw)


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_a_level_outside_its_range_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=str(level)):
        holm_confidence([0.01, 0.2], level)


def test_statsmodels_agrees() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    raw = np.random.default_rng(1).uniform(0, 0.2, 40)
    np.testing.assert_allclose(holm(raw), multitest.multipletests(raw, method="holm")[1])
    np.testing.assert_allclose(benjamini_hochberg(raw), multitest.multipletests(raw, method="fdr_bh")[1])
