"""Simulated surveys: what they are made of, the power they give, and the designs that follow from it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats

from bench.stats.planned_survey import Simulation
from bench.stats.power import cheapest_design, fewest_listeners, minimum_detectable, power_cell
from bench.stats.survey_model import (
    TYPICAL,
    OpinionVariances,
    Scale,
    expected_difference,
    simulate_differences,
    simulate_ratings,
)
from bench.stats.two_way import mean_squares

NOTHING = OpinionVariances(0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("listeners", "power"), [(3, 0.21), (5, 0.44), (10, 0.71), (20, 0.87), (30, 0.92)])
def test_power_by_listeners(listeners: int, power: float) -> None:
    """Reference: an independent simulation of 36 prompts, latent difference 0.4, five-point scale."""
    assert power_cell(listeners, 36, 0.4, Simulation(TYPICAL, seed=1)) == pytest.approx(power, abs=0.05)


@pytest.mark.parametrize(("prompts", "power"), [(6, 0.14), (12, 0.35), (36, 0.72), (72, 0.83)])
def test_power_by_prompts(prompts: int, power: float) -> None:
    assert power_cell(10, prompts, 0.4, Simulation(TYPICAL, seed=1)) == pytest.approx(power, abs=0.06)


def test_without_an_effect_power_is_the_size() -> None:
    assert 0.03 <= power_cell(5, 36, 0.0, Simulation(TYPICAL)) <= 0.07


def test_common_draws_make_power_rise_with_the_effect() -> None:
    powers = [power_cell(5, 12, effect, Simulation(TYPICAL, runs=500)) for effect in np.linspace(0, 1.5, 7)]
    assert powers == sorted(powers)
    assert power_cell(5, 12, 0.5, Simulation(TYPICAL, runs=500)) == power_cell(
        5, 12, 0.5, Simulation(TYPICAL, runs=500)
    )
    assert power_cell(5, 12, 0.5, Simulation(TYPICAL, runs=500)) != power_cell(
        5, 12, 0.5, Simulation(TYPICAL, runs=500, seed=1)
    )


def test_power_without_variances_is_all_or_nothing() -> None:
    assert power_cell(3, 4, 2.0, Simulation(NOTHING, runs=10)) == 0  # all differences equal: no interval, nothing found
    assert power_cell(3, 4, 2.0, Simulation(OpinionVariances(0, 0, 0, 0, 0.01), Scale(1, 1001), runs=10)) == 1


def test_it_goes_to_other_processes() -> None:
    function, arguments = pickle.loads(pickle.dumps((power_cell, (5, 6, 0.4, Simulation(TYPICAL, runs=200, seed=3)))))
    assert function(*arguments) == power_cell(5, 6, 0.4, Simulation(TYPICAL, runs=200, seed=3))


def test_the_minimum_detectable_difference_has_the_target_power() -> None:
    least = minimum_detectable(10, 36, Simulation(TYPICAL, seed=2))
    assert least is not None
    assert (
        power_cell(10, 36, least - 0.02, Simulation(TYPICAL, seed=2))
        < 0.8
        < power_cell(10, 36, least + 0.02, Simulation(TYPICAL, seed=2))
    )
    more = minimum_detectable(30, 36, Simulation(TYPICAL, seed=2))
    assert more is not None
    assert more < least
    assert minimum_detectable(2, 2, Simulation(TYPICAL, runs=300)) is None
    with pytest.raises(ValueError, match="target"):
        minimum_detectable(5, 6, Simulation(TYPICAL), target=0.01)


def test_the_fewest_listeners_reach_the_target_and_one_fewer_does_not() -> None:
    few = fewest_listeners(lambda n: power_cell(n, 36, 0.4, Simulation(TYPICAL, runs=1000)))
    assert few is not None
    assert (
        power_cell(few, 36, 0.4, Simulation(TYPICAL, runs=1000))
        >= 0.8
        > power_cell(few - 1, 36, 0.4, Simulation(TYPICAL, runs=1000))
    )
    # What six prompts are worth, no number of listeners can mend.
    assert fewest_listeners(lambda n: power_cell(n, 6, 0.4, Simulation(TYPICAL, runs=300))) is None


def test_the_cheapest_design() -> None:
    power = {(5, 36): 0.44, (10, 72): 0.83, (20, 36): 0.87, (14, 50): 0.81, (20, 35): 0.86}
    assert cheapest_design(power) == (20, 35, 0.86, 1400)  # as cheap as 14 × 50, and more powerful
    assert cheapest_design(power, per_listener=5) == (14, 50, 0.81, 1470)
    assert cheapest_design(power, per_listener=50) == (10, 72, 0.83, 1940)
    assert cheapest_design(power, per_rating=0, per_listener=1) == (10, 72, 0.83, 10)
    assert cheapest_design(power, target=0.9) is None
    assert cheapest_design({(4, 9): 0.85, (9, 4): 0.9}) == (9, 4, 0.9, 72)


@pytest.mark.parametrize(("listeners", "prompts", "runs"), [(1, 36, 10), (5, 1, 10), (5, 36, 0)])
def test_impossible_surveys_are_refused(listeners: int, prompts: int, runs: int) -> None:
    with pytest.raises(ValueError, match="needs"):
        power_cell(listeners, prompts, 0.4, Simulation(TYPICAL, runs=runs))


@pytest.mark.parametrize("scale", [Scale(1, 5), Scale(1, 10), Scale(0, 1)])
def test_ratings_are_steps_of_the_scale_and_average_to_what_is_expected(scale: Scale) -> None:
    a, b = simulate_ratings(np.random.default_rng(0), 4000, 3, 4, 0.6, TYPICAL, scale, centre=0.5)
    assert set(np.unique(a)) | set(np.unique(b)) == set(range(scale.low, scale.high + 1))
    standard_error = (b - a).mean(axis=(1, 2)).std() / 4000**0.5
    assert (b - a).mean() == pytest.approx(expected_difference(0.6, TYPICAL, scale, 0.5), abs=4 * standard_error)


def test_the_expected_difference_of_a_yes_or_no_question() -> None:
    total = sum(vars(TYPICAL).values()) ** 0.5
    assert expected_difference(0.6, TYPICAL, Scale(1, 2)) == pytest.approx(2 * stats.norm.cdf(0.3 / total) - 1)
    assert expected_difference(2.0, NOTHING, Scale(1, 5)) == 2


def test_the_variances_come_back_from_the_mean_squares() -> None:
    """On a fine scale whose ends are far: E(L) = M·2σ²(listener × model) + 2σ²(residual), and likewise for prompts."""
    variances, scale = OpinionVariances(0.02, 0.03, 0.01, 0.04, 0.02), Scale(1, 401)
    d = simulate_differences(np.random.default_rng(1), 4000, 6, 8, 0.1, variances, scale) * scale.step
    listener, prompt, residual = (float(square.mean()) for square in mean_squares(d))
    assert residual == pytest.approx(2 * 0.02, rel=0.02)
    assert (listener - residual) / 8 == pytest.approx(2 * 0.01, rel=0.05)
    assert (prompt - residual) / 6 == pytest.approx(2 * 0.04, rel=0.05)
    a, b = simulate_ratings(np.random.default_rng(2), 4000, 6, 8, 0.1, variances, scale)
    assert ((a - 201) * scale.step).var() == pytest.approx(0.12, rel=0.05)
    covariance = ((a - a.mean()) * (b - b.mean())).mean() * scale.step**2
    assert covariance == pytest.approx(0.05, rel=0.05)


def test_a_scale_needs_steps_and_variances_are_not_negative() -> None:
    with pytest.raises(ValueError, match="no steps"):
        power_cell(5, 6, 0.4, Simulation(TYPICAL, Scale(3, 3)))
    with pytest.raises(ValueError, match="at least 0"):
        OpinionVariances(0.1, 0.1, -0.1, 0.1, 0.1)


def test_the_draws_do_not_depend_on_the_effect() -> None:
    narrow = OpinionVariances(0.02, 0.03, 0.01, 0.04, 0.02)
    one, other = (
        simulate_differences(np.random.default_rng(4), 2, 3, 4, effect, narrow, Scale(1, 4001)) for effect in (0.0, 0.5)
    )
    np.testing.assert_allclose(other - one, 500, atol=1)
