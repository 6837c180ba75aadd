"""MIDI files → the notes that are played. The format is Standard MIDI Files 1.0, the MIDI Association's RP-001."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from bench.contracts.notes import Note
from models.performance import MAX_NOTES, Performance, Tempo

_MAX_TICK = 10_000_000  # largest tick of a note; some hours of music at the finest resolutions
_DEFAULT_TEMPO = 500_000  # µs a quarter: 120 bpm
_DRUMS = 9  # the channel, counted from 0
_SET_TEMPO, _END_OF_TRACK = 0x51, 0x2F
# Number of data bytes of messages: for channels by the upper half of the status, for the system by all of it.
_DATA = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2, 0xF1: 1, 0xF2: 2, 0xF3: 1}


@dataclass(slots=True)
class _Tone:
    """A note in ticks; ``end`` is its start where the file ends it at once, and None where the file does not end it."""

    start: int
    end: int | None
    pitch: int
    velocity: int
    program: int
    channel: int


def parse_midi(content: bytes) -> Performance:
    """Parse the notes and tempi of a MIDI file of format 0 or 1.

    Velocities, programs and drums (channel 10) are kept; pedals and pitch bends do not change a note, and key
    signatures are not read. Without a tempo the file plays at 120 bpm, as the MIDI standard says.

    A note that the file does not end lasts until the next of its pitch on its track and channel, or for a quarter note
    if none follows. One that ends where it begins is treated the same, but lasts a quarter note at most: drums are
    often written so.

    Raises:
        EOFError: it ends too early.
        ValueError: it is not such a file, holds an impossible value, or has more than `MAX_NOTES` notes.
    """
    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        content = content[20:]
    resolution, tracks = _chunks(content)
    changes: list[tuple[int, int]] = [(0, _DEFAULT_TEMPO)]
    tones: list[_Tone] = []
    unended = 0
    for track in tracks:
        read, tempi = _track(track, MAX_NOTES - len(tones))
        changes += tempi
        unended += _assume_ends(read, resolution)
        tones += read
    if tones and (latest := max(tone.end or 0 for tone in tones)) > _MAX_TICK:
        raise ValueError(f"its last note ends after {latest} ticks, it is likely corrupt")
    clock = _Clock(changes, resolution)
    events = [
        Note(
            start := clock.seconds(tone.start),
            clock.seconds(tone.end or 0) - start,
            tone.pitch,
            tone.velocity,
            tone.program,
            tone.channel == _DRUMS,
        )
        for tone in tones
    ]
    return Performance(events, clock.tempi, unended)


class _Clock:
    """Ticks → seconds, with the tempi of all tracks; of several at one tick the last is used."""

    def __init__(self, changes: list[tuple[int, int]], resolution: int) -> None:
        self._resolution = resolution
        by_tick = dict(sorted(changes, key=lambda change: change[0]))
        self._ticks = list(by_tick)
        self.tempi: list[Tempo] = []
        start, before = 0.0, 0
        for tick, tempo in by_tick.items():
            if self.tempi:
                start += (tick - before) * self.tempi[-1].quarter / resolution
            self.tempi.append(Tempo(start, tempo / 1e6))
            before = tick

    def seconds(self, tick: int) -> float:
        place = bisect_right(self._ticks, tick) - 1
        tempo = self.tempi[place]
        return tempo.start + (tick - self._ticks[place]) * tempo.quarter / self._resolution


def _chunks(content: bytes) -> tuple[int, list[bytes]]:
    """Return the ticks per quarter note, and the bytes of each track."""
    if content[:4] != b"MThd":
        raise ValueError("no header of a MIDI file")
    if len(content) < 14:
        raise EOFError
    length, form, count, division = struct.unpack(">IHHH", content[4:14])
    if form == 2:
        raise ValueError("format 2, independent sequences; save it as format 0 or 1")
    if form > 2:
        raise ValueError(f"format {form}, which does not exist")
    if division & 0x8000:
        raise ValueError("timed in film frames; save it with ticks per quarter note")
    if not division:
        raise ValueError("0 ticks to a quarter note")
    place = 8 + length
    tracks: list[bytes] = []
    while len(tracks) < count:
        if place + 8 > len(content):
            raise EOFError
        (size,) = struct.unpack(">I", content[place + 4 : place + 8])
        if content[place : place + 4] == b"MTrk":
            if place + 8 + size > len(content):
                raise EOFError
            tracks.append(content[place + 8 : place + 8 + size])
        place += 8 + size
    return division, tracks


def _track(track: bytes, most: int) -> tuple[list[_Tone], list[tuple[int, int]]]:
    """Return the notes of a track in the order of their starts, and its tempi as ticks and µs per quarter."""
    tones: list[_Tone] = []
    tempi: list[tuple[int, int]] = []
    programs = [0] * 16
    sounding: dict[tuple[int, int], list[int]] = defaultdict(list)
    for tick, status, data in _messages(track):
        kind, channel = status >> 4, status & 15
        if status == 0xFF:
            if data[0] == _SET_TEMPO and len(data) >= 4:
                tempo = int.from_bytes(data[1:4], "big")
                if not tempo:
                    raise ValueError("a tempo of 0 µs a quarter note")
                tempi.append((tick, tempo))
        elif kind == 0x9 and data[1]:
            if len(tones) >= most:
                raise ValueError(f"more than {MAX_NOTES} notes")
            sounding[channel, data[0]].append(len(tones))
            tones.append(_Tone(tick, None, data[0], data[1], programs[channel], channel))
        elif kind in (0x8, 0x9):
            _end(tones, sounding[channel, data[0]], tick)
        elif kind == 0xC:
            programs[channel] = data[0]
    return tones, tempi


def _end(tones: list[_Tone], open_: list[int], tick: int) -> None:
    """End the notes of a pitch: those that began earlier, or else those that begin at this tick."""
    # Some writers put the start of a repeated note before the end of the one before it.
    ended = [place for place in open_ if tones[place].start < tick]
    left = [place for place in open_ if tones[place].start == tick] if ended else []
    for place in ended or open_:
        tones[place].end = tick
    open_[:] = left


def _assume_ends(tones: list[_Tone], resolution: int) -> int:
    """Give an end to the notes of a track that have none, and return how many these are."""
    following: dict[tuple[int, int], int] = {}
    later: dict[tuple[int, int], int] = {}
    assumed = 0
    for tone in reversed(tones):
        voice, start, quarter = (tone.channel, tone.pitch), tone.start, tone.start + resolution
        if following.get(voice, -1) > start:
            later[voice] = following[voice]
        following[voice] = start
        if tone.end is None or tone.end == start:
            next_ = later.get(voice, quarter)
            tone.end = next_ if tone.end is None else min(next_, quarter)
            assumed += 1
    return assumed


def _messages(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the messages of a track: tick, status and data; of a meta message its type and then its data."""
    place, tick, status, length = 0, 0, 0, len(track)
    while place < length:
        delta = track[place]
        place += 1
        if delta > 0x7F:
            delta, place = _long_number(track, place - 1)
        tick += delta
        if place >= length:
            raise EOFError
        first = track[place]
        if first > 0x7F:
            place += 1
            if first < 0xF0:
                status = first
            elif first in (0xF0, 0xF7, 0xFF):
                start, place = place, place + (first == 0xFF)
                size, place = _long_number(track, place)
                if place + size > length:
                    raise EOFError
                if first == 0xFF:
                    yield tick, first, track[start : start + 1] + track[place : place + size]
                    if track[start] == _END_OF_TRACK:
                        return
                place += size
                continue
            else:
                place += _DATA.get(first, 0)
                continue
        elif not status:
            raise ValueError(f"data without a message at byte {place} of a track")
        end = place + _DATA[status >> 4]
        data = track[place:end]
        if end > length:
            raise EOFError
        if max(data) > 0x7F:
            raise ValueError(f"a value of {max(data)} in a message, at most 127 is possible")
        place = end
        yield tick, status, data


def _long_number(track: bytes, place: int) -> tuple[int, int]:
    """Return a number of up to four bytes with 7 bits each, and the place after it."""
    number = 0
    for at in range(place, min(place + 4, len(track))):
        number = number << 7 | track[at] & 0x7F
        if track[at] < 0x80:
            return number, at + 1
    if place + 4 > len(track):
        raise EOFError
    raise ValueError("a number of more than four bytes")
