"""Metrical grids of constant tempo, fitted to onsets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FREEDOM = 0.04
"""Share of the tracked quarter by which the fitted one may differ; trackers within it count as right (Gouyon
et al. 2006)."""

_COARSE = 0.1  # lines that a grid may slip over all onsets between two coarse tempos
_FINE = 1e-3

Times = npt.NDArray[np.float64]


class Grid(NamedTuple):
    """A fitted grid: its quarter note and the time of one of its lines, both in seconds, and the mean
    distance of the onsets from the nearest line, as a share of a quarter note, in [0, 1 / (4 · lines)]."""

    quarter: float
    phase: float
    deviation: float


def fit_phase(onsets: Times, quarters: Times, lines: int) -> tuple[Times, Times]:
    """The best phase of a grid of each tempo, exactly.

    The mean circular distance is piecewise linear in the phase and convex only at onsets, so one of the
    onsets lies on a line of the best grid. Sorted prefix sums try them all in O(n log n).

    Args:
        onsets: seconds, shape (onsets,), at least one.
        quarters: lengths of a quarter note in seconds, > 0, shape (tempos,).
        lines: grid lines in a quarter note.

    Returns:
        Mean distance as a share of a quarter, and a phase in seconds, each of shape (tempos,).
    """
    steps = quarters / lines
    count = len(onsets)
    position = np.sort((onsets / steps[:, np.newaxis]) % 1.0, axis=1)
    # Twice round the circle, each tempo in a stretch of its own, so one flat search serves all of them.
    twice = np.concatenate([position, position + 1], axis=1)
    stretch = 3.0 * np.arange(len(steps))[:, np.newaxis]
    half = np.searchsorted((twice + stretch).ravel(), (position + stretch + 0.5).ravel(), side="right")
    half = half.reshape(position.shape) - 2 * count * np.arange(len(steps))[:, np.newaxis]
    sums = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(twice, axis=1)], axis=1)
    begin = np.arange(count)
    ahead = half - begin
    middle = np.take_along_axis(sums, half, axis=1)
    distance_ahead = middle - sums[:, :count] - ahead * position
    distance_behind = (count - ahead) * (position + 1) - (sums[:, count : 2 * count] - middle)
    total = distance_ahead + distance_behind
    best = total.argmin(axis=1)[:, np.newaxis]
    deviation = np.take_along_axis(total, best, axis=1)[:, 0] / count / lines
    phase = np.take_along_axis(position, best, axis=1)[:, 0] * steps
    return deviation.clip(0), phase


def fit_grid(onsets: Times, quarter: float, lines: int) -> Grid:
    """The grid of constant tempo that lies nearest to the onsets, its quarter within ±4 % of ``quarter``,
    its phase free.

    All tempos are tried that let the grid slip by a tenth of a line over the onsets; the best is then
    refined to a thousandth.

    Args:
        onsets: seconds, ascending, shape (onsets,), at least one.
        quarter: seconds, > 0.
        lines: grid lines in a quarter note.
    """
    low, high = quarter * (1 - FREEDOM), quarter * (1 + FREEDOM)
    passed = float(onsets[-1] - onsets[0]) / quarter * lines  # lines between the first onset and the last
    slip = 2 * FREEDOM * passed
    tempos = np.linspace(low, high, 3 + 2 * int(slip / _COARSE / 2))
    while True:
        deviation, phase = fit_phase(onsets, tempos, lines)
        best = int(deviation.argmin())
        width = float(tempos[1] - tempos[0])
        if width / quarter * passed <= _FINE:
            return Grid(float(tempos[best]), float(phase[best]), float(deviation[best]))
        around = tempos[best] + width * np.linspace(-1, 1, 21)
        tempos = around[(around >= low) & (around <= high)]
