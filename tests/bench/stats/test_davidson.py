"""Bradley and Terry's and Davidson's models against a published league, closed forms and other programs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.davidson import fit_davidson, fit_half_wins

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


def abilities(wins: object) -> tuple[np.ndarray, bool]:
    """Abilities of one table without ties, and whether half wins were added."""
    table = np.array(wins, dtype=float)[None]
    found, sparse = fit_half_wins(table, np.zeros_like(table))
    return found[0], bool(sparse[0])


def test_published_abilities_of_a_league() -> None:
    """Agresti's table 10.11, each team against Baltimore; to four digits the R package BradleyTerry2."""
    found, sparse = abilities(BASEBALL)
    assert (found - found[6]).round(2).tolist() == [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0]
    assert found[0] - found[6] == pytest.approx(1.5814, abs=5e-5)
    assert found.sum() == pytest.approx(0, abs=1e-12)
    assert not sparse


@given(st.integers(1, 500), st.integers(1, 500))
def test_two_models_are_the_log_odds(wins: int, losses: int) -> None:
    found, _ = abilities([[0, wins], [losses, 0]])
    assert found[0] - found[1] == pytest.approx(math.log(wins / losses), abs=1e-9)


def test_a_model_that_never_wins_is_finite_and_marked() -> None:
    found, sparse = abilities([[0, 0], [7, 0]])
    assert found[1] - found[0] == pytest.approx(math.log(7.5 / 0.5))
    assert sparse
    # Two models that beat the third, and one another: not everybody is beaten by everybody's victims.
    league, sparse = abilities([[0, 3, 5], [2, 0, 5], [0, 0, 0]])
    assert np.isfinite(league).all() and league.argmin() == 2 and sparse


@given(arrays(np.float64, (4, 4), elements=st.integers(0, 30)), st.integers(0, 2**32 - 1))
def test_wins_are_what_the_abilities_expect(wins: np.ndarray, seed: int) -> None:
    """The likelihood equations: each model's wins are the sum of its chances. And models may come in any order."""
    wins = wins * (1 - np.eye(4))
    found, sparse = abilities(wins)
    order = np.random.default_rng(seed).permutation(4)
    if sparse:
        wins = wins + 0.5 * (1 - np.eye(4))
    else:
        assert abilities(wins[np.ix_(order, order)])[0] == pytest.approx(found[order], abs=1e-6)
    chances = 1 / (1 + np.exp(found[None, :] - found[:, None]))  # [a, b]: a over b
    assert ((wins + wins.T) * chances).sum(axis=1) == pytest.approx(wins.sum(axis=1), abs=1e-6)


def test_abilities_against_the_package_choix() -> None:
    choix = pytest.importorskip("choix")
    theirs = choix.ilsr_pairwise_dense(np.array(BASEBALL, dtype=float))
    assert abilities(BASEBALL)[0] == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_a_tie_is_half_a_win_for_both() -> None:
    wins, ties = np.array([[[0.0, 3], [2, 0]]]), np.array([[[0.0, 4], [4, 0]]])
    assert fit_half_wins(wins, ties)[0][0] == pytest.approx(abilities([[0, 5], [4, 0]])[0], abs=1e-12)


def test_two_models_with_ties_in_closed_form() -> None:
    """With two models ability is log(wins/losses), and ν = ties/√(wins · losses)."""
    wins, ties = np.array([[[0.0, 30], [10, 0]]]), np.array([[[0.0, 8], [8, 0]]])
    abilities, log_nu, _ = fit_davidson(wins, ties)
    assert abilities[0, 0] - abilities[0, 1] == pytest.approx(math.log(3))
    assert math.exp(log_nu[0]) == pytest.approx(8 / math.sqrt(300))
    halves, _ = fit_half_wins(wins, ties)
    assert halves[0, 0] - halves[0, 1] == pytest.approx(math.log(34 / 14))
