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
_DEVIATION: Table = np.array(
    [
        [0.1863, 0.1755, 0.1685, 0.1564, 0.1462, 0.1399, 0.1303],
        [0.1987, 0.1888, 0.1825, 0.1731, 0.1663, 0.1595, 0.1522],
        [0.2076, 0.2021, 0.1950, 0.1892, 0.1821, 0.1767, 0.1709],
        [0.2146, 0.2111, 0.2053, 0.1997, 0.1944, 0.1896, 0.1850],
        [0.2209, 0.2172, 0.2138, 0.2089, 0.2041, 0.2009, 0.1967],
        [0.2257, 0.2235, 0.2199, 0.2162, 0.2135, 0.2098, 0.2067],
        [0.2297, 0.2284, 0.2254, 0.2227, 0.2198, 0.2171, 0.2150],
        [0.2332, 0.2316, 0.2300, 0.2276, 0.2255, 0.2231, 0.2209],
        [0.2355, 0.2357, 0.2335, 0.2315, 0.2298, 0.2279, 0.2264],
        [0.2376, 0.2377, 0.2365, 0.2351, 0.2336, 0.2317, 0.2302],
    ]
)
_SMALLER_RATIO: Table = np.array(
    [
        [0.9317, 0.9323, 0.9266, 0.9448, 0.9393, 0.9372, 0.9295],
        [0.9546, 0.9529, 0.9505, 0.9549, 0.9549, 0.9570, 0.9483],
        [0.9518, 0.9609, 0.9610, 0.9588, 0.9614, 0.9653, 0.9575],
        [0.9690, 0.9641, 0.9722, 0.9766, 0.9762, 0.9753, 0.9717],
        [0.9725, 0.9755, 0.9760, 0.9758, 0.9806, 0.9785, 0.9754],
        [0.9788, 0.9817, 0.9833, 0.9816, 0.9804, 0.9847, 0.9803],
        [0.9830, 0.9861, 0.9885, 0.9856, 0.9856, 0.9885, 0.9832],
        [0.9871, 0.9886, 0.9879, 0.9893, 0.9887, 0.9900, 0.9887],
        [0.9889, 0.9889, 0.9924, 0.9916, 0.9923, 0.9915, 0.9896],
        [0.9908, 0.9921, 0.9927, 0.9929, 0.9933, 0.9944, 0.9944],
    ]
)


def _print(name: str, simulate: object) -> None:
    assert callable(simulate)
    print(name)
    for onsets in ONSETS:
        print("        [" + ", ".join(f"{simulate(onsets, lines):.4f}" for lines in LINES) + "],", flush=True)


if __name__ == "__main__":
    _print("_DEVIATION", simulate_deviation)
    _print("_SMALLER_RATIO", simulate_smaller_ratio)
