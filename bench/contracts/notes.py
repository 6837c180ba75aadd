"""Notes of a clip, if known."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import DataError
from bench.plain_text import plain_line


class Note(NamedTuple):
    """One note.

    onset and duration are in seconds (onset ≥ 0, duration > 0, both finite), pitch is a MIDI number 0–127 (60 = middle
    C), velocity 1–127, program a General MIDI program 0–127. For drums, pitch is the General MIDI percussion key.
    """

    onset: float
    duration: float
    pitch: int
    velocity: int = 80
    program: int = 0
    drum: bool = False


@dataclass(frozen=True)
class Notes:
    """The notes of one clip, ordered by onset.

    Attributes:
        events: the notes.
        origin: ``known`` if the audio was rendered from these notes (the ground truth that a transcription
            is checked against; metrics still use the audio), ``symbolic`` if the notes are themselves
            to be scored (a MIDI or MusicXML file).
        quarter: length of a quarter note in seconds, if constant and known.
        key: such as ``F# minor``, if known.
        unended: number of notes with an assumed end, since their file lacks it.

    Raises:
        DataError: a note outside the ranges given at `Note`, or an invalid quarter.
    """

    events: tuple[Note, ...]
    origin: Literal["known", "symbolic"] = "known"
    quarter: float | None = None
    key: str | None = None
    unended: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(sorted(map(_checked, self.events))))
        if self.quarter is not None:
            object.__setattr__(self, "quarter", float(self.quarter))
            if not 0 < self.quarter < math.inf:
                raise DataError(f"a quarter note of {self.quarter} s: must be more than 0 and finite")
        if self.key is not None:
            object.__setattr__(self, "key", plain_line(str(self.key), 80))

    @cached_property
    def pitches(self) -> npt.NDArray[np.int64]:
        """MIDI pitches of all notes except drums, shape (notes,), ordered by onset."""
        return np.array([note.pitch for note in self.events if not note.drum], dtype=np.int64)

    @cached_property
    def onsets(self) -> npt.NDArray[np.float64]:
        """Onsets of all notes, drums included, in seconds, shape (notes,), ascending."""
        return np.array([note.onset for note in self.events], dtype=np.float64)

    def to_json(self) -> str:
        """Return compact JSON that `from_json` restores exactly."""
        content = {"origin": self.origin, "quarter": self.quarter, "key": self.key, "events": self.events}
        if self.unended:
            content["unended"] = self.unended
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Notes:
        """Parse the result of `to_json`.

        Raises:
            DataError: a note or the quarter is out of range.
            ValueError, KeyError, TypeError: it has another form.
        """
        content = json.loads(text)
        events = tuple(Note(*event) for event in content["events"])
        return cls(events, content["origin"], content["quarter"], content["key"], content.get("unended", 0))


def _checked(note: Note) -> Note:
    """Return the note with Python numbers, whatever types it was computed with."""
    try:
        plain = Note(
            float(note.onset), float(note.duration), int(note.pitch), int(note.velocity), int(note.program),
            bool(note.drum),
        )  # fmt: skip
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise DataError(f"invalid note {note!r:.200}: see bench.Note") from None
    in_range = 0 <= plain.pitch <= 127 and 1 <= plain.velocity <= 127 and 0 <= plain.program <= 127
    whole = (plain.pitch, plain.velocity, plain.program) == (note.pitch, note.velocity, note.program)
    if not (in_range and whole and 0 <= plain.onset < math.inf and 0 < plain.duration < math.inf):
        raise DataError(f"invalid note {note!r:.200}: see bench.Note for the ranges")
    return plain
