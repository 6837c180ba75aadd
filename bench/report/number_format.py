"""Format numbers and lists of words on pages, and place numbers on a scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench import number_format
from bench.number_format import half_width, number

# Units that read well in a sentence may be unclear in a heading.
_SIZES = {
    "%": "points",  # differences of percentages are in points
    "% of a quarter": "hundredths of a quarter note",
    "of chance": "on a scale where 0 is perfect and 1 is random",
    "SD": "standard deviations",
}
_HEADINGS = {
    "% of a quarter": "% of a quarter note",
    "of chance": "0 = perfect, 1 = random",
    "SD": "standard deviations",
}


def sized(number: str, unit: str) -> str:
    """Return a difference with its unit, for a sentence.

    >>> sized("7.9", "% of a quarter"), sized("2.9", "")
    ('7.9 hundredths of a quarter note', '2.9')
    """
    return f"{number} {_SIZES.get(unit, unit)}".strip()


def joined_with_and(words: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def unit_heading(unit: str) -> str:
    """Return a unit for a column heading."""
    return _HEADINGS.get(unit, unit)


def decimals_for_intervals(intervals: Iterable[tuple[float, float]]) -> int:
    """Return the decimals, from 1 to 4, that show two digits of the typical half width of these intervals."""
    return min(4, number_format.decimals_for((high - low) / 2 for low, high in intervals))


def digits(largest: float) -> int:
    """Return the decimals, from 1 to 3, that show three digits of the largest number of a column."""
    return max(1, min(3, 2 - math.floor(math.log10(largest)))) if largest else 1


def spread(value: float, low: float | None, high: float | None, decimals: int) -> str:
    """Return an interval for its value: ``± 1.2`` if symmetric, otherwise ``[1.0, 4.5]``."""
    if low is None or high is None:
        return ""
    half = half_width(value, low, high)
    if half is not None:
        return f"± {number(half, decimals)}"
    return f"[{number(low, decimals)}, {number(high, decimals)}]"


def places(values: Iterable[float | None], margin: float = 5.0) -> Places:
    """Return the scale for drawing these values, from ``margin`` to 100 − ``margin`` percent of a width."""
    known = [value for value in values if value is not None]
    return Places(min(known, default=0.0), max(known, default=0.0), margin)


class Places:
    """A linear scale from values to percent of a width; if all values are equal, they are in the middle."""

    def __init__(self, lowest: float, highest: float, margin: float) -> None:
        self._lowest, self._length, self._margin = lowest, highest - lowest, margin

    def __call__(self, value: float | None) -> float | None:
        if value is None:
            return None
        share = (value - self._lowest) / self._length if self._length else 0.5
        return round(self._margin + share * (100 - 2 * self._margin), 1)
