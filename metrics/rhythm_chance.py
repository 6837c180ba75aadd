"""How near random onsets lie to a grid that is fitted to them.

A grid with a free phase and a tempo free within ±4 % finds some order in any onsets: the more the fewer they
are, and the more the longer they last. The tables hold the mean over random onsets; ``python -m
metrics.rhythm_chance`` prints them anew.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metrics.notes.grid import fit_grid

STRAIGHT, TRIPLET = 4, 6
"""Lines in a quarter note: sixteenths, and sixteenth triplets (which hold swung eighths at either octave of
the tempo)."""

DRAWS = 400
ONSETS = (16, 24, 36, 54, 80, 120, 180, 270, 400, 600)
LINES = (10, 20, 40, 80, 160, 320, 640)

Table = npt.NDArray[np.float64]


def random_onsets(onsets: int, span: float, draw: int) -> npt.NDArray[np.float64]:
    """The ``draw``-th set of that many onsets: one at 0, one at ``span``, the others uniform between;
    ascending."""
    generator = np.random.default_rng([onsets, round(span), draw])
    return np.sort(np.concatenate([[0.0, span], generator.uniform(0, span, onsets - 2)]))


def simulate_deviation(onsets: int, lines: int, draws: int = DRAWS) -> float:
    """Mean distance from the fitted grid, in steps between lines, of random onsets that span ``lines``
    steps."""
    fits = [fit_grid(random_onsets(onsets, lines, draw), 1.0, 1).deviation for draw in range(draws)]
    return float(np.mean(fits))


def simulate_smaller_ratio(onsets: int, lines: int, draws: int = DRAWS) -> float:
    """Mean of the smaller value/chance of a straight and a triplet grid, over onsets that span ``lines``
    sixteenths."""
    quarters = lines / STRAIGHT
    ratios = [
        [
            fit_grid(random_onsets(onsets, quarters, draw), 1.0, grid).deviation
            / chance_deviation(onsets, quarters, grid)
            for grid in (STRAIGHT, TRIPLET)
        ]
        for draw in range(draws)
    ]
    return float(np.min(ratios, axis=1).mean())


def chance_deviation(onsets: int, quarters: float, lines: int) -> float:
    """Mean distance of random onsets from a fitted grid, as a share of a quarter note.

    Args:
        onsets: how many, ≥ 1; counts outside 16–600 are taken as the nearest of them.
        quarters: quarter notes from the first onset to the last, ≥ 0.
        lines: grid lines in a quarter note.
    """
    return _interpolated(_DEVIATION, onsets, quarters * lines) / lines


def chance_smaller_ratio(onsets: int, quarters: float) -> float:
    """Mean of the smaller value/chance of a straight and a triplet grid; arguments as for
    `chance_deviation`."""
    return _interpolated(_SMALLER_RATIO, onsets, quarters * STRAIGHT)


def _interpolated(table: Table, onsets: int, lines: float) -> float:
    # Straight lines over the logarithms of both; outside the table its edge.
    by_onsets = [np.interp(np.log(max(lines, 1)), np.log(LINES), row) for row in table]
    return float(np.interp(np.log(onsets), np.log(ONSETS), by_onsets))


# Rows: ONSETS; columns: LINES.
_DEVIATION: Table = np.array([])
_SMALLER_RATIO: Table = np.array([])


def _print(name: str, simulate: object) -> None:
    assert callable(simulate)
    print(name)
    for onsets in ONSETS:
        print("        [" + ", ".join(f"{simulate(onsets, lines):.4f}" for lines in LINES) + "],", flush=True)


if __name__ == "__main__":
    _print("_DEVIATION", simulate_deviation)
    _print("_SMALLER_RATIO", simulate_smaller_ratio)
