"""Lines at constant distances, fitted to onsets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FREEDOM = 0.04
"""Share by which the fitted spacing may differ from a detected one; tempos within it count as right (Gouyon et al.
2006)."""

_COARSE = 0.1  # drift over all onsets between two coarse spacings, in lines of the grid
_FINE = 1e-3
_AT_ONCE = 1 << 18  # spacings × onsets that are tried together, so that memory does not grow with the clip

Times = npt.NDArray[np.float64]


class Lines(NamedTuple):
    """Fitted lines: their spacing and the time of one of them, both in seconds, and the mean distance of the onsets
    from the nearest line, as a share of the spacing, in [0, 0.25]."""

    spacing: float
    phase: float
    deviation: float


def fit_phase(onsets: Times, spacings: Times) -> tuple[Times, Times]:
    """Find the best phase of lines of each spacing, exactly.

    The mean circular distance is piecewise linear in the phase and convex only at onsets, so one of the
    onsets lies on one of the best lines. Sorted prefix sums try them all in O(n log n).

    Args:
        onsets: seconds, shape (onsets,), at least one.
        spacings: seconds from line to line, > 0, shape (spacings,).

    Returns:
        Mean distance as a share of the spacing, and a phase in seconds, each of shape (spacings,).
    """
    parts = np.array_split(spacings, max(1, len(spacings) * len(onsets) // _AT_ONCE))
    found = [_fit_phase(onsets, part) for part in parts]
    return np.concatenate([deviation for deviation, _ in found]), np.concatenate([phase for _, phase in found])


def _fit_phase(onsets: Times, spacings: Times) -> tuple[Times, Times]:
    count = len(onsets)
    position = np.sort((onsets / spacings[:, np.newaxis]) % 1.0, axis=1)
    # Twice around the circle, with each spacing in a stretch of its own, so one flat search serves all of them.
    twice = np.concatenate([position, position + 1], axis=1)
    stretch = 3.0 * np.arange(len(spacings))[:, np.newaxis]
    half = np.searchsorted((twice + stretch).ravel(), (position + stretch + 0.5).ravel(), side="right")
    half = half.reshape(position.shape) - 2 * count * np.arange(len(spacings))[:, np.newaxis]
    sums = np.concatenate([np.zeros((len(spacings), 1)), np.cumsum(twice, axis=1)], axis=1)
    begin = np.arange(count)
    ahead = half - begin
    middle = np.take_along_axis(sums, half, axis=1)
    distance_ahead = middle - sums[:, :count] - ahead * position
    distance_behind = (count - ahead) * (position + 1) - (sums[:, count : 2 * count] - middle)
    total = distance_ahead + distance_behind
    best = total.argmin(axis=1)[:, np.newaxis]
    deviation = np.take_along_axis(total, best, axis=1)[:, 0] / count
    phase = np.take_along_axis(position, best, axis=1)[:, 0] * spacings
    return deviation.clip(0), phase


def fit_lines(onsets: Times, spacing: float, freedom: float = FREEDOM) -> Lines:
    """Find the lines nearest to the onsets, with a spacing within ± ``freedom`` of the given one and any phase.

    Spacings are tried in steps that shift the lines by a tenth of one over the onsets; the best is then refined to a
    thousandth.

    Args:
        onsets: seconds, ascending, shape (onsets,), at least one.
        spacing: seconds, > 0.
        freedom: a share of the spacing, in [0, 1); 0 keeps the spacing fixed.
    """
    low, high = spacing * (1 - freedom), spacing * (1 + freedom)
    passed = float(onsets[-1] - onsets[0]) / spacing  # lines between the first onset and the last
    slip = 2 * freedom * passed
    tried = np.linspace(low, high, 3 + 2 * int(slip / _COARSE / 2)) if freedom else np.array([spacing])
    while True:
        deviation, phase = fit_phase(onsets, tried)
        best = int(deviation.argmin())
        width = float(tried[1] - tried[0]) if freedom else 0.0
        if width / spacing * passed <= _FINE:
            return Lines(float(tried[best]), float(phase[best]), float(deviation[best]))
        around = tried[best] + width * np.linspace(-1, 1, 21)
        tried = around[(around >= low) & (around <= high)]
