"""Dance: four on the floor, offbeat bass and hats, stabs, an arpeggio and a hook."""

from __future__ import annotations

import numpy as np

from bench.contracts.notes import Note
from models.composer.styles import Style
from models.composer.writing import parts
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section
from models.composer.writing.melody import Manner

_KICK = "X--- X--- X--- X---"
_CLAP = ".... x--- .... x---"
_OPEN_HAT = "..x- ..x- ..x- ..x-"
_CLOSED_HATS = ("xoxo xoxo xoxo xoxo", "o.x. o.x. o.x. o.x.", "xox. xox. xox. xoxo")
_BASSES = (
    ("..r- ..r- ..r- ..r-",),
    (".rrr .rrr .rrr .rrr",),
    ("..ro ..ro ..ro ..of", "..ro ..ro ..ro ..or"),
    ("r--r --r- ..r- r-o-",),
)
_STABS = (
    ("x--x --x- ..x- ..x-",),
    ("..x- ..x- ..x- ..x-",),
    ("x--x --x. .x-x --x-",),
    ("x... ..x. ..x. ....", "..x. ..x. ..x. x..."),
)
_ARPEGGIOS = ("0123 0123 0123 0123", "0213 2143 0213 2143", "0.12 .120 .12. 120.", "0120 3210 0120 3213")
_ROLL = ("x.x. x.x. xxxx xxxx",)
_LEVELS = {36: 14, 39: 0, 42: -32, 46: -16, 38: -14, 49: -10, 70: -28}


def arrange(section: Section, brief: Brief, chance: np.random.Generator) -> list[Note]:
    """Arrange a section: the kick never stops; bass figure, stabs, arpeggio and hook change between sections."""
    band, drop = brief.band, section.letter == "B"
    level = 86 + 5 * brief.energy + (6 if drop else 0)
    notes = parts.tune(section.melody, section, band.lead, level + 10, touch=0.85)
    if band.chords is not None:
        stabs = _STABS[int(chance.integers(len(_STABS)))]
        notes += parts.comped(section, band.chords, stabs, level - 16, 55, 76, touch=0.7)
    if band.counter is not None:
        arpeggio = str(chance.choice(_ARPEGGIOS))
        notes += parts.broken(section, band.counter, arpeggio, level - 24, 60, 79)
    for number, program in enumerate(band.inner):
        notes += parts.broken(section, program, "..0. ..1. ..2. ..1.", level - 14, 55 + 3 * number, 76 + 3 * number)
    if band.pad is not None:
        notes += _pumping(section, band.pad, level - 30)
    if band.bass is not None:
        line = _BASSES[int(chance.integers(len(_BASSES)))]
        notes += parts.bass_line(section, band.bass, line, level + 8, centre=38, touch=0.85)
    if band.kit is not None:
        notes += _drums(section, band.kit, level, chance)
    return notes


def _pumping(section: Section, program: int, level: float) -> list[Note]:
    """Play a pad that swells after every beat, as if a compressor were keyed by the kick."""
    return [
        parts.played(bar * section.beats + beat + 0.25, 0.7, note.pitch, level, program)
        for note in parts.held(section, program, level, 55, 76)
        for bar in range(section.bars)
        for beat in range(section.beats)
        if note.onset <= bar * section.beats + beat < note.onset + note.duration
    ]


def _drums(section: Section, kit: int, level: float, chance: np.random.Generator) -> list[Note]:
    bars = section.bars
    groove: dict[int, tuple[str, ...]] = {
        36: (_KICK,),
        39: (_CLAP,),
        46: (_OPEN_HAT,),
        42: (_CLOSED_HATS[int(chance.integers(len(_CLOSED_HATS)))],),
        70: ("xxxx xxxx xxxx xxxx",) if chance.random() < 0.5 else ("....",),
        38: ("....",) * (bars - 1) + _ROLL,
        49: ("X---",) + ("....",) * (bars - 1),
    }
    return parts.drummed(section, kit, groove, level - 12, _LEVELS)


STYLE = Style(
    tempo=(118, 134),
    minor=0.75,
    form="ABAB",
    progressions={
        "minor": {
            "A": (
                "i | VI | III | VII | i | VI | III | VII",
                "i | i | VI | VII | i | i | VI | VII",
                "i | III | VII | iv | i | III | VII | VI",
                "i | iv | VI | VII | i | iv | VI | VII",
            ),
            "B": (
                "VI | VII | i | III | VI | VII | i | i",
                "i | VII | VI | iv | i | VII | VI | VII",
                "VI | III | VII | i | VI | III | VII | i",
            ),
        },
        "major": {
            "A": (
                "I | V | vi | IV | I | V | vi | IV",
                "vi | IV | I | V | vi | IV | I | V",
                "I | iii | vi | IV | I | iii | IV | V",
            ),
            "B": ("IV | V | vi | I | IV | V | I | I", "IV | I | V | vi | IV | I | V | I"),
        },
    },
    manner=Manner(
        cells=(
            "x--x --x- x--x --x-",
            "x-xx -xx- x-xx -xx-",
            "x--x --x- ..x- x-x-",
            "x.xx .xx. x.x. xx.x",
            "..x- x-x- ..x- x-xx",
        ),
        closes=("x--x --x- x--- ....", "x-xx -xx- ---- ....", "x--x --x- ---- ----"),
        fidelity=0.8,
    ),
    ensembles=(
        Ensemble(lead=(81, 80), chords=(90, 81), bass=(38, 39), pad=(89, 95, None), counter=(80, 90, None), kit=24),
        Ensemble(lead=(80, 87), chords=(90, 4), bass=(38,), pad=(50, 89), counter=(None, 81), kit=25),
        Ensemble(lead=(81,), chords=(1, 0), bass=(39, 38), pad=(50, 48), counter=(90, None), kit=24),
    ),
    arrange=arrange,
)
