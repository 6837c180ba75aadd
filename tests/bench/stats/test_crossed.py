"""The crossed t-test against published R output, an independent mixed model, closed forms, and simulated surveys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import bench.stats
from bench.stats import crossed_mean, crossed_t_test
from bench.stats.crossed import crossed_p
from bench.stats.survey_model import (
    NO_MODEL_VARIANCE,
    STRONG,
    TYPICAL,
    OpinionVariances,
    Scale,
    expected_difference,
    simulate_differences,
)

# Diameters (mm) of 6 penicillin samples on 24 plates: Davies and Goldsmith, *Statistical Methods in Research and
# Production*, 4th ed. (1972), table 6.6; the data set "Penicillin" of R's lme4.
PENICILLIN = """
    272326232321 272326232321 252125242420 262325232320 252226222320 242225232219 242023212219 262226242421
    242124222220 242124232219 262326242421 252226242420 262426242522 262326232320 262325242422 252225232320
    252124232320 252224232319 242123212119 262326242421 252124222218 252225222220 242124222419 242124222118
"""
plates = np.array([[int(row[i : i + 2]) for i in range(0, 12, 2)] for row in PENICILLIN.split()], dtype=float)

layouts = hnp.arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(2, 6)), elements=st.integers(-4, 4)).filter(
    lambda x: np.ptp(x) > 0
)


def t_against_0(values: np.ndarray) -> tuple[float, float]:
    result = stats.ttest_1samp(values, 0)
    return float(result.statistic), float(result.pvalue)


def test_penicillin_as_published() -> None:
    """lme4: ``lmer(diameter ~ 1 + (1|plate) + (1|sample), Penicillin)``.

    Bates, *lme4: Mixed-effects modeling with R* (2010), §2.1: estimate 22.9722, standard error 0.8086, t 28.41,
    variances 0.7169 (plate), 3.7309 (sample), 0.3024 (residual).
    """
    test = crossed_t_test(plates)
    assert (test.method, test.floored, test.listeners, test.prompts) == ("crossed t", False, 24, 6)
    assert test.estimate == pytest.approx(22.9722, abs=5e-5)
    assert test.se == pytest.approx(0.8086, abs=5e-5)
    assert test.t == pytest.approx(28.41, abs=5e-3)
    assert test.components == pytest.approx((0.7169, 3.7309, 0.3024), abs=5e-5)


@pytest.mark.filterwarnings("ignore:Grouping factor")
def test_without_the_floor_it_is_lmertest() -> None:
    mixedlm, pandas = pytest.importorskip("mixedlm"), pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    simulated = [
        rng.normal(size=(n, 1)) * 0.7 + rng.normal(size=(1, m)) * 0.7 + rng.normal(0.3, 1, (n, m))
        for n, m in ((5, 36), (20, 12), (3, 9))
    ]
    for x in (plates, *simulated):
        rows, columns = np.indices(x.shape)
        frame = pandas.DataFrame(
            {"y": x.ravel(), "row": rows.ravel().astype(str), "column": columns.ravel().astype(str)}
        )
        fit = mixedlm.lmer("y ~ 1 + (1|row) + (1|column)", frame)
        estimate, t, p = mixedlm.pvalues_with_ddf(fit, "Satterthwaite")["(Intercept)"]
        df = mixedlm.satterthwaite_df(fit).df[0]
        test = crossed_t_test(x)
        assert not test.floored
        assert (test.estimate, test.se, test.df, test.p) == pytest.approx((estimate, estimate / t, df, p), rel=5e-5)


def test_satterthwaites_formula_by_hand() -> None:
    x = 2 + np.array([[-1.0], [0.0], [1.0]]) + np.array([-1.0, -1.0, 1.0, 1.0])
    x += 0.5 * np.array([[1, -1, 1, -1], [-1, 1, -1, 1], [0, 0, 0, 0]])
    test = crossed_t_test(x)  # sums of squares 8, 12 and 2 on 2, 3 and 6 degrees of freedom
    L, I, E = 4, 4, 1 / 3  # noqa: E741, the names of the formula
    assert not test.floored
    assert test.estimate == pytest.approx(2)
    assert test.se**2 == pytest.approx((L + I - E) / 12)
    assert test.df == pytest.approx((L + I - E) ** 2 / (L**2 / 2 + I**2 / 3 + E**2 / 6))
    assert test.components == pytest.approx(((L - E) / 4, (I - E) / 3, E))
    assert (test.high - test.low) / 2 == pytest.approx(stats.t.ppf(0.975, test.df) * test.se)


def test_where_the_floor_binds_it_is_the_t_test_on_means() -> None:
    rng = np.random.default_rng(4)
    found = set()
    for x in rng.normal(0.4, 1, (40, 4, 7)):
        test = crossed_t_test(x)
        if test.floored:
            on_means = [t_against_0(x.mean(axis=1)), t_against_0(x.mean(axis=0))]
            wider = int(abs(on_means[1][0]) < abs(on_means[0][0]))
            assert (test.t, test.p) == pytest.approx(on_means[wider])
            assert test.df == (3, 6)[wider]
            found.add(wider)
    assert found == {0, 1}


def test_equal_means_leave_the_residual() -> None:
    test = crossed_t_test([[2.0, 0.0], [0.0, 2.0]])
    assert (test.estimate, test.se, test.df, test.floored) == (1.0, 1.0, 1.0, True)
    assert test.p == pytest.approx(0.5)


@given(layouts, st.floats(0.1, 10), st.floats(-10, 10))
def test_units_signs_and_sides_do_not_matter(x: np.ndarray, unit: float, shift: float) -> None:
    test, turned = crossed_t_test(x), crossed_t_test(-unit * x.T)
    assert (turned.t, turned.df, turned.p) == pytest.approx((-test.t, test.df, test.p), rel=1e-6, abs=1e-9)
    moved = crossed_t_test(x + shift)
    assert (moved.estimate, moved.se, moved.df) == pytest.approx((test.estimate + shift, test.se, test.df), rel=1e-6)


@given(layouts)
def test_the_variance_is_never_below_either_floor(x: np.ndarray) -> None:
    test = crossed_t_test(x)
    for means in (x.mean(axis=1), x.mean(axis=0)):
        assert test.se**2 >= means.var(ddof=1) / len(means) * (1 - 1e-9)
    assert test.df >= 1
    assert test.low < test.estimate < test.high
    assert min(test.components) >= 0
    assert crossed_p(x) == pytest.approx(test.p)


def test_all_differences_equal_is_an_estimate_without_interval() -> None:
    test = crossed_t_test(np.full((4, 3), 0.1))
    assert (test.estimate, test.se) == (pytest.approx(0.1), 0.0)
    assert "equal" in test.reason
    assert np.isnan([test.t, test.p, test.df, test.low, test.high]).all()
    assert np.isnan(crossed_p(np.full((4, 3), 0.1)))


def test_empty_rows_and_columns_are_left_out_and_counted() -> None:
    x = np.full((5, 9), np.nan)
    x[:4, :6] = np.random.default_rng(1).normal(size=(4, 6))
    test, without = crossed_t_test(x), crossed_t_test(x[:4, :6])
    assert (test.dropped_listeners, test.dropped_prompts, test.missing, test.cells) == (1, 3, 0, 24)
    assert (test.t, test.df, test.method) == (without.t, without.df, "crossed t")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([[1.0, 2.0, 3.0]], "one listener"),
        ([[1.0], [2.0]], "one prompt"),
        ([[1.0, np.nan], [np.nan, np.nan]], "one listener"),
        ([[np.nan, np.nan]], "no listener"),
        ([[1.0, np.inf], [0.0, 1.0]], "infinite"),
        ([1.0, 2.0], "shape"),
        ([[1.0, 2.0], [2.0, np.nan]], "too few"),
    ],
)
def test_what_cannot_be_claimed_is_said(values: list[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        crossed_t_test(values)


def test_the_confidence_is_a_share() -> None:
    assert crossed_mean(plates, 0.99).low < crossed_mean(plates, 0.9).low
    with pytest.raises(ValueError, match=r"\b0 and 1\b.*\b95\b"):
        crossed_mean(plates, 95)


def test_it_is_found_where_scripts_look_for_it() -> None:
    assert bench.stats.crossed_t_test is crossed_t_test


@pytest.mark.parametrize("listeners", [5, 20])
@pytest.mark.parametrize("variances", [NO_MODEL_VARIANCE, TYPICAL, STRONG], ids=["none", "typical", "strong"])
def test_false_positives_and_coverage(variances: OpinionVariances, listeners: int) -> None:
    """4,000 surveys of 36 prompts: a rate of .05 has a standard error of .0034.

    Without any model variance the floor makes the test cautious, which is its price: intervals may cover up to 98.5 %.
    """
    null = simulate_differences(np.random.default_rng(1), 4000, listeners, 36, 0.0, variances)
    rate = float((crossed_p(null) < 0.05).mean())
    better = simulate_differences(np.random.default_rng(2), 4000, listeners, 36, 0.4, variances)
    covered = float((crossed_p(better - expected_difference(0.4, variances)) >= 0.05).mean())
    assert rate <= 0.07
    if variances is NO_MODEL_VARIANCE:
        assert 0.92 <= covered <= 0.985
    else:
        assert rate >= 0.03
        assert 0.92 <= covered <= 0.97


@pytest.mark.parametrize(
    ("scale", "centre"), [(Scale(0, 1), 0.0), (Scale(1, 10), 0.0), (Scale(1, 5), 1.5)], ids=["binary", "ten", "ceiling"]
)
@pytest.mark.parametrize("listeners", [5, 20])
def test_other_scales_and_ceilings_keep_the_size(scale: Scale, centre: float, listeners: int) -> None:
    null = simulate_differences(np.random.default_rng(3), 4000, listeners, 36, 0.0, TYPICAL, scale, centre)
    assert 0.03 <= float((crossed_p(null) < 0.05).mean()) <= 0.07


@pytest.mark.parametrize(
    ("listeners", "prompts", "most"), [(2, 36, 0.13), (3, 36, 0.09), (2, 2, 0.07), (5, 6, 0.07), (10, 4, 0.07)]
)
def test_how_far_small_surveys_keep_the_size(listeners: int, prompts: int, most: float) -> None:
    for variances in (NO_MODEL_VARIANCE, TYPICAL, STRONG):
        null = simulate_differences(np.random.default_rng(5), 4000, listeners, prompts, 0.0, variances)
        assert float((crossed_p(null) < 0.05).mean()) <= most
