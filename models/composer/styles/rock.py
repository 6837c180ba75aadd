"""Rock: power chords, a driving bass, loud drums, a riff and a lead guitar."""

from __future__ import annotations

import numpy as np

from bench.contracts.notes import Note
from models.composer.styles import Style
from models.composer.writing import parts
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section, chord_at
from models.composer.writing.melody import Manner
from models.composer.writing.rhythm import hits
from models.composer.writing.theory import near

_GROOVES = (
    {36: ("x--- --x- x-x- ----", "x--- --x- x--- --x-"), 38: (".... X--- .... X---",)},
    {36: ("x-x- ---- x-x- ----",), 38: (".... X--- .... X---",)},
    {36: ("x--- --x- --x- ----", "x--- --x- x-x- ----"), 38: (".... X--- .... X---",)},
)
_PUNK = {36: ("x-.. x-.. x-x- x-..", "x-.. x-.. x-.. x-.."), 38: ("..X- ..X- ..X- ..X-",)}
_FILL = {
    38: ("X--- ..x. X.xx XXXX",),
    36: ("x--- x--- x--- x---",),
    47: (".... .... ..x. ....",),
    45: (".... .... .... x.x.",),
}
_RIFFS = (
    ("X-oo X-oo X-oo X-oo",),
    ("X-o- o-X- o-X- o-o-", "X-o- o-X- o-X- X-X-"),
    ("X--X --X- X--X --o-",),
    ("X--- --o- X-o- X---", "X--- --o- X-X- X-o-"),
    ("o-o- o-o- o-o- o-o-",),
)
_OPEN = (("X--- ---- ---- X-x-", "X--- ---- X--- ----"), ("X--- ---- X--- ----",))
_ARPEGGIO = ("0.1. 2.3. 4.3. 2.1.", "0.2. 3.2. 4.2. 3.2.")
_LEVELS = {36: 8, 38: 4, 42: -22, 46: -20, 51: -22, 49: -8, 39: -6, 57: -8}


def arrange(section: Section, brief: Brief, chance: np.random.Generator) -> list[Note]:
    """Arrange a section: verses (A) chug with closed hi-hat, choruses (B) ring with open chords and crash or ride."""
    band, chorus = brief.band, section.letter == "B"
    level = 90 + 6 * brief.energy + (6 if chorus else 0)
    notes = parts.tune(section.melody, section, band.lead, level + 12)
    riff = _RIFFS[int(chance.integers(len(_RIFFS)))]
    if band.chords in (29, 30):
        pattern = _OPEN[int(chance.integers(len(_OPEN)))] if chorus else riff
        notes += _power_chords(section, band.chords, pattern, level)
    elif band.chords is not None:
        if chorus:
            notes += parts.comped(section, band.chords, ("x--x --x- x-x- x-x-",), level - 20, 52, 73)
        else:
            notes += parts.broken(section, band.chords, str(chance.choice(_ARPEGGIO)), level - 10, 48, 69, 1.0)
    if band.counter is not None:
        if band.counter in (29, 30):
            notes += _power_chords(section, band.counter, riff, level - 16, octave=12)
        else:
            notes += parts.tune(parts.below(section, 52), section, band.counter, level - 10)
    if band.pad is not None:
        notes += parts.held(section, band.pad, level - 36)
    for number, program in enumerate(band.inner):
        if program in (29, 30):
            notes += _power_chords(section, program, _OPEN[0], level - 16)
        else:
            notes += parts.inner(section, program, number, level - 10)
    if band.bass is not None:
        steady = "r-r- r-r- r-r- r-r-"
        line = (steady, "r-r- r-r- r-r- f-r-") if chance.random() < 0.6 else ("r--r --r- r-r- r-r-",)
        notes += parts.bass_line(section, band.bass, line, level)
    if band.kit is not None:
        notes += _drums(section, brief, band.kit, level, chance)
    return notes


def _power_chords(
    section: Section, program: int, patterns: tuple[str, ...], level: float, octave: int = 0
) -> list[Note]:
    """Play root, fifth and octave; soft strokes are palm-muted, so they are short."""
    notes = []
    for bar in range(section.bars):
        for hit in hits(patterns[bar % len(patterns)], section.beats):
            start = bar * section.beats + hit.start
            harmony = chord_at(section.harmony, start).chord
            root = near(harmony.root, 43 + octave)
            fifth = root + (harmony.tones[2] - harmony.root) % 12
            length = hit.length * (0.95 if hit.accent >= 0 else 0.6)
            strings = (root, fifth, root + 12)
            notes += [parts.played(start, length, p, level + hit.accent / 2, program) for p in strings]
    return notes


def _drums(section: Section, brief: Brief, kit: int, level: float, chance: np.random.Generator) -> list[Note]:
    chorus = section.letter == "B"
    groove = dict(_PUNK if brief.bpm >= 160 else _GROOVES[int(chance.integers(len(_GROOVES)))])
    time = "x-x- x-x- x-x- x-x-" if brief.bpm < 150 else "x--- x--- x--- x---"
    groove[51 if chorus and chance.random() < 0.5 else 46 if chorus else 42] = (time,)
    if "claps" in brief.traits:
        groove[39] = (".... x--- .... x---",)
    groove = {key: patterns * (section.bars // len(patterns)) for key, patterns in groove.items()}
    for key in {**groove, **_FILL}:
        fill = _FILL.get(key, ("x--- x--- .... ....",))
        groove[key] = groove.get(key, ("....",) * section.bars)[: section.bars - 1] + fill
    crash = "X---" if not chorus else "X--- .... .... ...."
    groove[49] = tuple(crash if bar % 4 == 0 else "...." for bar in range(section.bars))
    return parts.drummed(section, kit, groove, level, _LEVELS)


STYLE = Style(
    tempo=(92, 164),
    minor=0.5,
    form="ABAB",
    progressions={
        "major": {
            "A": (
                "I | I | IV | IV | I | I | bVII | IV",
                "I | I | IV | IV | I | I | V | IV",
                "I | V | vi | IV | I | V | IV | I",
                "I | IV | V | IV | I | IV | V | I",
            ),
            "B": (
                "IV | I | V | vi | IV | I | V | I",
                "vi | IV | I | V | vi | IV | V | I",
                "I | iii | IV | V | I | iii | IV V | I",
            ),
            "L": ("I | I | I | I | IV | IV | I | I | V | IV | I | V",),
        },
        "minor": {
            "A": (
                "i | VI | VII | i | i | VI | VII | i",
                "i | VII | VI | VII | i | VII | VI | V",
                "i | i | iv | iv | i | i | VII | v",
                "i | III | VII | VI | i | III | VII | i",
            ),
            "B": (
                "VI | VII | i | i | VI | VII | V | i",
                "i | VI | III | VII | i | VI | VII | i",
                "III | VII | i | VI | III | VII | V | i",
            ),
            "L": ("i | i | i | i | iv | iv | i | i | v | iv | i | v",),
        },
    },
    manner=Manner(
        cells=(
            "x-x- x-x- x--x --x-",
            "x--- x-x- x--x --x-",
            "x-xx --x- x-x- x---",
            "x--x --x- x--- x-x-",
            "x--- ---- x-x- x-x-",
            "x-x- --x- x-x- x-x-",
        ),
        closes=("x-x- x--- ---- ----", "x--x --x- ---- ----", "x--- x--- x--- ----"),
    ),
    ensembles=(
        Ensemble(lead=(29,), chords=(30,), bass=(34, 33), kit=16),
        Ensemble(lead=(30, 29), chords=(29, 30), bass=(34,), pad=(18, None), kit=0),
        Ensemble(lead=(29,), chords=(30,), bass=(33,), counter=(27, 29, None), kit=16),
    ),
    arrange=arrange,
)
