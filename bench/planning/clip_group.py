"""Sets of clips for set metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipGroup:
    """A set of clips for a set metric: ``members`` are positions in the task's list of clips."""

    grouping: str
    name: str
    clips: str
    members: tuple[int, ...]
