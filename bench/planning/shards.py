"""Shards: parts of a plan that array jobs make independently, each in its own run folder.

A shard takes every n-th batch of the plan, so that batches are the same as in the whole run and all shards have about
the same work for every model. `bench.pipeline.merge_shards` joins them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import UsageError
from bench.planning.plan import Plan, PlannedClip

_NAME = re.compile(r"([0-9]{1,9})-of-([0-9]{1,9})")


@dataclass(frozen=True, order=True)
class Shard:
    """Part ``index`` of ``count``, counted from 1.

    Raises:
        UsageError: not 1 ≤ index ≤ count.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageError(
                f"there is no shard {self}: shards of {self.count} are 1/{self.count} to {self.count}/{self.count}"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def folder(self) -> Path:
        """The folder of the shard, relative to that of the whole run."""
        return Path("shards") / f"{self.index}-of-{self.count}"


def parse_shard(text: str) -> Shard:
    """Parse ``3/8``.

    Raises:
        UsageError: it has another form, or there is no such shard.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    if not match or not int(match[2]):
        raise UsageError(f"shard '{text}' must be i/n, such as 3/8 for the third of eight")
    return Shard(int(match[1]), int(match[2]))


def shard_of(folder: Path) -> Shard | None:
    """Return the shard of a folder; None for that of a whole run."""
    path = folder.resolve()
    match = _NAME.fullmatch(path.name) if path.parent.name == "shards" else None
    return Shard(int(match[1]), int(match[2])) if match else None


def find_shards(folder: Path) -> list[Shard]:
    """Return the shards that have a folder in the folder of the whole run, in their order."""
    names = (_NAME.fullmatch(path.name) for path in (folder / "shards").glob("*-of-*") if path.is_dir())
    return sorted(Shard(int(name[1]), int(name[2])) for name in names if name)


def share_out(plan: Plan, count: int) -> Iterator[tuple[PlannedClip, int]]:
    """Yield every clip of a plan, in order, with the index (from 1) of the shard out of ``count`` that makes it."""
    for number, (_, clips) in enumerate(plan.batches()):
        for clip in clips:
            yield clip, number % count + 1


def take_shard(plan: Plan, shard: Shard) -> Plan:
    """Return the part of a plan that a shard makes; suite, models and metrics are unchanged.

    Its batches are batches of the whole plan: only the last one of a model may be shorter, and it stays last.
    """
    return replace(plan, clips=tuple(clip for clip, owner in share_out(plan, shard.count) if owner == shard.index))
