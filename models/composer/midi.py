"""Notes → the contents of a MIDI file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts.notes import Notes

if TYPE_CHECKING:
    import pretty_midi


def to_midi(notes: Notes) -> pretty_midi.PrettyMIDI:
    """Create one track for each program and one for each drum kit, at the tempo of ``notes.quarter`` (else 120).

    ``to_midi(notes).write(path)`` makes the file, with 960 ticks to the quarter note.
    """
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=60 / notes.quarter if notes.quarter else 120.0)
    tracks: dict[tuple[bool, int], pretty_midi.Instrument] = {}
    for onset, duration, pitch, velocity, program, drum in notes.events:
        if (drum, program) not in tracks:
            name = "drums" if drum else pretty_midi.program_to_instrument_name(program)
            tracks[drum, program] = pretty_midi.Instrument(program, drum, name)
        tracks[drum, program].notes.append(pretty_midi.Note(velocity, pitch, onset, onset + duration))
    midi.instruments = [tracks[player] for player in sorted(tracks)]
    return midi
