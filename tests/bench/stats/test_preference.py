"""Preferences against closed forms, a published league, and simulated listeners; and the bootstrap they rest on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.bootstrap import Statistic, crossed_bootstrap
from bench.stats.crossed import crossed_t_test
from bench.stats.preference import bradley_terry, bradley_terry_bootstrap, preference_test, wins_of

# Agresti, *Categorical Data Analysis*, 2nd ed. (2002), table 10.10: games of the American League's Eastern Division in
# 1987. Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore; entry [i, j] is the wins of i over j.
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]


def answers(rng: np.random.Generator, abilities: np.ndarray, listeners: int, prompts: int) -> np.ndarray:
    """Signs [a, b, listener, prompt] of independent answers under Bradley–Terry."""
    k = len(abilities)
    signs = np.full((k, k, listeners, prompts), math.nan)
    for a in range(k):
        for b in range(a + 1, k):
            chance = 1 / (1 + math.exp(abilities[a] - abilities[b]))
            signs[a, b] = np.where(rng.random((listeners, prompts)) < chance, 1.0, -1.0)
    return signs


def test_published_abilities_of_a_league() -> None:
    """Agresti's table 10.11, each team against Baltimore; to four digits the R package BradleyTerry2."""
    found = bradley_terry(BASEBALL)
    assert found.differences[6].round(2).tolist() == [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0]
    assert found.differences[6, 0] == pytest.approx(1.5814, abs=5e-5)
    assert found.abilities.sum() == pytest.approx(0, abs=1e-12)
    assert found.note == ""


@given(st.integers(1, 500), st.integers(1, 500))
def test_two_models_are_the_log_odds(wins: int, losses: int) -> None:
    assert bradley_terry([[0, wins], [losses, 0]]).differences[1, 0] == pytest.approx(math.log(wins / losses), abs=1e-9)


def test_a_model_that_never_wins_is_finite_and_said() -> None:
    found = bradley_terry([[0, 0], [7, 0]])
    assert found.differences[0, 1] == pytest.approx(math.log(7.5 / 0.5))
    assert "half a win" in found.note
    # Two models that beat the third, and one another: not everybody is beaten by everybody's victims.
    league = bradley_terry([[0, 3, 5], [2, 0, 5], [0, 0, 0]])
    assert np.isfinite(league.abilities).all() and league.abilities.argmin() == 2 and league.note


@given(arrays(np.float64, (4, 4), elements=st.integers(0, 30)), st.integers(0, 2**32 - 1))
def test_wins_are_what_the_abilities_expect(wins: np.ndarray, seed: int) -> None:
    """The likelihood equations: each model's wins are the sum of its chances. And models may come in any order."""
    wins = wins * (1 - np.eye(4))
    try:
        found = bradley_terry(wins)
    except ValueError:
        return
    if found.note:
        wins = wins + 0.5 * (1 - np.eye(4))
    chances = 1 / (1 + np.exp(found.differences))  # [a, b]: a over b
    assert ((wins + wins.T) * chances).sum(axis=1) == pytest.approx(wins.sum(axis=1), abs=1e-6)
    order = np.random.default_rng(seed).permutation(4)
    if not found.note:
        assert bradley_terry(wins[np.ix_(order, order)]).abilities == pytest.approx(found.abilities[order], abs=1e-6)


def test_abilities_against_the_package_choix() -> None:
    choix = pytest.importorskip("choix")
    theirs = choix.ilsr_pairwise_dense(np.array(BASEBALL, dtype=float))
    assert bradley_terry(BASEBALL).abilities == pytest.approx(theirs - theirs.mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("wins", "said"),
    [
        ([[0]], r"\(1, 1\)"),
        ([[0, -1], [2, 0]], "counts"),
        ([[0, math.nan], [2, 0]], "counts"),
        ([[0, 0], [0, 0]], "common scale"),
        ([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 2], [0, 0, 3, 0]], "common scale"),
    ],
)
def test_what_has_no_abilities_says_why(wins: list[list[float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bradley_terry(wins)


def test_ties_are_half_a_win_for_both() -> None:
    signs = np.full((2, 2, 2, 2), math.nan)
    signs[0, 1] = [[1, 0], [-1, math.nan]]
    wins = wins_of(signs)
    assert wins.shape == (2, 2, 2, 2)
    assert wins[0, 0].tolist() == [[0, 0], [1, 0]]
    assert wins[0, 1].tolist() == [[0, 0.5], [0.5, 0]]
    assert wins[1, 0].tolist() == [[0, 1], [0, 0]]
    assert wins[1, 1].tolist() == [[0, 0], [0, 0]]
    turned = np.full_like(signs, math.nan)
    turned[1, 0] = -signs[0, 1]
    assert (wins_of(turned) == wins).all()
    with pytest.raises(ValueError, match="within −1 and 1"):
        wins_of(3 * signs)


def test_intervals_hold_the_true_abilities() -> None:
    """40 simulated surveys of 12 listeners × 20 prompts without effects of either, where the bootstrap is too wide."""
    truth = np.array([-0.6, 0.0, 0.6])
    rng = np.random.default_rng(1)
    held = [
        (found.low <= truth) & (truth <= found.high)
        for found in (bradley_terry_bootstrap(wins_of(answers(rng, truth, 12, 20)), 300) for _ in range(40))
    ]
    assert np.mean(held) >= 0.95


def test_listeners_who_differ_widen_the_interval() -> None:
    """Half of them always prefer the one, half the other: with 6 that is no evidence, however many the prompts."""
    signs = np.full((2, 2, 6, 50), math.nan)
    signs[0, 1] = np.where(np.arange(6) < 3, 1.0, -1.0)[:, None]
    split = bradley_terry_bootstrap(wins_of(signs))
    signs[0, 1] = np.where(np.random.default_rng(2).random((6, 50)) < 0.5, 1.0, -1.0)
    mixed = bradley_terry_bootstrap(wins_of(signs))
    assert split.difference_high[0, 1] - split.difference_low[0, 1] > 3 * (mixed.high[0] - mixed.low[0])
    assert split.difference_low[0, 1] == pytest.approx(-split.difference_high[1, 0])


def test_no_interval_has_a_reason() -> None:
    signs = np.full((2, 2, 1, 9), math.nan)
    signs[0, 1] = [[1, 1, -1, 1, 0, 1, 1, -1, 1]]
    alone = bradley_terry_bootstrap(wins_of(signs))
    assert "one listener" in alone.reason and np.isnan(alone.low).all()
    assert np.isfinite(alone.abilities).all()
    always = np.full((2, 2, 4, 9), math.nan)
    always[0, 1] = 1
    found = bradley_terry_bootstrap(wins_of(always))
    assert "every resample" in found.reason and found.note
    assert np.isnan(found.low).all() and np.isfinite(found.abilities).all()


def test_preference_is_the_crossed_t_on_signs() -> None:
    ratings = np.random.default_rng(4).normal(0.4, 1, (6, 12))
    signs = np.sign(ratings)
    assert preference_test(signs) == crossed_t_test(signs)
    assert (1 + preference_test(signs).estimate) / 2 == pytest.approx((signs > 0).mean())
    with pytest.raises(ValueError, match="the sign"):
        preference_test(2 * signs)


def weighted_mean(values: np.ndarray) -> Statistic:
    listeners, prompts = values.shape

    def statistic(of_listeners: np.ndarray, of_prompts: np.ndarray) -> np.ndarray:
        return ((of_listeners @ values) * of_prompts).sum(axis=1) / (listeners * prompts)

    return statistic


def test_resampling_repeats_whole_listeners_and_prompts() -> None:
    """Each row of counts adds up; the statistic of all-ones counts is the estimate; the seed decides."""
    seen = []

    def statistic(of_listeners: np.ndarray, of_prompts: np.ndarray) -> np.ndarray:
        seen.append((of_listeners, of_prompts))
        return of_listeners[:, 0] + of_prompts[:, 0]

    first = crossed_bootstrap(statistic, 4, 7, resamples=50, seed=3)
    assert first.estimate == 2
    assert (seen[1][0].sum(axis=1) == 4).all() and (seen[1][1].sum(axis=1) == 7).all()
    assert first == crossed_bootstrap(statistic, 4, 7, resamples=50, seed=3)
    assert (seen[1][0] != 1).any()
    crossed_bootstrap(statistic, 4, 7, resamples=50, seed=4)
    assert (seen[1][0] != seen[-1][0]).any()


def test_variance_is_owens() -> None:
    """Of pure listener effects it is that of their plain bootstrap mean; of pure noise up to three times too large."""
    rng = np.random.default_rng(8)
    listener = np.repeat(rng.normal(size=(10, 1)), 15, axis=1)
    spread = crossed_bootstrap(weighted_mean(listener), 10, 15, 4000)
    exact = listener[:, 0].std() / math.sqrt(10)
    assert (spread.high - spread.low) / (2 * 1.96) == pytest.approx(exact, rel=0.08)
    noise = rng.normal(size=(60, 60))
    wide = crossed_bootstrap(weighted_mean(noise), 60, 60, 4000)
    assert (wide.high - wide.low) / (2 * 1.96) == pytest.approx(math.sqrt(3) * noise.std() / 60, rel=0.08)


def test_coverage_of_the_bootstrap() -> None:
    """As promised: about nominal under typical variances, too low for few listeners who differ much."""

    def coverage(listeners: int, of_listener: float) -> float:
        rng, held = np.random.default_rng(1), 0
        for number in range(200):
            listener, prompt = rng.normal(size=(listeners, 1)), rng.normal(size=(1, 36))
            values = of_listener * listener + 0.3 * prompt + rng.normal(size=(listeners, 36))
            found = crossed_bootstrap(weighted_mean(values), listeners, 36, 300, seed=number)
            held += bool(found.low <= 0 <= found.high)
        return held / 200

    assert 0.92 <= coverage(20, 0.3) <= 0.99
    assert 0.80 <= coverage(5, 1.0) <= 0.92


def test_undefined_resamples_are_counted() -> None:
    def of_first_listener(of_listeners: np.ndarray, of_prompts: np.ndarray) -> np.ndarray:
        values = of_prompts[:, 0]
        rare = np.where(of_listeners[:, 0] > 0, values, math.nan)
        return np.stack([values, rare], axis=1)

    found = crossed_bootstrap(of_first_listener, 5, 6)
    assert found.undefined[0] == 0 and np.isfinite([found.low[0], found.high[0]]).all()
    assert found.undefined[1] == pytest.approx((4 / 5) ** 5, abs=0.04)
    assert np.isnan([found.low[1], found.high[1]]).all() and found.estimate[1] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((1, 5), "one listener"), ((5, 1), "one prompt"), ((5, 5, 0), "resamples"), ((5, 5, 10, 1.0), "confidence")],
)
def test_impossible_bootstraps_are_refused(arguments: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crossed_bootstrap(lambda a, b: a[:, 0] + b[:, 0], *arguments)
