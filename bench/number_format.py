"""How numbers are written in tables: with the decimals that their intervals justify, and with a true minus sign."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal

NONE = "–"
_MOST = 6
"""Decimals beyond which scientific notation is used; maximum digits in it."""
_LARGE = 1e6


def decimals_for(half_widths: Iterable[float], sizes: Iterable[float] = ()) -> int:
    """Return the decimals (at least 1) that show two digits of the typical half width of a column's intervals.

    Args:
        half_widths: of the intervals; zeros are ignored.
        sizes: absolute values, used if there is no half width.

    >>> decimals_for([0.02, 0.03, 9.0]), decimals_for([], [68.1])
    (3, 1)
    """
    known = [width for width in half_widths if width > 0] or [abs(size) for size in sizes if size]
    return max(1, 1 - math.floor(math.log10(median(known)))) if known else 1


def half_width(value: float, low: float, high: float) -> float | None:
    """Return half the width of an interval that is symmetric about its value, for ``±``; None for any other."""
    return high - value if math.isclose(value - low, high - value, rel_tol=1e-6, abs_tol=1e-9) else None


def counted(things: int, name: str, several: str = "") -> str:
    """Return ``1 prompt`` or ``2 prompts``; ``several`` is an irregular plural."""
    return f"{things} {plural(things, name, several)}"


def plural(things: int, name: str, several: str = "") -> str:
    """Return the singular or plural, as in `counted`, without the number.

    >>> plural(1, "prompt"), plural(0, "prompt"), plural(2, "is", "are")
    ('prompt', 'prompts', 'are')
    """
    return name if things == 1 else several or f"{name}s"


def seconds_text(seconds: float | str) -> str:
    """Return a duration as text: ``10 s``."""
    return f"{float(seconds):.12g} s"


def memory_text(size: float) -> str:
    """Return a number of bytes as text.

    >>> memory_text(8.314e9), memory_text(5.04e7)
    ('8.31 GB', '50.4 MB')
    """
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def first_few(names: Sequence[str], most: int) -> list[str]:
    """Return the first names, followed by the number of the others."""
    return [*names[:most], *([f"and {len(names) - most} more"] if len(names) > most else [])]


def with_interval(value: float | None, low: float | None, high: float | None, decimals: int) -> str:
    """Return a number with its interval, if any: ``0.25 [−0.10, 0.60]``."""
    if low is None or high is None:
        return number(value, decimals)
    return f"{number(value, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def p_text(p: float | None) -> str:
    """Return a p-value as text: three decimals without the leading 0, ``–`` if there is none.

    >>> p_text(0.0314), p_text(0.00001), p_text(None)
    ('.031', '<.001', '–')
    """
    if p is None:
        return NONE
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def number(value: float | None, decimals: int = 2, sign: Literal["", "+"] = "") -> str:
    """Return a number as text, ``–`` if there is none; what rounds to 0 has no sign.

    >>> number(-2.345, 2), number(-0.04, 1), number(1e99, 1), number(1.234e-9, 11)
    ('−2.35', '0.0', '1e+99', '1.23e−09')
    """
    if value is None:
        return NONE
    if value and (decimals > _MOST or abs(value) >= _LARGE):
        digits = decimals + math.floor(math.log10(abs(value))) + 1
        text = f"{value:{sign}.{max(1, min(_MOST, digits))}g}"
    else:
        text = f"{value:{sign}.{min(decimals, _MOST)}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")
