"""The maximal mixed model against an independent one, closed forms, and simulated surveys with ratings missing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats import crossed_t_test
from bench.stats.crossed_f import crossed_f_test
from bench.stats.crossed_reml import Layout, fit
from bench.stats.maximal_model import MaximalModel, maximal_f_test, maximal_t_test
from bench.stats.satterthwaite import satterthwaite_df
from bench.stats.survey_model import NO_MODEL_VARIANCE, STRONG, TYPICAL, OpinionVariances, simulate_ratings
from bench.stats.symmetric_inverse import inverse_and_logarithm

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def survey(
    seed: int, models: int, listeners: int, prompts: int, variances: OpinionVariances = TYPICAL, filled: float = 1.0
) -> Array:
    """Ratings 1–5, a share of the cells of each model filled at random."""
    rng = np.random.default_rng(seed)
    pairs = [simulate_ratings(rng, 1, listeners, prompts, 0.4, variances)[:, 0] for _ in range((models + 1) // 2)]
    ratings = np.concatenate(pairs)[:models]
    return np.where(rng.random(ratings.shape) < filled, ratings, np.nan)


def peer(ratings: Array) -> tuple[Any, Any]:
    """The same model by mixedlm, an independent port of lme4, with its numerical Satterthwaite df."""
    import mixedlm
    import pandas as pd

    models, listeners, prompts = np.nonzero(~np.isnan(ratings))
    frame = pd.DataFrame(
        {
            "y": ratings[models, listeners, prompts],
            "model": [f"m{number}" for number in models],
            "listener": listeners.astype(str),
            "prompt": prompts.astype(str),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mixedlm.lmer("y ~ model + (1 + model|listener) + (1 + model|prompt)", frame)
        return found, mixedlm.satterthwaite_df(found).df


CASES = {
    "two models": (3, 2, 12, 12, STRONG, 0.8),
    "a third filled": (0, 2, 20, 36, STRONG, 1 / 3),
    "five listeners": (0, 2, 5, 36, TYPICAL, 1 / 3),
    "listeners singular": (0, 2, 20, 36, NO_MODEL_VARIANCE, 1 / 3),
    "both singular": (1, 2, 5, 36, NO_MODEL_VARIANCE, 1 / 3),
    "complete": (2, 2, 6, 10, TYPICAL, 1.0),
    "three models": (0, 3, 10, 12, STRONG, 0.5),
    "four models, singular": (6, 4, 6, 10, TYPICAL, 0.7),
}


@pytest.mark.parametrize("case", CASES)
def test_an_independent_mixed_model_finds_the_same(case: str) -> None:
    seed, models, listeners, prompts, variances, filled = CASES[case]
    ratings = survey(seed, models, listeners, prompts, variances, filled)
    theirs, df = peer(ratings)
    found = MaximalModel.of(ratings)
    assert found.solution is not None
    assert found.solution.deviance == pytest.approx(theirs.deviance, abs=1e-5)
    assert found.solution.residual**0.5 == pytest.approx(theirs.sigma, rel=1e-4)
    for other in range(1, models):
        test = found.difference(0, other)
        assert test.estimate == pytest.approx(theirs.beta[other], abs=1e-5)
        assert test.se == pytest.approx(np.asarray(theirs.vcov())[other, other] ** 0.5, rel=1e-4)
        assert test.df == pytest.approx(df[other], rel=2e-3)
        assert test.p == pytest.approx(2 * stats.t.sf(abs(test.t), test.df))
    assert min(np.linalg.eigvalsh(part)[0] for part in found.solution.covariances) == pytest.approx(
        0 if "singular" in case else 1, abs=1e-6 if "singular" in case else 1
    )


def test_the_likelihood_is_that_of_the_formula() -> None:
    ratings = survey(7, 2, 5, 6, STRONG, 0.7)
    present = ~np.isnan(ratings)
    fixed = np.broadcast_to(np.eye(2)[:, :, None, None], (2, *ratings.shape))
    found = fit(Layout.of(ratings, fixed))
    models, listeners, prompts = np.nonzero(present)
    y, x = ratings[present], np.eye(2)[models]
    listener, prompt = found.covariances
    covariance = (
        listener[np.ix_(models, models)] * np.equal.outer(listeners, listeners)
        + prompt[np.ix_(models, models)] * np.equal.outer(prompts, prompts)
        + found.residual * np.eye(len(y))
    )
    inverse = np.linalg.inv(covariance)
    within = x.T @ inverse @ x
    beta = np.linalg.solve(within, x.T @ inverse @ y)
    left = y - x @ beta
    deviance = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(within)[1] + left @ inverse @ left
    assert found.effects == pytest.approx(beta)
    assert found.covariance == pytest.approx(np.linalg.inv(within))
    assert found.deviance == pytest.approx(deviance + (len(y) - 2) * np.log(2 * np.pi))


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_complete_data_agree_with_the_crossed_test(seed: int) -> None:
    ratings = survey(seed, 2, 12, 20, STRONG)
    closed, fitted = crossed_t_test(ratings[1] - ratings[0]), maximal_t_test(*ratings)
    assert not closed.floored
    assert fitted.estimate == pytest.approx(closed.estimate)
    # The residual of the fit is that of sums of ratings, too, so that it is known a little better.
    assert (fitted.se, fitted.df) == (pytest.approx(closed.se, rel=0.03), pytest.approx(closed.df, rel=0.08))
    assert fitted.components == pytest.approx(closed.components, rel=0.25, abs=0.05)
    test, all_at_once = crossed_f_test(ratings), maximal_f_test(ratings)
    assert (all_at_once.f, all_at_once.df_error) == pytest.approx((fitted.t**2, fitted.df))
    assert all_at_once.p == pytest.approx(test.p, rel=0.3)


def test_without_listener_by_prompt_likings_complete_data_agree_exactly() -> None:
    """Sums and differences of the two models' ratings with one residual mean square: then both know it equally well."""
    rng = np.random.default_rng(2)
    rows, columns = rng.normal(size=(2, 8, 1)), rng.normal(size=(2, 1, 9))
    rest = rng.normal(size=(2, 8, 9))
    rest -= rest.mean(axis=1, keepdims=True)
    rest -= rest.mean(axis=2, keepdims=True)
    rest /= (rest**2).mean(axis=(1, 2), keepdims=True) ** 0.5
    sums, differences = (rest + rows + columns) + np.array([6.0, 1.0]).reshape(2, 1, 1)
    ratings = np.stack([sums - differences, sums + differences]) / 2
    closed, fitted = crossed_t_test(ratings[1] - ratings[0]), maximal_t_test(*ratings)
    assert not closed.floored
    assert (fitted.estimate, fitted.se) == pytest.approx((closed.estimate, closed.se), rel=1e-5)
    assert fitted.components == pytest.approx(closed.components, rel=1e-4)


def test_two_groups_of_listeners_and_prompts_are_two_independent_means() -> None:
    """No listener and no prompt in common: the variances of both means add up."""
    ratings = np.full((2, 14, 20), np.nan)
    whole = survey(3, 2, 14, 20, STRONG)
    ratings[0, :7, :10], ratings[1, 7:, 10:] = whole[0, :7, :10], whole[1, 7:, 10:]
    test = maximal_t_test(*ratings)
    assert test.estimate == pytest.approx(np.nanmean(ratings[1]) - np.nanmean(ratings[0]))
    assert (test.cells, test.missing) == (140, 140)
    alone = [crossed_t_test(part[~np.isnan(part).all(axis=1)][:, ~np.isnan(part).all(axis=0)]) for part in ratings]
    assert test.se == pytest.approx(np.hypot(alone[0].se, alone[1].se), rel=0.02)


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([0.4, 0.7, 1.0]), st.floats(0.1, 30), st.floats(-20, 20), st.booleans()
)
def test_units_sides_and_signs_do_not_matter(seed: int, filled: float, unit: float, shift: float, turn: bool) -> None:
    ratings = survey(seed, 2, 5, 8, STRONG, filled)
    try:
        test = maximal_t_test(*ratings)
    except ValueError as error:
        assert not isinstance(error, np.linalg.LinAlgError)
        return
    assert test.low < test.estimate < test.high
    assert test.df >= 1 and min(test.components) >= 0
    other = ratings.transpose(0, 2, 1) if turn else ratings
    moved = maximal_t_test(*(shift + unit * other[::-1]))
    assert moved.estimate == pytest.approx(-unit * test.estimate, rel=1e-3, abs=1e-4 * unit)
    assert (moved.se, moved.p) == (
        pytest.approx(unit * test.se, rel=1e-3),
        pytest.approx(test.p, rel=5e-3, abs=1e-4),
    )


def test_the_order_of_the_models_does_not_matter() -> None:
    ratings = survey(1, 4, 8, 12, STRONG, 0.7)
    assert maximal_f_test(ratings[[2, 0, 3, 1]]) == pytest.approx(maximal_f_test(ratings), rel=1e-4)


def test_a_covariate_takes_out_what_the_position_does() -> None:
    rng = np.random.default_rng(3)
    ratings = survey(3, 2, 10, 12, TYPICAL)
    first = rng.random((10, 12)) < 0.5
    position = np.stack([first, ~first]).astype(float)
    drifted = ratings - 0.7 * position
    plain, adjusted = maximal_t_test(*drifted), maximal_t_test(drifted[0], drifted[1], covariate=position)
    unmoved = maximal_t_test(ratings[0], ratings[1], covariate=position)
    assert (adjusted.estimate, adjusted.se, adjusted.df) == pytest.approx(
        (unmoved.estimate, unmoved.se, unmoved.df), rel=1e-3
    )
    assert adjusted.components.residual < plain.components.residual
    # Any unit and origin of the position is as good.
    assert maximal_t_test(drifted[0], drifted[1], covariate=3 + 10 * position).p == pytest.approx(adjusted.p, rel=1e-4)
    with pytest.raises(ValueError, match=r"covariate .*models"):
        maximal_t_test(drifted[0], drifted[1], covariate=np.stack([np.zeros((10, 12)), np.ones((10, 12))]))
    position[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"covariate .*rating"):
        maximal_t_test(drifted[0], drifted[1], covariate=position)


def test_equal_ratings_have_an_estimate_and_no_test() -> None:
    test = maximal_t_test(np.full((3, 4), 2.0), np.full((3, 4), 5.0))
    assert (test.estimate, test.se) == (3.0, 0.0)
    assert test.reason and np.isnan([test.p, test.low, test.df]).all()
    with pytest.raises(ValueError, match="equal"):
        maximal_f_test(np.ones((2, 3, 4)))


BETWEEN = np.full((2, 4, 6), np.nan)
BETWEEN[0, 0], BETWEEN[1, 1:] = 3.0, 4.0
FEW = np.full((2, 4, 4), np.nan)
FEW[0, [0, 1], [0, 1]] = FEW[1, [2, 3], [2, 3]] = [1.0, 2.0]
ADDITIVE = np.arange(5.0)[:, None] + np.array([0.0, 2.0, 5.0, 3.0]) + np.zeros((2, 1, 1))
ADDITIVE[1, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [
        (BETWEEN, "one listener"),
        (BETWEEN.transpose(0, 2, 1), "one prompt"),
        (np.stack([BETWEEN[0], np.full((4, 6), np.nan)]), "one listener"),
        (FEW, "4 ratings"),
        (ADDITIVE, "every rating"),
        (np.full((2, 1, 4), 1.0), r"\(2, 1, 4\)"),
        (np.array([[[1.0, np.inf], [2, 3]], [[1, 2], [2, 1]]]), "infinite"),
    ],
)
def test_what_cannot_be_claimed_is_said(ratings: Array, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        MaximalModel.of(ratings)


def test_a_contrast_that_is_certain_has_no_end_of_freedom() -> None:
    ratings = survey(1, 2, 8, 9, STRONG)
    found = MaximalModel.of(ratings).solution
    assert found is not None
    assert np.isinf(satterthwaite_df(found, np.zeros((1, 2)))).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3))
def test_inverses_of_any_size(seed: int, size: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(count, size, size))
    matrices = roots @ roots.transpose(0, 2, 1) + np.eye(size)
    inverse, logarithm = inverse_and_logarithm(matrices)
    assert inverse @ matrices == pytest.approx(np.broadcast_to(np.eye(size), matrices.shape), abs=1e-8)
    assert logarithm == pytest.approx(np.linalg.slogdet(matrices)[1])
    assert inverse_and_logarithm(matrices[0])[1] == pytest.approx(logarithm[0])
