"""Parts that bands of every style play: tunes, second voices, chords, basses, drums.

Each function returns notes whose onset and duration are in quarters from the section's beginning.

Common arguments: ``program`` is a General MIDI program (a kit for drums), ``velocity`` a MIDI velocity from 1 to 127,
``low``, ``high`` and ``centre`` are MIDI pitches, and ``touch`` is the share of its length that a note sounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.contracts.notes import Note
from models.composer.writing.form import Section, Span, Tone, chord_at
from models.composer.writing.rhythm import hits
from models.composer.writing.theory import chord_scale, ladder, near

Voicing = tuple[int, ...]


def played(start: float, length: float, pitch: int, velocity: float, program: int, drum: bool = False) -> Note:
    """Create one note in quarters, its velocity kept within 1 to 127."""
    return Note(start, length, pitch, round(min(127.0, max(1.0, velocity))), program, drum)


def tune(
    tones: Sequence[Tone], section: Section, program: int, velocity: float, *, octaves: int = 0, touch: float = 0.95
) -> list[Note]:
    """Play a melody with the swell of its four-bar phrases, ``octaves`` above where it is written."""
    phrase = 4.0 * section.beats
    return [
        played(
            tone.start,
            tone.length * touch,
            tone.pitch + 12 * octaves,
            velocity + tone.accent / 2 + 9 * math.sin(math.pi * (tone.start % phrase) / phrase),
            program,
        )
        for tone in tones
    ]


def below(section: Section, low: int, *, unison: bool = False) -> list[Tone]:
    """Write a second voice below the melody, no lower than ``low``: thirds and sixths, chord tones on beats; or an
    octave that fits."""
    voice = []
    for tone in section.melody:
        pitch = tone.pitch
        if not unison:
            sounding = chord_at(section.harmony, tone.start).chord
            on_beat = tone.start % 1 == 0
            tones = sounding.tones if on_beat else tuple(chord_scale(section.key, sounding))
            choices = ladder(tones, tone.pitch - 9, tone.pitch - 3)
            pitch = choices[-1] if choices else tone.pitch - 12
        while pitch < low:
            pitch += 12
        voice.append(tone._replace(pitch=pitch))
    return voice


def inner_line(section: Section, centre: int, member: int, length: float) -> list[Tone]:
    """Write a quiet line that holds one chord tone after another, each the nearest to the last.

    ``member`` counts chord tones from the root and says where the line begins; ``length`` is the longest note in
    quarters.
    """
    pitch = near(section.harmony[0].chord.tones[member % len(section.harmony[0].chord.tones)], centre)
    line = []
    for span in section.harmony:
        tones = ladder(span.chord.tones[1:], centre - 7, centre + 8)
        pitch = min(tones, key=lambda p, last=pitch: (abs(p - last), p))  # type: ignore[misc]
        start = span.start
        while start < span.start + span.length:
            held = min(length, span.start + span.length - start)
            line.append(Tone(start, held, pitch))
            start += held
    return line


def voicings(harmony: Sequence[Span], low: int, high: int) -> list[Voicing]:
    """Return chords in close position between two pitches, each as close as possible to the one before.

    The range must span at least 16 semitones, so that every inversion of every chord fits somewhere.
    """
    found: list[Voicing] = []
    before: Voicing | None = None
    for span in harmony:
        tones = span.chord.tones
        choices = []
        for start in ladder(tones, low, high):
            rest = sorted(start + (pc - start) % 12 for pc in tones)
            if rest[-1] <= high:
                choices.append(tuple(rest))
        middle = (low + high) / 2
        target = before or tuple(round(middle) + 4 * place for place in range(-1, 2))
        before = min(choices, key=lambda v, t=target: (_distance(v, t), v))  # type: ignore[misc]
        found.append(before)
    return found


def _distance(a: Voicing, b: Voicing) -> float:
    return sum(min(abs(x - y) for y in b) for x in a) + abs(sum(a) / len(a) - sum(b) / len(b))


def held(section: Section, program: int, velocity: float, low: int = 55, high: int = 76) -> list[Note]:
    """Play chords, each held for as long as it lasts."""
    return [
        played(span.start, span.length * 0.97, pitch, velocity, program)
        for span, voicing in zip(section.harmony, voicings(section.harmony, low, high), strict=True)
        for pitch in voicing
    ]


def comped(
    section: Section, program: int, patterns: Sequence[str], velocity: float, low: int, high: int, touch: float = 0.9
) -> list[Note]:
    """Play chords in the rhythm of one-bar patterns (`models.composer.writing.rhythm`), taken in turn."""
    chords = dict(zip(section.harmony, voicings(section.harmony, low, high), strict=True))
    notes = []
    for bar in range(section.bars):
        for hit in hits(patterns[bar % len(patterns)], section.beats):
            start = bar * section.beats + hit.start
            voicing = chords[chord_at(section.harmony, start)]
            notes += [played(start, hit.length * touch, p, velocity + hit.accent, program) for p in voicing]
    return notes


def broken(
    section: Section, program: int, pattern: str, velocity: float, low: int, high: int, length: float | None = None
) -> list[Note]:
    """Play chords one tone after another: digits in a one-bar pattern count the voicing's tones from below.

    A digit beyond the voicing continues an octave up; ``.`` rests. ``length`` in quarters overrides the slot's.
    """
    chords = dict(zip(section.harmony, voicings(section.harmony, low, high), strict=True))
    slots = pattern.replace(" ", "")
    slot = 4 / len(slots)
    notes = []
    for bar in range(section.bars):
        for place, digit in enumerate(slots[: round(section.beats / slot)]):
            if not digit.isdigit():
                continue
            start = bar * section.beats + place * slot
            voicing = chords[chord_at(section.harmony, start)]
            octave, member = divmod(int(digit), len(voicing))
            accent = 6 if place * slot % 2 == 0 else 0
            pitch = voicing[member] + 12 * octave
            notes.append(played(start, length or slot * 0.95, pitch, velocity + accent, program))
    return notes


def bass_line(
    section: Section, program: int, patterns: Sequence[str], velocity: float, centre: int = 36, touch: float = 0.92
) -> list[Note]:
    """Play a bass in one-bar patterns: ``r`` the chord's bass, ``f`` its fifth, ``o`` its octave, ``-`` held, ``.``
    rest."""
    notes = []
    for bar in range(section.bars):
        slots = patterns[bar % len(patterns)].replace(" ", "")
        slot = 4 / len(slots)
        slots = slots[: round(section.beats / slot)]
        for place, mark in enumerate(slots):
            if mark not in "rfo":
                continue
            start = bar * section.beats + place * slot
            span = chord_at(section.harmony, start)
            root = near(span.chord.bass, centre)
            fifth = near(span.chord.tones[min(2, len(span.chord.tones) - 1)], root + 5)
            pitch = {"r": root, "f": fifth, "o": root + 12}[mark]
            sounding = (1 + len(slots[place + 1 :]) - len(slots[place + 1 :].lstrip("-"))) * slot
            sounding = min(sounding, span.start + span.length - start)
            accent = 6 if place * slot % 2 == 0 else 0
            notes.append(played(start, sounding * touch, pitch, velocity + accent, program))
    return notes


def drummed(
    section: Section, kit: int, groove: Mapping[int, Sequence[str]], velocity: float, levels: Mapping[int, int]
) -> list[Note]:
    """Play percussion: for each General MIDI percussion key its one-bar patterns (`models.composer.writing.rhythm`),
    taken in turn.

    ``levels`` raises or lowers the velocity of single instruments, by their key.
    """
    notes = []
    for bar in range(section.bars):
        for key, patterns in groove.items():
            for hit in hits(patterns[bar % len(patterns)], section.beats):
                level = velocity + levels.get(key, 0) + hit.accent
                notes.append(played(bar * section.beats + hit.start, 0.25, key, level, kit, True))
    return notes


def inner(section: Section, program: int, number: int, velocity: float) -> list[Note]:
    """Play an instrument without a part of its own: timpani at the phrases' corners, else an inner voice.

    ``number`` counts these instruments from 0, so that each gets a voice of its own.
    """
    if program == 47:
        return _timpani(section, velocity)
    low_brass = program in (42, 57, 58, 70)
    centre = 50 if low_brass else 60 + 4 * (number % 3)
    return tune(inner_line(section, centre, number + 1, 2.0), section, program, velocity)


def _timpani(section: Section, velocity: float) -> list[Note]:
    """Play root strokes where every second bar begins, and a crescendo of eighths into every fourth."""
    notes = []
    for bar in range(section.bars):
        start = float(bar * section.beats)
        pitch = near(chord_at(section.harmony, start).chord.root, 46)
        if bar % 4 == 3:
            for place in range(section.beats * 2):
                at = start + place / 2
                drum = near(chord_at(section.harmony, at).chord.root, 46)
                notes.append(played(at, 0.5, drum, velocity - 14 + 2 * place, 47))
        elif bar % 2 == 0:
            notes.append(played(start, 1.0, pitch, velocity + 8, 47))
    return notes


def between(section: Section, start: float, low: int, high: int) -> int:
    """Return the scale tone nearest to halfway between two pitches, at the chord that sounds ``start`` quarters into
    the section."""
    tones = chord_scale(section.key, chord_at(section.harmony, start).chord)
    middle = (low + high) / 2
    return min(ladder(tones, min(low, high), max(low, high)), key=lambda pitch: (abs(pitch - middle), pitch))
