"""Jazz: swing, walking bass, ii–V–I, rootless comping, a ride cymbal; or a bossa nova, straight."""

from __future__ import annotations

import numpy as np

from bench.contracts.notes import Note
from models.composer.styles import Style
from models.composer.writing import parts
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section, Span, chord_at
from models.composer.writing.melody import Manner
from models.composer.writing.theory import chord_scale, ladder, near, scale

_COMPING = (
    ("x--x ----", ".--x --x-"),  # Charleston, then pushed
    (".x-. .x-.", "x--x ----"),
    ("x--- ...x", "-... x-.."),
    ("...x --x-", "x--x ---."),
)
_FOUR = ("x-x- x-x-",)  # rhythm guitar
_RIDES = (("x-xx x-xx",), ("x-xx x-xx", "x-x- x-xx"))
_SNARES = (".... ...o", "...o ....", ".... .o..", ".... ....", "..o. ...o")
_BOSSA = {36: ("x--x x--x",), 42: ("xxxx xxxx",), 37: ("x--x --x-", "--x- x---")}
_BOSSA_COMPING = ("x--x --x-", "x--x --x.")
_LEVELS = {51: 4, 44: -8, 36: -30, 38: -12, 37: -6, 42: -22, 49: -10, 40: -8}
_BRUSHES = 40


def arrange(section: Section, brief: Brief, chance: np.random.Generator) -> list[Note]:
    """Arrange the head first; when a section returns, the tune is played as a solo over it."""
    band, bossa = brief.band, "bossa" in brief.traits
    level = 84 + 5 * brief.energy
    notes = parts.tune(section.melody, section, band.lead, level + 12, touch=0.9)
    if band.counter is not None:
        unison = "unison" in brief.traits
        notes += parts.tune(parts.below(section, 48, unison=unison), section, band.counter, level + 2, touch=0.85)
    rootless = _rootless(section)
    if band.chords is not None:
        comping: tuple[str, ...] = _COMPING[int(chance.integers(len(_COMPING)))]
        if bossa:
            comping = _BOSSA_COMPING
        elif band.chords in range(24, 29):
            comping = _FOUR
        notes += parts.comped(
            rootless, band.chords, comping, level - 18, 50, 69, touch=0.7 if comping == _FOUR else 0.85
        )
    if band.pad is not None:
        notes += parts.held(rootless, band.pad, level - 40, 52, 72)
    for number, program in enumerate(band.inner):
        notes += parts.inner(rootless, program, number, level - 6)
    if band.bass is not None:
        if bossa:
            notes += parts.bass_line(section, band.bass, ("r--f f--r",), level, centre=38)
        else:
            notes += _walking(section, band.bass, level + 4, chance)
    if band.kit is not None:
        notes += _drums(section, brief, band.kit, level, chance)
    return notes


def _rootless(section: Section) -> Section:
    """Return the section with third, fifth, seventh and ninth as its chords, as a pianist plays them over a bass."""
    spans = []
    for span in section.harmony:
        chord = span.chord
        ninths = [(chord.root + step) % 12 for step in (2, 1)]
        ninth = next((pc for pc in ninths if pc in chord_scale(section.key, chord)), ninths[0])
        tones = (*chord.tones[1:], ninth) if chord.seventh is not None else chord.tones
        spans.append(Span(span.start, span.length, chord._replace(tones=tones)))
    return Section(
        section.letter, section.repeat, section.beats, section.bars, tuple(spans), section.melody, section.key
    )


def _walking(section: Section, program: int, velocity: float, chance: np.random.Generator) -> list[Note]:
    """Play a note on every beat: the root as a chord enters, then chord and scale tones, a step into the next root."""
    low, high = 28, 50
    pitch = near(section.harmony[0].chord.root, 38)
    notes = []
    for beat in range(round(section.length)):
        span = chord_at(section.harmony, beat)
        following = chord_at(section.harmony, (beat + 1) % section.length)
        if beat == span.start:
            pitch = _nearest_within(span.chord.root, pitch, low, high)
        elif following != span:
            goal = _nearest_within(following.chord.root, pitch, low, high)
            steps = [goal + move for move in (-1, 1, -2, 2) if low <= goal + move <= high]
            diatonic = [p for p in steps if p % 12 in scale(section.key) and p != pitch]
            pitch = int(chance.choice(diatonic or steps)) if chance.random() < 0.85 else max(low, goal - 1)
        else:
            tones = ladder(
                span.chord.tones if beat % 2 == 0 else tuple(chord_scale(section.key, span.chord)), low, high
            )
            close = [p for p in tones if 0 < abs(p - pitch) <= 5]
            pitch = int(chance.choice(close))
        accent = 5 if beat % 2 else 0  # the weight lies on two and four
        notes.append(parts.played(float(beat), 0.95, pitch, velocity + accent, program))
    return notes


def _nearest_within(pitch_class: int, pitch: int, low: int, high: int) -> int:
    return min(ladder((pitch_class,), low, high), key=lambda p: (abs(p - pitch), p))


def _drums(section: Section, brief: Brief, kit: int, level: float, chance: np.random.Generator) -> list[Note]:
    if "bossa" in brief.traits:
        return parts.drummed(section, kit, _BOSSA, level, _LEVELS)
    groove: dict[int, tuple[str, ...]] = {
        51: _RIDES[int(chance.integers(len(_RIDES)))],
        44: ("..x- ..x-",),
        36: ("x-x- x-x-",),
        38: (*(_SNARES[int(chance.integers(len(_SNARES)))] for _ in range(section.bars - 1)), "..x. xxx."),
    }
    if kit == _BRUSHES:
        groove[38] = ("xox. xox.",)  # taps; 40 is the swirl
        groove[40] = ("..x- ..x-",)
    return parts.drummed(section, kit, groove, level, _LEVELS)


STYLE = Style(
    tempo=(100, 200),
    minor=0.35,
    form="AABA",
    progressions={
        "major": {
            "A": (
                "I7 vi7 | ii7 V7 | iii7 vi7 | ii7 V7 | I7 | IV7 | ii7 V7 | I7",
                "ii7 | V7 | I7 | vi7 | ii7 | V7 | I7 | I7",
                "I7 | vi7 | ii7 | V7 | iii7 | vi7 | ii7 V7 | I7",
                "I7 | V7/V | ii7 V7 | I7 vi7 | ii7 | V7 | I7 vi7 | ii7 V7",
            ),
            "B": (
                "IV7 | IV7 | I7 | I7 | V7/V | V7/V | ii7 | V7",
                "iii7 | vi7 | iii7 | vi7 | ii7 | V7 | ii7 | V7",
                "vi7 | ii7 | V7 | I7 | IV7 | viiø7 | ii7 | V7",
            ),
            "L": ("V7/IV | V7/bVII | V7/IV | V7/IV | V7/bVII | V7/bVII | V7/IV | vi7 | ii7 | V7 | V7/IV vi7 | ii7 V7",),
        },
        "minor": {
            "A": (
                "i7 | iiø7 V7 | i7 | iv7 | iiø7 | V7 | i7 | iiø7 V7",
                "iv7 | VII7 | III7 | VI7 | iiø7 | V7 | i7 | i7",
                "i7 VI7 | iiø7 V7 | i7 VI7 | iiø7 V7 | iv7 | VII7 | iiø7 V7 | i7",
            ),
            "B": (
                "iv7 | VII7 | III7 | VI7 | iv7 | iv7 | iiø7 | V7",
                "VI7 | VI7 | i7 | i7 | iv7 | iv7 | iiø7 | V7",
            ),
            "L": ("i7 | iv7 | i7 | i7 | iv7 | iv7 | i7 | i7 | VI7 | V7 | i7 | iiø7 V7",),
        },
    },
    manner=Manner(
        cells=(
            "x-xx xxx-",
            "xxxx x-xx",
            ".xxx xxxx",
            "x--x x-xx",
            ".x-x x-x-",
            "xxxx xxxx",
            "x-xx -xx-",
        ),
        closes=("xxx- x---", "xx-x ----", "xxxx x--.", ".x-x ----"),
        fidelity=0.4,
    ),
    ensembles=(
        Ensemble(lead=(66, 65), chords=(0,), bass=(32,), kit=32),
        Ensemble(lead=(56, 59), chords=(0,), bass=(32,), counter=(66, None), kit=32),
        Ensemble(lead=(0,), chords=(0,), bass=(32,), kit=_BRUSHES),
        Ensemble(lead=(11, 26), chords=(0, 26), bass=(32,), kit=32),
    ),
    arrange=arrange,
    swing=True,
)
