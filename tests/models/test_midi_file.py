"""MIDI as programs write it: notes without an end or a length, damaged signatures; another reader's values."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import DataError, Note, Notes, score_audio
from bench.contracts.prompt import Prompt
from models.midi_file import parse_midi
from models.performance import MAX_NOTES
from models.symbolic import read_notes

TICKS = 480
Event = tuple[int, Any]  # ticks since the last, and what to write


def midi(*tracks: list[bytes], ticks: int = TICKS) -> bytes:
    """A file of tracks, whose events are written as bytes with their delta times."""
    head = b"MThd" + struct.pack(">IHHH", 6, int(len(tracks) > 1), len(tracks), ticks)
    bodies = [b"".join(track) + b"\0\xff\x2f\0" for track in tracks]
    return head + b"".join(b"MTrk" + struct.pack(">I", len(body)) + body for body in bodies)


def delta(ticks: int) -> bytes:
    number = bytes([ticks & 0x7F])
    while ticks := ticks >> 7:
        number = bytes([ticks & 0x7F | 0x80]) + number
    return number


def on(pitch: int, ticks: int = 0, channel: int = 0, velocity: int = 80) -> bytes:
    return delta(ticks) + bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, ticks: int = 0, channel: int = 0) -> bytes:
    return delta(ticks) + bytes([0x80 | channel, pitch, 0])


def lengths(content: bytes) -> list[tuple[int, float, float]]:
    """Pitch, onset and length in quarters, at 120 bpm."""
    return [(n.pitch, round(2 * n.onset, 6), round(2 * n.duration, 6)) for n in sorted(parse_midi(content).events)]


def test_a_note_without_an_end_lasts_to_the_next_of_its_pitch_or_a_quarter() -> None:
    content = midi([on(60), on(64, TICKS), on(60, 2 * TICKS), on(67, TICKS), off(67, TICKS)])
    assert lengths(content) == [(60, 0, 3), (64, 1, 1), (60, 3, 1), (67, 4, 1)]
    assert parse_midi(content).unended == 3


def test_a_note_that_ends_where_it_begins_has_a_length() -> None:
    short = [on(38, 0, 9), off(38, 0, 9), on(38, TICKS // 2, 9), off(38, 0, 9), on(38, 4 * TICKS, 9), off(38, 0, 9)]
    assert lengths(midi(short)) == [(38, 0, 0.5), (38, 0.5, 1), (38, 4.5, 1)]
    assert parse_midi(midi(short)).unended == 3


def test_the_next_note_may_begin_before_the_end_of_the_last_is_written() -> None:
    content = midi([on(60), on(60, TICKS), off(60), off(60, TICKS)])
    assert lengths(content) == [(60, 0, 1), (60, 1, 1)]
    assert parse_midi(content).unended == 0


@pytest.mark.parametrize(
    "signature", [b"\0\xff\x59\2\xee\1", b"\0\xff\x59\2\0\x09", b"\0\xff\x59\0", b"\0\xff\x58\4\0\0\0\0"]
)
def test_a_damaged_signature_is_not_used(signature: bytes) -> None:
    assert lengths(midi([signature, on(60), off(60, TICKS)])) == [(60, 0, 1)]


def test_running_status_and_messages_of_the_system_are_passed_over() -> None:
    running = on(60) + delta(TICKS) + bytes([60, 0]) + b"\0\xf0\3\x43\x12\xf7" + on(62) + delta(TICKS) + bytes([62, 0])
    wrapped = midi([running + b"\0\xe0\0\x40\0\xb0\x40\x7f"])
    assert lengths(wrapped) == [(60, 0, 1), (62, 1, 1)]
    assert lengths(b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + wrapped) == lengths(wrapped)


def test_more_notes_than_any_music_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(midi([b"\0\x90" + bytes([60, 80]) + bytes([1, 60, 80]) * MAX_NOTES]))
    with pytest.raises(DataError):
        read_notes(path)


note = st.tuples(st.integers(0, 960), st.integers(1, 480), st.integers(30, 90), st.integers(1, 127), st.integers(0, 15))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(note, min_size=1, max_size=12), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(200_000, 1_000_000)), max_size=4, unique_by=lambda t: t[0]),
)
def test_notes_are_those_of_an_independent_reader(
    parts: list[list[tuple[int, int, int, int, int]]], tempi: list[tuple[int, int]]
) -> None:
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    timed = [[(tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in sorted(tempi)]]
    for part in parts:
        events, tick = [], 0
        for gap, length, pitch, velocity, channel in part:
            tick += gap
            start = mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)
            events += [(tick, start), (tick + length, mido.Message("note_off", note=pitch, channel=channel))]
            tick += length + 1
        timed.append(events)
    for events in timed:
        before, track = 0, mido.MidiTrack()
        for tick, message in events:
            track.append(message.copy(time=tick - before))
            before = tick
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    theirs = pretty_midi.PrettyMIDI(io.BytesIO(buffer.getvalue()))
    expected = [
        Note(n.start, n.end - n.start, n.pitch, n.velocity, part.program, part.is_drum)
        for part in theirs.instruments
        for n in part.notes
    ]
    found = parse_midi(buffer.getvalue())
    assert found.unended == 0
    ours, others = (sorted(notes, key=lambda n: (n[2:], n.onset)) for notes in (found.events, expected))
    assert [n[2:] for n in ours] == [n[2:] for n in others]
    assert [n.onset for n in ours] == pytest.approx([n.onset for n in others], abs=1e-6)
    assert sum(n.duration for n in found.events) == pytest.approx(sum(n.duration for n in expected))


def test_how_many_ends_were_assumed_is_kept_and_told(tmp_path: Path) -> None:
    scale = [on(60 + step % 12, TICKS // 2) for step in range(24)]
    (tmp_path / "x.mid").write_bytes(midi(scale))
    notes = read_notes(tmp_path / "x.mid")
    assert (len(notes.events), notes.unended) == (24, 24)
    assert Notes.from_json(notes.to_json()) == notes
    from models.folder import FolderModel

    class Played:
        def __call__(self) -> Any:
            from bench import GenerationRequest

            (made,) = FolderModel(tmp_path).generate([GenerationRequest(Prompt("x", "x"), 0, 10.0)])
            return made

    (scored,) = score_audio([Played()], ["melodic-complexity"])
    (score,) = scored.scores.values()
    assert score.value == 12
    assert score.details["unended_notes"] == int(np.sum(notes.onsets < 10))
