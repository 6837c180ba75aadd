"""MIDI and MusicXML files → notes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from bench.contracts.notes import Note, Notes
from bench.errors import DataError
from bench.file_kind import LFS_POINTER, kind_of
from bench.regular_file import read_bytes
from models.midi_file import parse_midi
from models.musicxml import parse_musicxml
from models.performance import Tempo

MIDI_ENDINGS = (".mid", ".midi")
MUSICXML_ENDINGS = (".musicxml", ".mxl", ".xml")

SAME_TEMPO = 1e-4
"""Relative difference up to which tempi count as equal: editors round to whole microseconds or hundredths of a bpm."""

MAX_BYTES = 16_000_000  # plain MusicXML of a symphonic movement takes some 10 MB


def read_notes(path: Path, duration: float = math.inf, file: BinaryIO | None = None) -> Notes:
    """Read the notes that start in the first ``duration`` seconds of a MIDI or MusicXML file, from ``file`` if it is
    open already.

    The ending of the file's name decides which of the two it is; `parse_midi` and `parse_musicxml` say what
    counts as a note.

    Returns:
        Notes of origin ``symbolic`` that end by ``duration``; ``quarter`` is set if the tempo does not change
        between the first and the last onset. No key: many files have a default signature that nobody chose.

    Raises:
        DataError: the file is damaged, too large, of another kind, or holds no such note; the message names it.
        OSError: the file cannot be opened.
    """
    kind, parse = ("MIDI", parse_midi) if path.suffix.lower() in MIDI_ENDINGS else ("MusicXML", parse_musicxml)
    content = read_bytes(path, MAX_BYTES + 1) if file is None else file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, too large for a score")
    if not content:
        raise DataError(f"{path}: the file is empty")
    if content.startswith(LFS_POINTER):
        held = kind_of(content)
        raise DataError(f"{path}: holds {held.name} and no notes; {held.remedy}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about signatures and about notation that does not sound
            events, tempi, unended = parse(content)
    except Exception as error:  # the parsers may raise anything on a damaged file
        unsaid = "it ends too early" if isinstance(error, EOFError) else type(error).__name__
        reason = " ".join(str(error).split())[:200] or unsaid
        raise DataError(f"{path}: cannot be read as {kind} ({reason})") from error
    if not events:
        raise DataError(f"{path}: holds no notes")
    events = [n._replace(duration=min(n.duration, duration - n.onset)) for n in events if n.onset < duration]
    if not events:
        raise DataError(f"{path}: holds no notes in its first {duration:g} s")
    return Notes(tuple(events), origin="symbolic", quarter=_constant_quarter(events, tempi), unended=unended)


def _constant_quarter(events: Sequence[Note], tempi: Sequence[Tempo]) -> float | None:
    first, last = min(note.onset for note in events), max(note.onset for note in events)
    before = [tempo for tempo in tempi if tempo.start <= first][-1:]
    quarters = [tempo.quarter for tempo in (*before, *(t for t in tempi if first < t.start < last))]
    return quarters[0] if max(quarters) <= min(quarters) * (1 + SAME_TEMPO) else None
