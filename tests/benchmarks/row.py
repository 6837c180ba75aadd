"""One measured line of the benchmark table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """What was measured, and what it should be.

    Attributes:
        what: what was measured, in a few words.
        measured: the number.
        unit: its unit, such as ``× real time``.
        target: what it should reach, or None for a row that only informs.
        better: whether ``higher`` or ``lower`` numbers are better.
        note: what the number depends on: clips, threads, sizes.
    """

    what: str
    measured: float
    unit: str
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    note: str = ""

    @property
    def verdict(self) -> str:
        """``ok``, ``short``, or nothing where there is no target."""
        if self.target is None:
            return ""
        reached = self.measured >= self.target if self.better == "higher" else self.measured <= self.target
        return "ok" if reached else "short"
