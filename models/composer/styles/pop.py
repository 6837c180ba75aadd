"""Pop: four-chord loops, a backbeat, a singable hook over bass, chords and pad."""

from __future__ import annotations

import numpy as np

from bench.contracts.notes import Note
from models.composer.styles import Style
from models.composer.writing import parts
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section
from models.composer.writing.melody import Manner

_GROOVES = (
    {36: ("x--- --x- x--- ----", "x--- --x- x-x- ----"), 38: (".... X--- .... X---",)},
    {36: ("x--- ---- x-x- ----", "x--- --x- --x- ----"), 38: (".... X--- .... X---",)},
    {36: ("x--- x--- x--- x---",), 38: (".... X--- .... X---",)},
)
_SOFT = {36: ("x--- ---- x--- ----",), 37: (".... x--- .... x---",)}
_FILL = {38: ("x... X... x.xx XxXX",), 36: ("x--- --x- x--- ----",)}
_HATS = ("x-o- x-o- x-o- x-o-", "x-x- x-x- x-x- x-x-", "xoxo xoxo xoxo xoxo")
_COMPING = (
    ("x--- ---- x--- ----", "x--- ---- x--- --x-"),
    ("x--- x--- x--- x---",),
    ("x--x --x- x--x --x-",),
    ("x-x- x-x- x-x- x-x-",),
)
_PICKING = ("0.1. 2.3. 2.1. 2.1.", "0.2. 1.2. 3.2. 1.2.", "0121 3121 0121 3121")
_BASSES = (("r-r- r-r- r-r- r-r-",), ("r--- --r- r--- --f-", "r--- --r- r-r- f-r-"), ("r--r --r- r--r --o-",))
_LEVELS = {36: 6, 42: -30, 46: -26, 49: -14, 39: -8, 37: -6, 54: -20, 70: -22}


def arrange(section: Section, brief: Brief, chance: np.random.Generator) -> list[Note]:
    """Arrange a section: verses (A) are thin, choruses (B) full; grooves change only between sections."""
    band, chorus = brief.band, section.letter == "B"
    level = 84 + 6 * brief.energy + (7 if chorus else 0)
    notes = parts.tune(section.melody, section, band.lead, level + 16)
    if band.counter is not None:
        notes += parts.tune(
            parts.below(section, 55) if chorus else parts.inner_line(section, 67, 1, 2.0),
            section,
            band.counter,
            level - 8,
        )
    for number, program in enumerate(band.inner):
        notes += parts.inner(section, program, number, level - 10)
    if band.chords is not None:
        if band.chords in range(24, 29) or brief.energy < -0.8:
            picking = str(chance.choice(_PICKING))
            notes += parts.broken(section, band.chords, picking, level - 10, 48, 69, 0.75)
        if band.chords not in range(24, 29) or chorus:
            comping = _COMPING[int(chance.integers(len(_COMPING)))]
            notes += parts.comped(section, band.chords, comping, level - 22, 52, 73)
    if band.pad is not None:
        notes += parts.held(section, band.pad, level - 38)
    if band.bass is not None:
        line = _BASSES[int(chance.integers(len(_BASSES)))]
        notes += parts.bass_line(
            section, band.bass, ("r--- ---- r--- ----",) if brief.energy < -1.5 else line, level + 2
        )
    if band.kit is not None:
        notes += _drums(section, brief, band.kit, level, chance)
    return notes


def _drums(section: Section, brief: Brief, kit: int, level: float, chance: np.random.Generator) -> list[Note]:
    chorus = section.letter == "B"
    groove = dict(_SOFT if brief.energy < -0.8 and not chorus else _GROOVES[int(chance.integers(len(_GROOVES)))])
    groove[42] = (_HATS[int(chance.integers(len(_HATS) - (brief.bpm > 120)))],)
    if "claps" in brief.traits or (chorus and brief.energy > 0):
        groove[39] = (".... x--- .... x---",)
    if chorus:
        groove[54] = ("x-o- x-o- x-o- x-o-",)  # tambourine
    groove = {key: patterns * (section.bars // len(patterns)) for key, patterns in groove.items()}
    for key in {**groove, **_FILL}:
        fill = _FILL.get(key, ("x--- x--- .... ....",))
        groove[key] = groove.get(key, ("....",) * section.bars)[: section.bars - 1] + fill
    groove[49] = ("x---",) + ("....",) * (section.bars - 1)
    return parts.drummed(section, kit, groove, level, _LEVELS)


STYLE = Style(
    tempo=(76, 126),
    minor=0.25,
    form="ABAB",
    progressions={
        "major": {
            "A": (
                "I | V | vi | IV | I | V | IV | I",
                "I | vi | IV | V | I | vi | IV V | I",
                "I | iii | IV | V | vi | iii | IV | V",
                "I | V6 | vi | V | IV | I6 | ii7 | V",
            ),
            "B": (
                "IV | V | I | vi | IV | V | I | I",
                "vi | IV | I | V | vi | IV | V | I",
                "I | V | vi | IV | ii7 | V | I | I",
            ),
        },
        "minor": {
            "A": (
                "i | VI | III | VII | i | VI | VII | i",
                "i | VII | VI | VII | i | VII | VI | V",
                "i | iv | VII | III | VI | iv | V | i",
            ),
            "B": (
                "VI | VII | i | i | VI | VII | III | i",
                "i | III | VII | iv | VI | VII | i | i",
                "VI | III | VII | i | VI | III | V | i",
            ),
        },
    },
    manner=Manner(
        cells=(
            "x-x- x-x- x--x --x-",
            "x--x --x- x-x- x---",
            "x-x- x--- x-x- x---",
            "x--- x-x- x--- x-x-",
            "..x- x-x- x--x --x-",
            "x--x --x- --x- x-x-",
        ),
        closes=("x-x- x--- ---- ....", "x--x --x- ---- ----", "x-x- x-x- x--- ----"),
    ),
    ensembles=(
        Ensemble(lead=(53, 85, 80), chords=(0, 4), bass=(33,), pad=(89, 48, None), kit=8),
        Ensemble(lead=(27, 73, 0), chords=(25, 4), bass=(33, 34), pad=(89, 48), kit=0),
        Ensemble(lead=(80, 81, 11), chords=(5, 90), bass=(38, 39), pad=(89, 50), kit=24),
    ),
    arrange=arrange,
)
