"""Rhythms as text: ``"x--- x-x- X--- ..x-"`` is one bar in slots of equal length.

``x`` starts a note, ``X`` an accented one, ``o`` a soft one, ``-`` holds it, ``.`` rests; spaces only group.
A bar of four quarters is written; a bar of three plays its first three.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_ACCENTS = {"x": 0, "X": 14, "o": -24}


class Hit(NamedTuple):
    """Start and length in quarters from the bar's beginning, accent as a change of velocity."""

    start: float
    length: float
    accent: int


@lru_cache(maxsize=1024)
def hits(pattern: str, beats: int = 4) -> tuple[Hit, ...]:
    """Return the notes of a one-bar pattern, cut to a bar of so many quarters."""
    slots = pattern.replace(" ", "")
    slot = 4 / len(slots)
    slots = slots[: round(beats / slot)]
    found = []
    for position, mark in enumerate(slots):
        if mark in _ACCENTS:
            held = len(slots[position + 1 :]) - len(slots[position + 1 :].lstrip("-"))
            found.append(Hit(position * slot, (1 + held) * slot, _ACCENTS[mark]))
    return tuple(found)


def swung(quarters: float) -> float:
    """Return where a moment, in quarters, falls when eighths are swung two to one, as in triplets."""
    beat, part = divmod(quarters, 1.0)
    return beat + (part * 4 / 3 if part <= 0.5 else 2 / 3 + (part - 0.5) * 2 / 3)
