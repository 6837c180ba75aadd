"""Classical music: periods with half and full cadences, for piano, strings, soloists or orchestra."""

from __future__ import annotations

import numpy as np

from bench.contracts.notes import Note
from models.composer.styles import Style
from models.composer.writing import parts
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section, Tone
from models.composer.writing.melody import Manner

_ALBERTI = ("0212 0212 0212 0212", "0.2. 1.2. 0.2. 1.2.", "0121 2121 0121 2121")
_NOCTURNE = ("0.2. 3.4. 3.2. 1.2.", "0.1. 2.3. 4.3. 2.1.")
_STRINGS = (("x-x- x-x- x-x- x-x-",), (".-x- x-x- .-x- x-x-",), ("x--- x--- x--- x---",))
_BASSES = (("r--- ---- f--- ----",), ("r--- r--- r--- r---",), ("r--- ---- ---- ----", "r--- ---- f--- ----"))
_KEYS, _PLUCKED = range(16), (24, 25, 45, 46)


def arrange(section: Section, brief: Brief, chance: np.random.Generator) -> list[Note]:
    """Arrange the tune over its accompaniment; when a section returns, it is ornamented or doubled."""
    band = brief.band
    level = 84 + 8 * brief.energy + (5 if section.letter == "B" else 0)
    melody = _ornamented(section, chance) if section.repeat else section.melody
    notes = parts.tune(melody, section, band.lead, level + 14)
    if band.counter is not None:
        voice = parts.below(section, 48) if section.repeat % 2 else parts.inner_line(section, 62, 1, 1.0)
        notes += parts.tune(voice, section, band.counter, level - 6)
    if band.chords is not None:
        notes += _accompaniment(section, brief, band.chords, level - 14, chance)
    if band.pad is not None:
        if brief.energy >= 0.3 or band.pad == 44:
            strings = _STRINGS[int(chance.integers(len(_STRINGS)))]
            notes += parts.comped(section, band.pad, strings, level - 26, 52, 72, touch=0.8)
        else:
            notes += parts.held(section, band.pad, level - 26, 52, 72)
    for number, program in enumerate(band.inner):
        notes += parts.inner(section, program, number, level - 8)
    if band.bass is not None:
        line = ("r--- .... .... ....",) if brief.beats == 3 else _BASSES[int(chance.integers(len(_BASSES)))]
        notes += parts.bass_line(section, band.bass, line, level - 2, centre=41)
    if band.kit is not None:
        notes += parts.drummed(section, band.kit, {49: ("x---", *("....",) * 7)}, level - 20, {})
    return notes


def _accompaniment(
    section: Section, brief: Brief, program: int, level: float, chance: np.random.Generator
) -> list[Note]:
    if brief.beats == 3:
        return parts.comped(section, program, (".... x--- x--- ....",), level, 50, 69, touch=0.6)
    if program in _KEYS or program in _PLUCKED:
        patterns: tuple[str, ...] = _NOCTURNE if brief.energy < -0.4 or brief.bpm < 80 else _ALBERTI
        if brief.bpm > 120:  # sixteenths would be too fast for a hand
            patterns = _ALBERTI[1:2]
        pattern = str(chance.choice(patterns))
        return parts.broken(section, program, pattern, level, 48, 66, 1.0 if patterns is _NOCTURNE else None)
    strings = _STRINGS[int(chance.integers(len(_STRINGS)))]
    return parts.comped(section, program, strings, level - 6, 52, 70, touch=0.75)


def _ornamented(section: Section, chance: np.random.Generator) -> tuple[Tone, ...]:
    """Return the tune with some of its quarters split into two eighths that move to the next note by step."""
    tones: list[Tone] = []
    for tone, following in zip(section.melody, (*section.melody[1:], None), strict=True):
        step = following.pitch - tone.pitch if following else 0
        if tone.length == 1 and 3 <= abs(step) <= 5 and chance.random() < 0.7:
            halfway = parts.between(section, tone.start, tone.pitch, tone.pitch + step)
            tones += [tone._replace(length=0.5), Tone(tone.start + 0.5, 0.5, halfway)]
        else:
            tones.append(tone)
    return tuple(tones)


STYLE = Style(
    tempo=(66, 144),
    minor=0.4,
    form="ABAB",
    progressions={
        "major": {
            "A": (
                "I | V65 | I | V | I | IV | I64 V7 | I",
                "I | I | ii6 | V | I | vi | ii6 V7 | I",
                "I | IV | V7 | I6 | ii6 | V | I64 V7 | I",
                "I | V6 | vi | V | IV | I6 | ii6 V7 | I",
            ),
            "B": (
                "V | I | V7/V | V | ii | vi | ii65 V7 | I",
                "vi | V6/V | V | I | IV | ii6 | I64 V7 | I",
                "IV | I6 | V43 | I | V6/ii | ii | I64 V7 | I",
            ),
        },
        "minor": {
            "A": (
                "i | V65 | i | V | i | iv | i64 V7 | i",
                "i | iv6 | V | i | VI | iv | iio6 V7 | i",
                "i | VII | III | V | i | iv6 | i64 V7 | i",
            ),
            "B": (
                "III | VII | i | V | iv | i6 | iio6 V7 | i",
                "VI | III | iv | V | i | VI | i64 V7 | i",
                "iv | VII | III | VI | iio6 | V | i64 V7 | i",
            ),
        },
    },
    manner=Manner(
        cells=(
            "x--- x-x- x--- x---",
            "x-x- x-x- x--- x---",
            "x--x xxx- x--- x-x-",
            "x--- x--- x-x- x-x-",
            "x--x x--- x-x- x---",
            "xxxx x-x- x--- x---",
            "x--- ---- x--x x-x-",
        ),
        closes=("x-x- x--- x--- ----", "x--- x--- x--- ----", "x-x- x-x- x--- ...."),
    ),
    ensembles=(
        Ensemble(lead=(0,), chords=(0,), bass=(0,)),
        Ensemble(lead=(40,), chords=(None,), bass=(42,), pad=(48,), counter=(41,)),
        Ensemble(lead=(40, 73, 71), chords=(0,), bass=(42,)),
        Ensemble(lead=(40, 68, 73), chords=(None, 46), bass=(43,), pad=(48,), counter=(60, 42)),
    ),
    arrange=arrange,
)
