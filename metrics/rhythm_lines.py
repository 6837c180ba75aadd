"""Which lines a rhythm was played to: the search that the rhythm metrics share.

Onsets show how far apart the lines are, not the tempo: a quarter's triplets are the sixteenths of two thirds of it. So
several spacings are tried, and the one is taken whose mean distance from the onsets is smallest against that of as many
random onsets. The more spacings are tried, the better random onsets fit, too; so the value is relative to what they
reach in the same search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from metrics import rhythm_chance
from metrics.notes.grid import FREEDOM, Lines, Times, fit_lines

DIVISIONS = (1 / 2, 1 / 3, 1 / 4, 1 / 6)
"""Lines that music is written on, as shares of a quarter note: eighths, their triplets, sixteenths, their triplets."""

CONFUSIONS = (1, 1 / 2, 2, 3 / 4, 4 / 3, 2 / 3, 3 / 2)
"""The true quarter, as a multiple of a tracked one: the ratios by which trackers are wrong."""

HEARD = tuple(sorted({round(ratio * part, 9) for ratio in CONFUSIONS for part in DIVISIONS}))
"""Spacings that are tried around a tracked quarter, as shares of it; each may be up to 4 % off."""

KNOWN = (1, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8, 1 / 12)
"""Spacings that are tried with a known quarter, as shares of it, exactly; thirty-seconds and finer triplets, too."""

SHORTEST, LONGEST = 0.06, 0.6
"""Seconds between which all spacings are tried where no quarter is known."""

ALIKE = 0.01
"""Ratios within this count as equal, and the widest spacing is taken: onsets on lines also lie on lines twice as
dense."""

_ANY = tuple(np.geomspace(SHORTEST, LONGEST, 1 + round(np.log(LONGEST / SHORTEST) / (2 * FREEDOM))).tolist())


class Search(Enum):
    """What the tried spacings are derived from."""

    KNOWN = "known quarter"
    HEARD = "heard quarter"
    ANY = "onsets alone"


@dataclass(frozen=True)
class Found:
    """The lines that were taken.

    Attributes:
        lines: spacing and phase in seconds, and mean distance as a share of the spacing.
        ratio: mean distance over that of random onsets with lines of one spacing.
        chance: mean of the smallest ratio of as many random onsets in the same search.
    """

    lines: Lines
    ratio: float
    chance: float

    @property
    def value(self) -> float:
        """0 on the lines, about 1 for random onsets."""
        return self.ratio / self.chance

    @property
    def distance(self) -> float:
        """Mean distance from the nearest line, in seconds."""
        return self.lines.deviation * self.lines.spacing

    @property
    def random_distance(self) -> float:
        """The distance, in seconds, at which the value were 1."""
        return self.distance / self.value if self.value else 0.25 * self.lines.spacing * self.chance


def find_lines(onsets: Times, search: Search, quarter: float | None = None) -> Found:
    """Find the lines that onsets were played to.

    Args:
        onsets: seconds, in any order, at least two distinct ones; those of one chord count once.
        search: which spacings are tried.
        quarter: its length in seconds, > 0, unless the search is by onsets alone.
    """
    times = distinct(onsets)
    span = float(times[-1] - times[0])
    lines, ratio = smallest_ratio(times, *spacings(search, quarter))
    return Found(lines, ratio, rhythm_chance.chance_ratio(search.value, len(times), span / (quarter or 1.0)))


def spacings(search: Search, quarter: float | None) -> tuple[Sequence[float], float]:
    """Return the spacings that a search tries, in seconds, and by which share each may be off.

    Args:
        search: what they are derived from.
        quarter: its length in seconds, > 0; None tries all from 0.06 to 0.6 s.
    """
    if quarter is None:
        return _ANY, FREEDOM
    shares = KNOWN if search is Search.KNOWN else HEARD
    return [share * quarter for share in shares], 0.0 if search is Search.KNOWN else FREEDOM


def smallest_ratio(onsets: Times, tried: Sequence[float], freedom: float) -> tuple[Lines, float]:
    """Return the lines with the smallest mean distance over that of as many random onsets, and that ratio; the widest
    of several that are equally good.

    Args:
        onsets: seconds, ascending and distinct, shape (onsets,), at least two.
        tried: spacings in seconds, > 0.
        freedom: by which share each may be off.
    """
    span, count = float(onsets[-1] - onsets[0]), len(onsets)
    fitted = [fit_lines(onsets, spacing, freedom) for spacing in tried]
    ratios = [
        lines.deviation / rhythm_chance.chance_deviation(count, span / lines.spacing, freedom) for lines in fitted
    ]
    alike = min(ratios) + ALIKE
    return max(
        ((lines, ratio) for lines, ratio in zip(fitted, ratios, strict=True) if ratio <= alike),
        key=lambda pair: pair[0].spacing,
    )


def distinct(onsets: Times) -> Times:
    """Return ascending onset times; those of one chord, within a millisecond, count once."""
    times: Times = np.sort(onsets)
    return times[np.diff(times.round(3), prepend=-np.inf) > 0]
