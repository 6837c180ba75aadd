"""Simulate how close random onsets are to the lines that are fitted to them.

``python -m metrics.rhythm_simulation`` prints the tables of `metrics.rhythm_chance`, which takes about ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metrics.notes.grid import FREEDOM, fit_lines
from metrics.rhythm_chance import LINES, ONSETS, SPANS
from metrics.rhythm_lines import Search, smallest_ratio, spacings


def random_onsets(onsets: int, span: float, draw: int) -> npt.NDArray[np.float64]:
    """Draw the ``draw``-th set of that many onsets: one at 0, one at ``span``, the others uniform between;
    ascending.

    Args:
        onsets: how many, ≥ 2.
        span: from the first to the last, > 0.
        draw: number of the set, which seeds it.
    """
    generator = np.random.default_rng([onsets, round(span), draw])
    return np.sort(np.concatenate([[0.0, span], generator.uniform(0, span, onsets - 2)]))


def simulate_deviation(onsets: int, lines: int, freedom: float, draws: int) -> float:
    """Simulate the mean distance from fitted lines, as a share of the spacing, of random onsets over ``lines`` of
    them.

    Args:
        onsets: how many.
        lines: spacings from the first onset to the last.
        freedom: share by which the fitted spacing may differ.
        draws: how many sets of onsets.
    """
    fits = [fit_lines(random_onsets(onsets, lines, draw), 1.0, freedom).deviation for draw in range(draws)]
    return float(np.mean(fits))


def simulate_ratio(search: Search, onsets: int, span: int, draws: int) -> float:
    """Simulate the mean of the smallest ratio over random onsets.

    Args:
        search: which spacings are tried.
        onsets: how many.
        span: from the first to the last, in quarter notes, or in seconds in the search by onsets alone.
        draws: how many sets of onsets.
    """
    tried, freedom = spacings(search, None if search is Search.ANY else 1.0)
    return float(np.mean([smallest_ratio(random_onsets(onsets, span, d), tried, freedom)[1] for d in range(draws)]))


def _print(name: str, simulate: Callable[[int, int, int], float], columns: tuple[int, ...]) -> None:
    print(name)
    for onsets in ONSETS:
        draws = round(4000 / onsets**0.75)  # many onsets differ little from draw to draw
        print("        [" + ", ".join(f"{simulate(onsets, c, draws):.4f}" for c in columns) + "],", flush=True)


if __name__ == "__main__":
    _print("_FITTED", lambda n, lines, draws: simulate_deviation(n, lines, FREEDOM, draws), LINES)
    _print("_PLACED", lambda n, lines, draws: simulate_deviation(n, lines, 0.0, draws), LINES)
    for kind in Search:
        _print(kind.value, lambda n, span, draws, kind=kind: simulate_ratio(kind, n, span, draws), SPANS)  # type: ignore[misc]
