"""The customary tests are what they are called, and as wrong as is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.customary import (
    customary_p,
    false_positive_rates,
    intercepts_only,
    paired_t,
    wilcoxon_exact,
    wilcoxon_pratt,
)
from bench.stats.survey_model import NO_MODEL_VARIANCE, STRONG, TYPICAL, OpinionVariances, simulate_ratings

POOLED, PAIRED, LISTENERS, PROMPTS, INTERCEPTS, CROSSED = (
    "Wilcoxon over all ratings",
    "paired t over all ratings",
    "t on listener means",
    "t on prompt means",
    "mixed model, intercepts only",
    "crossed t",
)


def test_wilcoxon_with_zeros_and_ties_as_published() -> None:
    """SciPy's reference for Pratt's zeros (stats/tests/test_morestats.py, test_accuracy_wilcoxon); R's coin agrees."""
    d = np.repeat(np.arange(-4.0, 5.0), [1, 4, 16, 15, 8, 4, 5, 1, 2])
    assert wilcoxon_pratt(d[None])[0] == pytest.approx(0.0031724568006762576, rel=1e-9)


def test_wilcoxon_without_zeros_as_r_has_it() -> None:
    """R: ``wilcox.test(x, y, paired=TRUE, exact=FALSE, correct=FALSE)``, recorded in the same place."""
    x = np.array([120, 114, 181, 188, 180, 146, 121, 191, 132, 113, 127, 112])
    y = np.array([133, 143, 119, 189, 112, 199, 198, 113, 115, 121, 142, 187])
    assert wilcoxon_pratt((x - y)[None].astype(float))[0] == pytest.approx(0.6948866023724735, rel=1e-9)


def test_many_surveys_at_once_are_each_scipys() -> None:
    d = np.random.default_rng(0).integers(-3, 4, (20, 15)).astype(float)
    for row, p, t in zip(d, wilcoxon_pratt(d), paired_t(d), strict=True):
        assert p == pytest.approx(
            stats.wilcoxon(row, zero_method="pratt", correction=False, method="asymptotic").pvalue
        )
        assert t == pytest.approx(stats.ttest_1samp(row, 0).pvalue)
    exact = np.random.default_rng(1).normal(0.3, 1, (20, 9))
    for row, p in zip(exact, wilcoxon_exact(exact), strict=True):
        assert p == pytest.approx(stats.wilcoxon(row, method="exact").pvalue)


def test_five_listeners_who_all_agree_cannot_reach_the_level() -> None:
    assert wilcoxon_exact(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]))[0] == 2 / 32


@pytest.mark.filterwarnings("ignore:Grouping factor")
def test_intercepts_only_is_that_mixed_model() -> None:
    import mixedlm
    import pandas as pd

    a, b = simulate_ratings(np.random.default_rng(3), 1, 12, 20, 0.3, TYPICAL)
    rows, columns = (index.ravel().astype(str) for index in np.indices(a[0].shape))
    frame = pd.DataFrame(
        {
            "rating": np.concatenate([a.ravel(), b.ravel()]),
            "model": np.repeat([0.0, 1.0], a.size),
            "listener": np.tile(rows, 2),
            "prompt": np.tile(columns, 2),
        }
    )
    fit = mixedlm.lmer("rating ~ model + (1|listener) + (1|prompt)", frame)
    _, _, p = mixedlm.pvalues_with_ddf(fit, "Satterthwaite")["model"]
    assert intercepts_only(a, b)[0] == pytest.approx(p, rel=1e-4)


@pytest.mark.parametrize(
    ("variances", "listeners", "known"),
    [
        (TYPICAL, 5, {POOLED: 0.29, PAIRED: 0.29, LISTENERS: 0.07, PROMPTS: 0.15, INTERCEPTS: 0.28, CROSSED: 0.046}),
        (TYPICAL, 20, {POOLED: 0.44, PAIRED: 0.42, LISTENERS: 0.20, PROMPTS: 0.09, INTERCEPTS: 0.42, CROSSED: 0.049}),
        (NO_MODEL_VARIANCE, 5, dict.fromkeys((POOLED, PAIRED, PROMPTS), 0.05) | {LISTENERS: 0.06, CROSSED: 0.029}),
        (NO_MODEL_VARIANCE, 20, dict.fromkeys((POOLED, PAIRED, LISTENERS, PROMPTS), 0.05) | {CROSSED: 0.029}),
        (STRONG, 5, {POOLED: 0.49, PAIRED: 0.48, LISTENERS: 0.06, PROMPTS: 0.38, CROSSED: 0.06}),
        (STRONG, 20, {POOLED: 0.55, PAIRED: 0.55, LISTENERS: 0.10, PROMPTS: 0.20, CROSSED: 0.051}),
    ],
)
def test_false_positive_rates_are_as_known(
    variances: OpinionVariances, listeners: int, known: dict[str, float]
) -> None:
    """Reference: an independent simulation study of 36 prompts, 2,000 surveys a case."""
    rates = false_positive_rates(np.ones((listeners, 36), dtype=bool), variances, seed=2)
    assert {name: rates[name] for name in known} == pytest.approx(known, abs=0.05)
    assert rates[CROSSED] <= 0.07
    if listeners == 5:
        assert rates["Wilcoxon on listener means"] == 0


def test_missing_cells_are_simulated_as_they_are() -> None:
    present = np.ones((5, 12), dtype=bool)
    present[0, :6] = present[3, 9] = False
    rates = false_positive_rates(present, TYPICAL, runs=500)
    assert CROSSED not in rates
    assert rates[PAIRED] > 0.1
    assert rates == false_positive_rates(present, TYPICAL, runs=500)


def test_one_survey_with_holes() -> None:
    a, b = simulate_ratings(np.random.default_rng(1), 1, 6, 10, 0.5, TYPICAL)[:, 0]
    a[0, 0] = b[1, 1] = b[5] = np.nan
    p = customary_p(a, b)
    d = (b - a)[:5]
    assert p[PAIRED] == pytest.approx(stats.ttest_1samp(d[~np.isnan(d)], 0).pvalue)
    assert p[LISTENERS] == pytest.approx(stats.ttest_1samp(np.nanmean(d, axis=1), 0).pvalue)
    assert p[PROMPTS] == pytest.approx(stats.ttest_1samp(np.nanmean(d, axis=0), 0).pvalue)
    assert all(0 <= value <= 1 for value in p.values())


def test_equal_ratings_show_nothing() -> None:
    same = np.full((3, 4), 2.0)
    assert set(customary_p(same, same).values()) == {1.0}


def test_a_comparison_of_tests_needs_a_survey() -> None:
    with pytest.raises(ValueError, match="2 listeners"):
        customary_p([[1.0, 2.0]], [[2.0, 3.0]])
    with pytest.raises(ValueError, match="2 listeners"):
        false_positive_rates(np.array([[True, True], [False, False]]), TYPICAL)
