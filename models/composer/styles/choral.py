"""Choral music: a four-part choir with voice leading, passing notes, and what doubles or accompanies it."""

from __future__ import annotations

import numpy as np

from bench.contracts.notes import Note
from models.composer.styles import Style
from models.composer.writing import parts
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.choir import BASS, RANGES, SOPRANO, TENOR, Voices, four_parts, parallels
from models.composer.writing.form import Section, Span, Tone
from models.composer.writing.melody import Manner
from models.composer.writing.theory import Key, chord_scale, ladder

CHOIR = 52
_VOICE_LEVELS = (6, -3, -1, 3)  # the outer voices carry


def arrange(section: Section, brief: Brief, chance: np.random.Generator) -> list[Note]:
    """Arrange chords on quarters with ties in the lower voices, passing eighths between them, and a breath at the
    end."""
    band, level = brief.band, 82 + 9 * brief.energy + 4 * min(section.repeat, 2)
    spans = _pulses(section, 1.0)
    targets = [_target(section.melody, span.start) for span in spans]
    voices = four_parts(spans, targets, section.key)
    lines = _with_passing_notes(voices, spans, section.key, chance)
    notes = []
    for voice, line in enumerate(lines):
        notes += parts.tune(line, section, CHOIR, level + _VOICE_LEVELS[voice], touch=0.98)
    for part, program in (("chords", band.chords), ("pad", band.pad), ("bass", band.bass), ("counter", band.counter)):
        if program is not None and program != CHOIR:
            notes += _accompaniment(part, program, lines, section, level)
    if band.lead not in (CHOIR, 53, 54):
        descant = 12 if band.lead in (40, 72, 73, 74, 68) else 0
        notes += parts.tune(lines[SOPRANO], section, band.lead, level - 8, octaves=descant // 12)
    for number, program in enumerate(p for p in band.inner if p != CHOIR):
        notes += parts.inner(section, program, number, level - 14)
    if band.kit is not None:
        notes += parts.drummed(section, band.kit, {49: ("x---", *("....",) * 3)}, level, {49: -30})
    return notes


def _accompaniment(part: str, program: int, lines: list[list[Tone]], section: Section, level: float) -> list[Note]:
    """Accompany the choir: plucked and struck instruments break the chords; sustaining ones double voices."""
    if part == "bass":
        return parts.tune(lines[BASS], section, program, level - 12, octaves=0)
    if part == "counter":
        return parts.tune(lines[TENOR], section, program, level - 16)
    if program < 8 or program in (24, 25, 45, 46):
        return parts.broken(section, program, "0.1. 2.1. 0.1. 2.1.", level - 18, 48, 69, 1.0)
    return [note for line in lines for note in parts.tune(line, section, program, level - 26)]


def _pulses(section: Section, pulse: float) -> list[Span]:
    """Split the harmony into steps of at most so many quarters; the last bar's chord stays whole."""
    last = (section.bars - 1) * section.beats
    steps = []
    for start, length, chord in section.harmony:
        step = length if start >= last else pulse
        place = 0.0
        while place < length:
            steps.append(Span(start + place, min(step, length - place), chord))
            place += step
    steps[-1] = steps[-1]._replace(length=max(1.0, steps[-1].length - 0.5))
    return steps


def _target(melody: tuple[Tone, ...], start: float) -> int:
    sounding = [tone.pitch for tone in melody if tone.start <= start]
    return sounding[-1] if sounding else melody[0].pitch


def _with_passing_notes(voices: Voices, spans: list[Span], key: Key, chance: np.random.Generator) -> list[list[Tone]]:
    """Return four lines in which some leaps of a third are filled by step, wherever that makes no parallels.

    Repeated pitches within one chord are tied, so that voices that do not move do not repeat themselves.
    """
    middle = voices.copy()  # what sounds in the second half of each chord
    for place in range(len(spans) - 1):
        for voice in chance.permutation(4)[:2]:
            here, there = int(voices[place, voice]), int(voices[place + 1, voice])
            between = ladder(chord_scale(key, spans[place].chord), min(here, there) + 1, max(here, there) - 1)
            if abs(there - here) not in (3, 4) or len(between) != 1 or chance.random() > 0.75:
                continue
            middle[place, voice] = between[0]
            around = np.stack([voices[place], middle[place], voices[place + 1]])
            if parallels(around) or (np.diff(middle[place]) >= 0).any() or not _in_range(between[0], int(voice)):
                middle[place, voice] = here
    return [_line(voice, voices[:, voice].tolist(), middle[:, voice].tolist(), spans) for voice in range(4)]


def _line(voice: int, pitches: list[int], passing: list[int], spans: list[Span]) -> list[Tone]:
    """Return one voice: a tone for each chord, split before a passing note, tied to an equal one before it."""
    line: list[Tone] = []
    for span, pitch, after in zip(spans, pitches, passing, strict=True):
        length = span.length if after == pitch else span.length / 2
        tied = line and line[-1].pitch == pitch and voice != SOPRANO and span.start % 2 and span is not spans[-1]
        if tied:
            line[-1] = line[-1]._replace(length=line[-1].length + length)
        else:
            line.append(Tone(span.start, length, pitch))
        if after != pitch:
            line.append(Tone(span.start + length, length, after))
    return line


def _in_range(pitch: int, voice: int) -> bool:
    return RANGES[voice][0] <= pitch <= RANGES[voice][1]


STYLE = Style(
    tempo=(58, 96),
    minor=0.4,
    form="AABA",
    progressions={
        "major": {
            "A": (
                "I V6 | vi iii6 | IV I6 | V | I IV | ii6 V | vi IV6 | V7 I",
                "I IV | V6 I | ii6 V | I | vi IV | ii6 V7 | I6 IV | V7 I",
                "I vi | IV V | I6 IV | V | I V6 | vi ii6 | IV6 V7 | I",
                "I I6 | IV V | vi IV | V | I V/V | V V6 | I ii65 | V7 I",
            ),
            "B": (
                "I V6/vi | vi iii | IV I6 | V | ii V6/V | V I | IV V7 | I",
                "I ii6 | V vi | IV V6/V | V | I6 IV | ii V | I6 V43 | I",
            ),
        },
        "minor": {
            "A": (
                "i V6 | i iv6 | V i | V | i VI | iv6 V | i6 iio6 | V7 i",
                "i iv | VII III | VI iv | V | i V6 | i iv | i6 iio6 | V7 i",
                "i VII6 | III VI | iv6 V | i | VI iv | VII III6 | iio6 V7 | i",
            ),
            "B": (
                "i iv6 | V VI | iv i6 | V | VI III | iv i6 | iio65 V7 | i",
                "i VI | III VII6 | i iv | V | iv VII | III VI | iio6 V7 | i",
            ),
        },
    },
    manner=Manner(
        cells=("x--- x--- x--- x---", "x--- ---- x--- x---", "x--- x--- x--- ----", "x--- ---- x--- ----"),
        closes=("x--- x--- x--- ----", "x--- ---- x--- ----"),
    ),
    ensembles=(
        Ensemble(lead=(CHOIR,), chords=(None,), bass=(None,)),
        Ensemble(lead=(CHOIR,), chords=(19,), bass=(None,)),
        Ensemble(lead=(CHOIR,), chords=(None,), bass=(43,), pad=(48,)),
    ),
    arrange=arrange,
)
