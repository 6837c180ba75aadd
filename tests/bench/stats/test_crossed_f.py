"""The tests of all models at once: against the analysis of variance by hand, the crossed t, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f as f_distribution

from bench.stats import crossed_t_test
from bench.stats.crossed_f import crossed_f_test
from bench.stats.maximal_model import maximal_f_test


def survey(
    rng: np.random.Generator, models: int, listeners: int, prompts: int, uneven: bool = False
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Equally good models, rated 1–5; listeners and prompts disagree about some models more where ``uneven``."""
    spread = (np.linspace(0.3, 1.7, models) if uneven else np.ones(models))[:, None, None]
    opinion = 3 + rng.normal(0, 0.5, (1, listeners, 1)) + rng.normal(0, 0.5, (1, 1, prompts))
    opinion = opinion + rng.normal(0, 0.35, (models, listeners, 1)) * spread
    opinion = opinion + rng.normal(0, 0.45, (models, 1, prompts)) * spread
    return np.clip(np.round(opinion + rng.normal(0, 0.8, (models, listeners, prompts))), 1, 5)


@pytest.mark.parametrize("seed", range(6))
def test_two_models_give_the_square_of_the_crossed_t(seed: int) -> None:
    ratings = survey(np.random.default_rng(seed), 2, 6, 9)
    test, t = crossed_f_test(ratings), crossed_t_test(ratings[1] - ratings[0])
    assert (test.f, test.df_error, test.p) == pytest.approx((t.t**2, t.df, t.p))
    assert test.df_models == 1


def test_quasi_f_by_sums_of_squares() -> None:
    ratings = survey(np.random.default_rng(3), 4, 20, 15)
    k, n, m = ratings.shape
    grand = ratings.mean()

    def effect(*axes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return ratings.mean(axis=tuple(axis for axis in range(3) if axis not in axes), keepdims=True)

    a, al, ap, l, p, lp = effect(0), effect(0, 1), effect(0, 2), effect(1), effect(2), effect(1, 2)  # noqa: E741
    ms_a = n * m * ((a - grand) ** 2).sum() / (k - 1)
    ms_al = m * ((al - a - l + grand) ** 2).sum() / ((k - 1) * (n - 1))
    ms_ap = n * ((ap - a - p + grand) ** 2).sum() / ((k - 1) * (m - 1))
    rest = ratings - al - ap - lp + a + l + p - grand
    ms_e = (rest**2).sum() / ((k - 1) * (n - 1) * (m - 1))
    assert ms_al + ms_ap - ms_e > max(ms_al, ms_ap)
    test = crossed_f_test(ratings)
    assert test.f == pytest.approx(ms_a / (ms_al + ms_ap - ms_e))
    assert test.df_models == pytest.approx(test.sphericity * (k - 1))
    assert test.p == pytest.approx(f_distribution.sf(test.f, test.df_models, test.df_error))


def test_naming_the_models_in_another_order_changes_nothing() -> None:
    ratings = survey(np.random.default_rng(5), 4, 7, 8)
    assert crossed_f_test(ratings[[2, 0, 3, 1]]) == pytest.approx(crossed_f_test(ratings))
    assert crossed_f_test(10 - 2 * ratings) == pytest.approx(crossed_f_test(ratings))


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("listeners", [5, 20])
def test_false_positives(listeners: int, uneven: bool) -> None:
    rng = np.random.default_rng(8)
    rate = np.mean([crossed_f_test(survey(rng, 3, listeners, 36, uneven)).p < 0.05 for _ in range(2000)])
    assert 0.03 <= rate <= 0.07


def test_a_clear_difference_is_found() -> None:
    ratings = survey(np.random.default_rng(1), 3, 10, 20)
    ratings[2] += 1.5
    assert crossed_f_test(ratings).p < 0.001
    assert maximal_f_test(np.where(np.random.default_rng(2).random(ratings.shape) < 0.1, np.nan, ratings)).p < 0.001


def test_maximal_model_agrees_on_complete_data() -> None:
    ratings = survey(np.random.default_rng(10), 2, 12, 20)
    closed, fitted = crossed_f_test(ratings), maximal_f_test(ratings)
    assert fitted.f == pytest.approx(closed.f, rel=0.02)
    assert fitted.df_error == pytest.approx(closed.df_error, rel=0.05)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        (np.ones((3, 4)), r"\(3, 4\)"),
        (np.ones((2, 1, 4)), r"\(2, 1, 4\)"),
        (np.ones((2, 3, 4)), "same differences"),
        (np.full((2, 3, 4), np.nan), "missing"),
        (np.full((2, 3, 4), np.inf), "infinite"),
    ],
)
def test_what_cannot_be_tested_is_said(
    ratings: np.ndarray[tuple[int, ...], np.dtype[np.float64]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        crossed_f_test(ratings)
    with pytest.raises(ValueError, match=r"two models|ratings .*equal|only one|no prompt|no listener|infinite"):
        maximal_f_test(ratings)
