"""What a score file says is to be played: notes, and their tempi."""

from __future__ import annotations

from typing import NamedTuple

from bench.contracts.notes import Note

MAX_NOTES = 500_000
"""Most notes in a file; a symphony has about 100,000."""


class Tempo(NamedTuple):
    """The length of a quarter note, in seconds, from ``start`` on, in seconds."""

    start: float
    quarter: float


class Performance(NamedTuple):
    """The notes that a file says are to be played.

    Attributes:
        events: the notes, in seconds, in any order.
        tempi: by the time at which they begin.
        unended: number of notes without an end in the file, for which one was assumed.
    """

    events: list[Note]
    tempi: list[Tempo]
    unended: int = 0
