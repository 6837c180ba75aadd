"""The outcome of verifying a bundle, and the comparison of tables."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TOLERANCE = 1e-6
_SMALLEST = 1e-6  # smaller numbers are compared as if this large, so rounding errors of 0 are not differences

_LONGEST_TEXT = 60  # characters of a value shown in messages
_LONGEST_NAME = 1000  # characters; the names of all that stands in a list or object begin with its own

SCOPE = (
    "the numbers of a verified bundle follow from the audio and notes in it; who packed it, which models made the "
    "audio and how long they took are claims of the bundle, which hashes inside a file cannot prove"
)
"""What a verified bundle proves, and what it cannot."""

Value = float | int | str | None


class Place(NamedTuple):
    """The place of values.

    ``grouping`` is all, genre or level, or clip, whose ``group`` is its prompt and seed; ``metric`` is empty for what
    is said of a clip itself, ``model`` for what is said of a metric.
    """

    file: str
    model: str
    metric: str
    grouping: str
    group: str


Table = dict[Place, dict[str, Value]]
"""By place, values by their name, such as ``value``, ``low`` or ``warnings.[0]``."""


def value_text(value: Value) -> str:
    """Return a value for messages: ten digits of a number, the start of a text."""
    if isinstance(value, str):
        return f"'{value[:_LONGEST_TEXT]}…'" if len(value) > _LONGEST_TEXT else f"'{value}'"
    return "none" if value is None else f"{value:.10g}"


@dataclass(frozen=True)
class Deviation:
    """A value that differs.

    Attributes:
        place: its place.
        quantity: its name.
        then, now: as packed and as computed here; None if missing.
        relative: the difference as a share of the larger of two numbers; otherwise None.
    """

    place: Place
    quantity: str
    then: Value
    now: Value
    relative: float | None

    @property
    def of_metric(self) -> bool:
        """Whether it is a number from a metric."""
        return bool(self.place.metric) and any(isinstance(one, int | float) for one in (self.then, self.now))

    @property
    def where(self) -> str:
        """The file, row, metric, clip or group, and quantity."""
        place = self.place
        group = "" if place.grouping in ("all", "metric") else f"{place.grouping} {place.group}"
        return ", ".join(filter(None, (place.file, place.model, place.metric, group, self.quantity)))

    @property
    def text(self) -> str:
        """A one-line description."""
        apart = f" ({self.relative:.2g} apart)" if self.relative is not None else ""
        return f"{self.where}: then {value_text(self.then)}, now {value_text(self.now)}{apart}"


@dataclass(frozen=True)
class Verification:
    """The outcome of a verification.

    Attributes:
        name: of the run that was packed, as the bundle says.
        protocol: its line as made here; empty if nothing was computed.
        files, clips: numbers checked.
        damage: a line for each item that was changed, or is inconsistent.
        numbers: count of compared numbers of metrics; other table content was also compared.
        largest: the largest relative deviation among those that are numbers then and now.
        tolerance: the relative deviation up to which numbers agree.
        deviations: the values that do not agree.
        unchecked: for each metric that cannot be computed here, why.
        versions: versions that differ here: then and now.
        submitter: name and link of the packer, as stated in the bundle, not verified.
        scope: what this proves, and what not.
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
    submitter: Mapping[str, str] = field(default_factory=dict)
    scope: str = SCOPE

    @property
    def holds(self) -> bool:
        """Whether nothing is damaged and every value that could be computed agrees."""
        return not self.damage and not self.deviations


class Compared(NamedTuple):
    """Count of compared numbers, the largest relative deviation, and the values that do not agree."""

    numbers: int
    largest: float
    deviations: tuple[Deviation, ...]


def compare(
    then: Mapping[Place, Mapping[str, Value]],
    now: Mapping[Place, Mapping[str, Value]],
    tolerance: float,
    leaving_out: Collection[str] = (),
) -> Compared:
    """Compare all values of two tables except some metrics; a value in only one table is a deviation.

    Texts and counts agree if equal, other numbers within the tolerance.

    Args:
        then, now: the tables.
        tolerance: relative to the larger magnitude of the two, in [0, 1).
        leaving_out: metrics to skip.
    """
    all_ = list(_pairs(then, now, leaving_out))
    numbers = [pair for pair in all_ if pair.of_metric]
    return Compared(
        len(numbers),
        max((pair.relative for pair in numbers if pair.relative is not None), default=0.0),
        tuple(pair for pair in all_ if not _agree(pair, tolerance)),
    )


def leaves(value: Any, name: str) -> Iterator[tuple[str, Value]]:
    """Yield the numbers and texts in a JSON value by their paths; empty containers count as values.

    Args:
        value: the value.
        name: its own path, with which the others begin.

    Raises:
        TypeError, ValueError, OverflowError: a number that is not finite, a path too long, or a value that is not JSON.
    """
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{name[:40]!r}… is a name of more than {_LONGEST_NAME} characters")
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else ((f"[{i}]", v) for i, v in enumerate(value)):
            yield from leaves(item, f"{name}.{key}")
    elif isinstance(value, bool | dict | list):
        yield name, json.dumps(value)
    elif isinstance(value, int | float):
        if not math.isfinite(value):
            raise ValueError(f"{name} is not finite")
        yield name, value
    elif value is None or isinstance(value, str):
        yield name, value
    else:
        raise TypeError(f"{name} is a {type(value).__name__}")


def _pairs(
    then: Mapping[Place, Mapping[str, Value]], now: Mapping[Place, Mapping[str, Value]], leaving_out: Collection[str]
) -> Iterator[Deviation]:
    for place in dict.fromkeys([*then, *now]):
        if place.metric in leaving_out:
            continue
        old, new = then.get(place, {}), now.get(place, {})
        for name in dict.fromkeys([*new, *old]):
            one, two = old.get(name), new.get(name)
            if one is None and two is None:
                continue
            yield Deviation(place, name, one, two, _relative(one, two))


def _relative(old: Value, new: Value) -> float | None:
    if not (isinstance(old, int | float) and isinstance(new, int | float)):
        return None
    return abs(new - old) / max(abs(old), abs(new), _SMALLEST)


def _agree(pair: Deviation, tolerance: float) -> bool:
    if pair.relative is None or isinstance(pair.now, int):
        return pair.then == pair.now
    return pair.relative <= tolerance
