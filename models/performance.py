"""What a score file says is to be played: notes, and the tempi that they stand in."""

from __future__ import annotations

from typing import NamedTuple

from bench.contracts.notes import Note

MAX_NOTES = 500_000
"""Most notes of one file; a symphony has some 100,000."""


class Tempo(NamedTuple):
    """The length of a quarter note, in seconds, from ``start`` on, in seconds."""

    start: float
    quarter: float


class Performance(NamedTuple):
    """The notes that a file says are to be played.

    Attributes:
        events: the notes, in seconds, in any order.
        tempi: by the time at which they begin.
        unended: how many of the notes have no end in the file, so that one was assumed.
    """

    events: list[Note]
    tempi: list[Tempo]
    unended: int = 0
