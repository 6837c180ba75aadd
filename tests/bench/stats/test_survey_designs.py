"""Designs of surveys, and the simulation of their tests: two of its cells, and how it goes on where it was stopped."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.stats.survey_designs import DESIGNS, Design, heard
from bench.stats.survey_model import TYPICAL, expected_difference, expected_rating, simulate_ratings


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = Path(__file__).parents[2] / "simulations" / "survey_designs.py"
    spec = spec_from_file_location("survey_designs_simulation", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("models", [2, 3])
def test_who_hears_what(design: Design, models: int) -> None:
    mask = heard(design, np.random.default_rng(0), models, 12, 36)
    assert mask.shape == (models, 12, 36)
    share = {"complete": 1, "most": 0.8, "third": 1 / 3}.get(design, 1 / models)
    assert mask.mean() == pytest.approx(share, abs=0.05)
    if design in ("latin square", "between listeners"):
        assert (mask.sum(axis=0) == 1).all()
        # Every model has as many listeners, and in a Latin square prompts, as every other.
        by_listener = mask.any(axis=2).sum(axis=1)
        assert set(by_listener) == ({12} if design == "latin square" else {12 // models})
        assert set(mask.any(axis=1).sum(axis=1)) == {36}


def test_an_unknown_design_is_named() -> None:
    with pytest.raises(ValueError, match="'half'"):
        heard("half", np.random.default_rng(0), 2, 3, 4)  # type: ignore[arg-type]


def test_the_long_run_mean_is_the_formulas() -> None:
    ratings = simulate_ratings(np.random.default_rng(0), 400, 10, 20, 0.4, TYPICAL)
    means = ratings.mean(axis=(1, 2, 3))
    assert means == pytest.approx([expected_rating(half, TYPICAL) for half in (-0.2, 0.2)], abs=0.03)
    assert np.diff(means)[0] == pytest.approx(expected_difference(0.4, TYPICAL), abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("design", "listeners", "variances"), [("third", 5, "typical"), ("latin square", 20, "strong")]
)
def test_size_and_coverage(simulation: ModuleType, design: Design, listeners: int, variances: str) -> None:
    """200 surveys: a rate of .05 has a standard error of .015. `make simulate` takes 2,000 of each of all cells."""
    cell = simulation.Cell(design, listeners, variances)
    counts = simulation.simulate(cell, 0) + simulation.simulate(cell, 1)
    assert (counts.surveys, counts.untested, counts.undecided) == (200, 0, 0)
    error = 2.5 * (0.05 * 0.95 / 200) ** 0.5
    assert counts.false / 200 <= 0.07 + error
    assert counts.covered / 200 >= 0.92 - error
    assert counts.means_covered / counts.means >= 0.90 - error
    # What the test of differences leaves out is worth something.
    assert counts.found > counts.before


def test_it_goes_on_where_it_was_stopped(simulation: ModuleType, tmp_path: Path) -> None:
    cell, other = simulation.CELLS[0], simulation.CELLS[1]
    path = tmp_path / "kept" / "chunks.jsonl"
    kept = simulation.Checkpoints(path)
    counts = simulation.simulate(cell, 0, surveys=5)
    kept.add(cell, 0, counts)
    kept.add(other, 0, counts)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"cell": "complete, 2 listeners, none", "chu')  # a kill in the middle of a line
    again = simulation.Checkpoints(path)
    assert again.done == kept.done
    again.add(cell, 1, simulation.simulate(cell, 1, surveys=5))
    assert simulation.Checkpoints(path).of(cell).surveys == 10
    # Equal chunks are equal surveys, whoever simulates them.
    assert simulation.simulate(cell, 0, surveys=5) == counts
    simulation.run((cell,), 200, 1, again)  # both chunks are there: nothing is left to do
    assert simulation.Checkpoints(path).of(cell).surveys == 10
    page = simulation.table({cell: again.of(cell)})
    assert page.splitlines()[-1].startswith("| complete | 2 | none | 10 |")


def test_broken_limits_are_told(simulation: ModuleType) -> None:
    def counts(false: int, covered: int) -> object:
        return simulation.Counts(surveys=1000, false=false, covered=covered)

    five, three = (simulation.Cell("third", listeners, "typical") for listeners in (5, 3))
    assert simulation.violations(five, counts(60, 950)) == []
    assert simulation.violations(five, counts(80, 950)) == ["size 0.080"]
    assert simulation.violations(three, counts(80, 950)) == []
    assert simulation.violations(five, counts(50, 990)) == ["coverage 0.990"]
    assert simulation.violations(simulation.Cell("third", 5, "none"), counts(50, 990)) == []
    assert simulation.violations(simulation.Cell("between listeners", 8, "typical"), counts(80, 910)) == [
        "coverage 0.910"
    ]
