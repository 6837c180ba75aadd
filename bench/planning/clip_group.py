"""The sets of clips that a set metric is computed of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipGroup:
    """Clips that a set metric is computed of: ``members`` are places in the task's list of clips."""

    grouping: str
    name: str
    clips: str
    members: tuple[int, ...]
