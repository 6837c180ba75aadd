"""What verifying a bundle found, and how two sets of numbers are compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

TOLERANCE = 1e-6
_SMALLEST = 1e-6  # numbers below are compared as if they were this large: rounding errors of a zero are no difference


class Place(NamedTuple):
    """Where a number stands: ``grouping`` is all, genre or level, or clip, whose ``group`` is its prompt and seed."""

    model: str
    metric: str
    grouping: str
    group: str


class Numbers(NamedTuple):
    """What stands there; None where there is no such number."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: float | None = None


@dataclass(frozen=True)
class Deviation:
    """A number that came out otherwise.

    Attributes:
        place: whose it is.
        quantity: value, low, high or n.
        then, now: as packed and as computed here; None where there is none.
        relative: the difference as a share of the larger of the two; None where one of them is missing.
    """

    place: Place
    quantity: str
    then: float | None
    now: float | None
    relative: float | None


@dataclass(frozen=True)
class Verification:
    """The outcome.

    Attributes:
        name: of the run that was packed.
        protocol: its line.
        files, clips: how many were checked.
        damage: a line for each thing that is not as it was packed.
        numbers: how many were compared.
        largest: the largest relative deviation among those that are numbers then and now.
        tolerance: the relative deviation up to which numbers agree.
        deviations: those that do not.
        unchecked: for each metric that cannot be computed here, why.
        versions: of what numbers rest on, where it is another here: then and now.
    """

    name: str
    protocol: str
    files: int = 0
    clips: int = 0
    damage: tuple[str, ...] = ()
    numbers: int = 0
    largest: float = 0.0
    tolerance: float = TOLERANCE
    deviations: tuple[Deviation, ...] = ()
    unchecked: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether nothing is damaged and every number that could be computed agrees."""
        return not self.damage and not self.deviations


class Compared(NamedTuple):
    """How many numbers were compared, the largest relative deviation, and the deviations above the tolerance."""

    numbers: int
    largest: float
    deviations: tuple[Deviation, ...]


def compare(
    then: Mapping[Place, Numbers], now: Mapping[Place, Numbers], tolerance: float, leaving_out: Collection[str] = ()
) -> Compared:
    """Compare all numbers of two tables but those of some metrics; one that only one of them has is a deviation.

    Args:
        then, now: the tables.
        tolerance: relative to the larger magnitude of the two, in [0, 1).
        leaving_out: metrics.
    """
    all_ = list(_deviations(then, now, leaving_out))
    apart = tuple(d for d in all_ if d.relative is None or d.relative > tolerance)
    return Compared(len(all_), max((d.relative for d in all_ if d.relative is not None), default=0.0), apart)


def _deviations(
    then: Mapping[Place, Numbers], now: Mapping[Place, Numbers], leaving_out: Collection[str]
) -> Iterator[Deviation]:
    none = Numbers(None)
    for place in dict.fromkeys([*then, *now]):
        if place.metric in leaving_out:
            continue
        for quantity, old, new in zip(Numbers._fields, then.get(place, none), now.get(place, none), strict=True):
            if old is None and new is None:
                continue
            relative = None if old is None or new is None else abs(new - old) / max(abs(old), abs(new), _SMALLEST)
            yield Deviation(place, quantity, old, new, relative)
