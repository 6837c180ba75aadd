"""Strengths of votes against another optimizer, jackknives written out, and simulations with known marginal truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from bench.stats.davidson import fit_davidson, fit_half_wins
from bench.stats.vote_strengths import TieModel, VoteTable, vote_strengths


def random_votes(seed: int, models: int = 4, votes: int = 120, listeners: int = 6, prompts: int = 9) -> VoteTable:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, models, votes)
    second = (first + rng.integers(1, models, votes)) % models
    choice = rng.choice([-1.0, 0.0, 1.0], votes, p=[0.4, 0.2, 0.4])
    return VoteTable(first, second, choice, rng.integers(0, listeners, votes), rng.integers(0, prompts, votes), models)


def counts(votes: VoteTable) -> tuple[np.ndarray, np.ndarray]:
    wins, ties = np.zeros((2, votes.models, votes.models))
    for a, b, choice in zip(votes.first, votes.second, votes.choice, strict=True):
        if choice == 0:
            ties[a, b] += 1
            ties[b, a] += 1
        else:
            wins[(b, a) if choice > 0 else (a, b)] += 1
    return wins, ties


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_davidson_is_the_maximum_of_its_likelihood(seed: int) -> None:
    """scipy's optimizer on the likelihood as Davidson (1970) writes it, with π and ν."""
    wins, ties = counts(random_votes(seed))

    def minus_log_likelihood(free: np.ndarray) -> float:
        pi, nu = np.exp([*free[:-1], 0.0]), math.exp(free[-1])
        total = 0.0
        for i in range(4):
            for j in range(i + 1, 4):
                root = math.sqrt(pi[i] * pi[j])
                whole = pi[i] + pi[j] + nu * root
                total += wins[i, j] * math.log(pi[i] / whole) + wins[j, i] * math.log(pi[j] / whole)
                total += ties[i, j] * math.log(nu * root / whole)
        return -total

    best = minimize(minus_log_likelihood, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    abilities, log_nu, sparse = fit_davidson(wins[None], ties[None])
    assert not sparse[0] and log_nu[0] == pytest.approx(best[-1], abs=1e-5)
    assert (abilities[0] - abilities[0, 3])[:3] == pytest.approx(best[:3], abs=1e-5)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_half_wins_are_those_of_bradley_terry_and_names_do_not_matter(seed: int) -> None:
    votes = random_votes(seed)
    wins, ties = counts(votes)
    found = vote_strengths(votes)
    assert found.strengths == pytest.approx(fit_half_wins(wins[None], ties[None])[0][0], abs=1e-8)
    turned = VoteTable(votes.second, votes.first, -votes.choice, votes.listeners, votes.prompts, 4)
    other = vote_strengths(turned)
    assert other.low == pytest.approx(found.low, nan_ok=True) and other.p == pytest.approx(found.p, nan_ok=True)
    assert found.difference[1, 2] == pytest.approx(found.strengths[2] - found.strengths[1])


@pytest.mark.parametrize("ties", ["half wins", "Davidson"])
def test_the_variance_is_that_of_listeners_and_prompts_less_that_of_their_cells(ties: TieModel) -> None:
    """Every group left out by hand, and fitted from scratch."""
    votes = random_votes(5)

    def jackknife(groups: np.ndarray) -> float:
        values = []
        for group in np.unique(groups):
            wins, tied = (part[None] for part in counts(votes.of(np.flatnonzero(groups != group))))
            fit = fit_half_wins(wins, tied)[0] if ties == "half wins" else fit_davidson(wins, tied)[0]
            values.append(fit[0, 1] - fit[0, 0])
        return (len(values) - 1) / len(values) * float(((values - np.mean(values)) ** 2).sum())

    parts = [jackknife(g) for g in (votes.listeners, votes.prompts, votes.listeners * 100 + votes.prompts)]
    variance = max(parts[0] + parts[1] - parts[2], parts[0], parts[1])
    found = vote_strengths(votes, ties)
    from scipy.special import stdtrit

    reach = (found.difference_high[0, 1] - found.difference_low[0, 1]) / 2
    assert reach == pytest.approx(float(stdtrit(found.df[0, 1], 0.975)) * math.sqrt(variance), rel=1e-6)


def test_votes_with_prompts_of_their_own_are_as_sure_as_the_listeners() -> None:
    votes = random_votes(7)
    own = VoteTable(votes.first, votes.second, votes.choice, votes.listeners, np.arange(120), 4)
    found = vote_strengths(own)
    assert (found.df == 5).all() and found.prompts == 120 and found.reason == ""
    shares = np.bincount(votes.listeners)
    assert found.effective_listeners == pytest.approx(120**2 / (shares**2).sum())
    alone = vote_strengths(VoteTable(votes.first, votes.second, votes.choice, np.zeros(120, int), np.arange(120), 4))
    assert np.isnan(alone.low).all() and alone.reason


def test_what_has_no_strengths_is_refused() -> None:
    votes = random_votes(9)
    with pytest.raises(ValueError, match="common scale"):
        vote_strengths(
            VoteTable(np.array([0, 2]), np.array([1, 3]), np.array([1.0, 1]), np.zeros(2, int), np.zeros(2, int), 4)
        )
    decided = votes.of(np.flatnonzero(votes.choice != 0))
    with pytest.raises(ValueError, match="Davidson"):
        vote_strengths(decided, "Davidson")
    with pytest.raises(ValueError, match="different models"):
        VoteTable(np.array([1]), np.array([1]), np.array([1.0]), np.zeros(1, int), np.zeros(1, int), 2)


def test_a_model_that_never_wins_is_finite_and_said() -> None:
    votes = random_votes(3)
    losing = np.where(votes.first == 0, 1.0, np.where(votes.second == 0, -1.0, votes.choice))
    found = vote_strengths(VoteTable(votes.first, votes.second, losing, votes.listeners, votes.prompts, 4))
    assert found.strengths.argmin() == 0 and np.isfinite(found.low).all() and found.note


def test_listeners_who_differ_widen_the_interval() -> None:
    """Half of them always prefer the one, half the other: with 6 that is no evidence, however many the prompts."""
    listeners, prompts = np.repeat(np.arange(6), 50), np.tile(np.arange(50), 6)
    first = np.zeros(300, dtype=int)
    split, mixed = (
        vote_strengths(VoteTable(first, first + 1, np.where(second, 1.0, -1.0), listeners, prompts, 2))
        for second in (listeners < 3, np.random.default_rng(2).random(300) < 0.5)
    )
    widths = [found.difference_high[0, 1] - found.difference_low[0, 1] for found in (split, mixed)]
    assert widths[0] > 3 * widths[1] and split.p[0, 1] > 0.5
    assert split.difference_low[0, 1] == pytest.approx(-split.difference_high[1, 0])


def marginal_strengths(truth: np.ndarray, spread: float) -> np.ndarray:
    """Bradley–Terry strengths of votes by anybody on any prompt: of the expected wins, by Gauss–Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    gaps = truth[:, None] - truth[None, :]
    chance = (weights / weights.sum() / (1 + np.exp(-(gaps[..., None] + math.sqrt(2) * spread * nodes)))).sum(-1)
    wins = (chance * (1 - np.eye(len(truth))))[None]
    strengths: np.ndarray = fit_half_wins(wins, np.zeros_like(wins))[0][0]
    return strengths


def simulated(rng: np.random.Generator, listeners: int, prompts: int, share: float) -> VoteTable:
    """Tastes of listeners and of prompts of sd .7 for every model; the first listener gives that share of votes."""
    truth = np.array([-0.5, 0.0, 0.5])
    taste = rng.normal(0, 0.7, (listeners, 3))
    suits = rng.normal(0, 0.7, (prompts, 3))
    votes = 12 * listeners
    p = np.full(listeners, (1 - share) / (listeners - 1)) if share else np.full(listeners, 1 / listeners)
    if share:
        p[0] = share
    who = rng.choice(listeners, votes, p=p)
    what = rng.integers(0, prompts, votes)
    first = rng.integers(0, 3, votes)
    second = (first + rng.integers(1, 3, votes)) % 3
    merit = truth + taste[who] + suits[what]
    rows = np.arange(votes)
    chance = 1 / (1 + np.exp(merit[rows, first] - merit[rows, second]))
    choice = np.where(rng.random(votes) < chance, 1.0, -1.0)
    return VoteTable(first, second, choice, who, what, 3)


@pytest.mark.parametrize(("listeners", "prompts", "share"), [(20, 36, 0.0), (12, 36, 0.5), (5, 60, 0.0)])
def test_intervals_hold_the_marginal_strength(listeners: int, prompts: int, share: float) -> None:
    expected = marginal_strengths(np.array([-0.5, 0.0, 0.5]), math.hypot(0.7, 0.7))
    gap = expected[2] - expected[0]
    held, runs = 0, 200
    for run in range(runs):
        found = vote_strengths(simulated(np.random.default_rng([17, run]), listeners, prompts, share))
        held += bool(found.difference_low[0, 2] <= gap <= found.difference_high[0, 2])
    # ≥ 92 % at 200 runs, less two standard errors; ≥ 90 % where one listener gives half the votes.
    assert held / runs >= (0.90 if share else 0.92) - 2 * math.sqrt(0.08 * 0.92 / runs)


@pytest.mark.simulate
@pytest.mark.parametrize(
    ("listeners", "prompts", "share"),
    [(3, 36, 0.0), (5, 36, 0.0), (20, 36, 0.0), (12, 36, 0.5), (20, 36, 0.5), (20, 5000, 0.0), (20, 5000, 0.5)],
)
def test_coverage_in_2000_surveys(listeners: int, prompts: int, share: float) -> None:
    """As above; with 5,000 prompts nearly every vote has one of its own."""
    expected = marginal_strengths(np.array([-0.5, 0.0, 0.5]), math.hypot(0.7, 0.7))
    gap, held, runs = expected[2] - expected[0], 0, 2000
    for run in range(runs):
        found = vote_strengths(simulated(np.random.default_rng([23, run]), listeners, prompts, share))
        held += bool(found.difference_low[0, 2] <= gap <= found.difference_high[0, 2])
    print(f"{listeners} listeners, {prompts} prompts, largest share {share}: {held / runs:.3f}")
    assert held / runs >= (0.90 if share else 0.92) - 2 * math.sqrt(0.08 * 0.92 / runs)
