"""Power under Holm against figures of another simulation and closed forms; designs with missing cells, and votes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from bench.stats.holm_power import equivalence_power, holm_power, preferred_share, tie_threshold
from bench.stats.multiplicity import holm
from bench.stats.planned_survey import PlannedDesign, Simulation
from bench.stats.power import minimum_detectable, power_cell
from bench.stats.survey_model import NO_MODEL_VARIANCE, TYPICAL, OpinionVariances, Scale

RUNS = 1000


def planned(**design: object) -> Simulation:
    return Simulation(TYPICAL, runs=RUNS, design=PlannedDesign(**design))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def effect() -> float:
    """What a single test of 10 listeners on 36 prompts finds with a power of .80."""
    found = minimum_detectable(10, 36, Simulation(TYPICAL, runs=2000))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("scales", "differing", "correlation", "expected"),
    [
        (3, 1, 0.0, {"given": 0.63}),
        (18, 1, 0.0, {"given": 0.35}),
        (3, 3, 0.0, {"any": 0.95, "all": 0.49}),
        (3, 3, 0.7, {"any": 0.81, "all": 0.62}),
    ],
)
def test_power_under_holm(
    effect: float, scales: int, differing: int, correlation: float, expected: dict[str, float]
) -> None:
    """Another simulation of tests whose single power is .80 gave these."""
    found = holm_power(10, 36, effect, planned(scales=scales, differing=differing, correlation=correlation))
    for name, share in expected.items():
        assert getattr(found, name) == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / RUNS) + 0.01)


def test_one_test_is_the_plain_power_and_names_are_ordered() -> None:
    design = planned(models=3, scales=2, differing=2, correlation=0.5)
    found = holm_power(8, 12, 0.6, design)
    assert found.all <= found.given <= found.any
    assert (design.design.tests, design.design.true) == (6, 4)
    plain = power_cell(8, 12, 0.6, planned())
    assert plain == pytest.approx(power_cell(8, 12, 0.6, Simulation(TYPICAL, runs=RUNS)))


def test_the_adjustment_is_holms_also_with_tests_that_are_missing() -> None:
    from bench.stats.holm_power import _holm

    rng = np.random.default_rng(1)
    p = rng.random((50, 7)) ** 3
    p[rng.random(p.shape) < 0.2] = np.nan
    assert np.allclose(_holm(p), [holm(row) for row in p], equal_nan=True)


@pytest.mark.parametrize("cells", ["latin", "between", 0.4])
def test_missing_cells_keep_the_size_and_cost_power(cells: str | float) -> None:
    simulation = Simulation(TYPICAL, runs=60, design=PlannedDesign(cells=cells))  # type: ignore[arg-type]
    assert holm_power(8, 12, 0.0, simulation).given <= 0.15
    assert holm_power(8, 12, 0.8, simulation).given < power_cell(8, 12, 0.8, Simulation(TYPICAL, runs=300)) + 0.1


def test_votes_of_equals_tie_as_often_as_was_stated() -> None:
    rng = np.random.default_rng(2)
    variances = OpinionVariances(0.16, 0.16, 0.05, 0.16, 0.64)
    sd = np.sqrt(2 * (0.05 + 0.16 + 0.64))
    gaps = rng.normal(0, sd, 100_000)
    assert (np.abs(gaps) < tie_threshold(0.25, variances)).mean() == pytest.approx(0.25, abs=0.006)
    assert preferred_share(0.4, variances) == pytest.approx(norm.cdf(0.4 / sd))
    assert holm_power(10, 36, 0.0, planned(votes=True, ties=0.25)).given <= 0.075


def test_equivalence_is_shown_as_often_as_two_normal_tests_say() -> None:
    """So many listeners and prompts that the standard error is all but known, on a fine scale."""
    variances = OpinionVariances(0.01, 0.01, 0.02, 0.02, 0.1)
    simulation = Simulation(variances, Scale(0, 100), runs=RUNS)
    se = np.sqrt(2 * (0.02 / 60 + 0.02 / 60 + 0.1 / 3600)) * 25
    margin = 2.5 * se
    theory = 2 * norm.cdf(margin / se - norm.ppf(0.95)) - 1
    assert equivalence_power(60, 60, margin, simulation) == pytest.approx(theory, abs=0.05)
    assert equivalence_power(5, 6, 1e-6, Simulation(NO_MODEL_VARIANCE, runs=100)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": 1},
        {"scales": 2, "differing": 3},
        {"correlation": 1.0},
        {"cells": 1.5},
        {"votes": True, "cells": "latin"},
        {"ties": -0.1},
    ],
)
def test_impossible_designs_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"design|shares|votes"):
        PlannedDesign(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="listener"):
        holm_power(2, 6, 0.4, planned(models=3, cells="between"))
    for listeners, prompts in ((1, 6), (6, 1)):
        with pytest.raises(ValueError, match=f"{listeners} and {prompts}"):
            holm_power(listeners, prompts, 0.4, planned())
