"""How numbers are written and drawn on the pages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

MISSING = "–"


def number(value: float | None, decimals: int) -> str:
    """A number with a true minus sign; ``–`` where there is none."""
    if value is None:
        return MISSING
    text = f"{value:.{decimals}f}"
    # Rounded to nothing, a number has no sign.
    return text.lstrip("-") if not float(text) else text.replace("-", "−")


def decimals_for(intervals: Iterable[tuple[float, float]]) -> int:
    """Decimals, from 1 to 4, that show two digits of the usual half width of these intervals."""
    widths = [(high - low) / 2 for low, high in intervals if high > low]
    return max(1, min(4, 1 - math.floor(math.log10(median(widths))))) if widths else 1


def digits(largest: float) -> int:
    """Decimals, from 1 to 3, that show three digits of the largest number of a column."""
    return max(1, min(3, 2 - math.floor(math.log10(largest)))) if largest else 1


def spread(value: float, low: float | None, high: float | None, decimals: int) -> str:
    """An interval beside its value: ``± 1.2`` where it is even, ``[1.0, 4.5]`` where it is not."""
    if low is None or high is None:
        return ""
    below, above = value - low, high - value
    if math.isclose(below, above, rel_tol=1e-6, abs_tol=1e-9):
        return f"± {number(above, decimals)}"
    return f"[{number(low, decimals)}, {number(high, decimals)}]"


def places(values: Iterable[float | None], margin: float = 5.0) -> Places:
    """The scale on which these values are drawn, from ``margin`` to 100 − ``margin`` percent of a width."""
    known = [value for value in values if value is not None]
    return Places(min(known, default=0.0), max(known, default=0.0), margin)


class Places:
    """A linear scale from values to percent of a width; all in the middle where it has no length."""

    def __init__(self, lowest: float, highest: float, margin: float) -> None:
        self._lowest, self._length, self._margin = lowest, highest - lowest, margin

    def __call__(self, value: float | None) -> float | None:
        if value is None:
            return None
        share = (value - self._lowest) / self._length if self._length else 0.5
        return round(self._margin + share * (100 - 2 * self._margin), 1)
