"""MIDI and MusicXML files → notes."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bench.contracts.notes import Note, Notes
from bench.errors import DataError
from bench.regular_file import read_bytes
from models.musicxml import Tempo, parse_musicxml

MIDI_ENDINGS = (".mid", ".midi")
MUSICXML_ENDINGS = (".musicxml", ".mxl", ".xml")

SAME_TEMPO = 1e-4
"""Relative difference up to which tempi are one: editors round them to whole microseconds or hundredths of a bpm."""

MAX_BYTES = 16_000_000  # plain MusicXML of a symphonic movement takes some 10 MB


def read_notes(path: Path, duration: float = math.inf, file: BinaryIO | None = None) -> Notes:
    """Read the notes that start in the first ``duration`` seconds of a MIDI or MusicXML file, from ``file`` if it is
    open already.

    The ending of the file's name decides which of the two it is; `parse_midi` and `parse_musicxml` say what
    counts as a note.

    Returns:
        Notes of origin ``symbolic`` that end by ``duration``; ``quarter`` is set if the tempo does not change
        between the first and the last onset. No key: many files carry a signature that nobody chose.

    Raises:
        DataError: the file is damaged, too large, of another kind, or holds no such note; it is named.
        OSError: the file cannot be opened.
    """
    kind, parse = ("MIDI", parse_midi) if path.suffix.lower() in MIDI_ENDINGS else ("MusicXML", parse_musicxml)
    content = read_bytes(path, MAX_BYTES + 1) if file is None else file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, too large for a score")
    if not content:
        raise DataError(f"{path}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on signatures and on notation that does not sound
            events, tempi = parse(content)
    except Exception as error:  # the parsers let out whatever a damaged byte makes them stumble over
        unsaid = "it ends too early" if isinstance(error, EOFError) else type(error).__name__
        reason = " ".join(str(error).split())[:200] or unsaid
        raise DataError(f"{path}: cannot be read as {kind} ({reason})") from error
    if not events:
        raise DataError(f"{path}: holds no notes")
    events = [n._replace(duration=min(n.duration, duration - n.onset)) for n in events if n.onset < duration]
    if not events:
        raise DataError(f"{path}: holds no notes in its first {duration:g} s")
    return Notes(tuple(events), origin="symbolic", quarter=_constant_quarter(events, tempi))


def _constant_quarter(events: Sequence[Note], tempi: Sequence[Tempo]) -> float | None:
    first, last = min(note.onset for note in events), max(note.onset for note in events)
    before = [tempo for tempo in tempi if tempo.start <= first][-1:]
    quarters = [tempo.quarter for tempo in (*before, *(t for t in tempi if first < t.start < last))]
    return quarters[0] if max(quarters) <= min(quarters) * (1 + SAME_TEMPO) else None


def parse_midi(content: bytes) -> tuple[list[Note], list[Tempo]]:
    """Notes and tempi of a MIDI file of format 0 or 1.

    Velocities, programs and drums (channel 10) are kept; pedals and pitch bends do not change a note. Without
    a tempo the file plays at 120 bpm, as the MIDI standard says.

    Raises:
        Exception: of any class, if the content is not MIDI.
    """
    import mido
    import pretty_midi

    file = mido.MidiFile(file=io.BytesIO(content))
    if file.type == 2:
        raise ValueError("format 2, independent sequences; save it as format 0 or 1")
    if file.ticks_per_beat <= 0:
        raise ValueError("timed in film frames; save it with ticks per quarter note")
    file.tracks.insert(0, _conductor(file))
    midi = pretty_midi.PrettyMIDI(mido_object=file)
    events = [
        Note(float(n.start), float(n.end - n.start), n.pitch, n.velocity, int(part.program), part.is_drum)
        for part in midi.instruments
        for n in part.notes
        if n.end > n.start
    ]
    starts, bpms = midi.get_tempo_changes()
    return events, [Tempo(float(start), 60.0 / float(bpm)) for start, bpm in zip(starts, bpms, strict=True)]


def _conductor(file: Any) -> Any:
    """The tempo changes of all tracks on one: pretty_midi reads those of the first track only."""
    import mido

    changes = []
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes.append((tick, message.tempo))
    changes.sort(key=lambda change: change[0])
    track = mido.MidiTrack()
    before = 0
    for tick, tempo in changes:
        track.append(mido.MetaMessage("set_tempo", tempo=tempo, time=tick - before))
        before = tick
    track.append(mido.MetaMessage("end_of_track"))
    return track
