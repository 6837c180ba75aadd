"""Tunes: a motif, its repetition on other chords, an answer, and a cadence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.composer.writing.form import Span, Tone, chord_at
from models.composer.writing.rhythm import Hit, hits
from models.composer.writing.theory import Key, chord_scale, ladder, near, tonic

# The two-bar units that eight bars consist of: periods and sentences, whose repetitions make the tune memorable.
_PLANS = ("abac", "aabc", "abad", "aaab")

# Chances of moving by -3 ... 4 scale steps while the line tends upwards; mirrored while it tends downwards.
_MOVES = (-3, -2, -1, 0, 1, 2, 3, 4)
_UPWARDS = (0.03, 0.06, 0.18, 0.08, 0.40, 0.14, 0.07, 0.04)


class Motif(NamedTuple):
    """Two bars: a rhythm, and for each note its distance from the first in scale steps."""

    rhythm: tuple[Hit, ...]
    contour: tuple[int, ...]


@dataclass(frozen=True)
class Manner:
    """How a style's tunes go.

    Attributes:
        cells: one-bar rhythms to choose from.
        closes: one-bar rhythms that end a phrase, with a long note.
        fidelity: chance that a unit takes up the piece's main rhythm.
    """

    cells: tuple[str, ...]
    closes: tuple[str, ...]
    fidelity: float = 0.6


def melody(
    harmony: Sequence[Span], beats: int, key: Key, span: tuple[int, int], manner: Manner, chance: np.random.Generator
) -> tuple[Tone, ...]:
    """Invent a tune over a harmony.

    It is made of two-bar units, some of which return: same rhythm, same contour, fitted to the chords of the place.
    Notes on strong beats and long notes are chord tones, all others belong to the chord's scale. The last note is
    the tonic where the last chord has it, approached from the nearest chord tone.

    Args:
        harmony: chords without gaps, from quarter 0 to the end of a bar.
        beats: quarters in a bar.
        key: the key.
        span: lowest and highest MIDI pitch, at least an octave apart.
        manner: how the style's tunes go.
        chance: generator of the choices.
    """
    end = harmony[-1].start + harmony[-1].length
    units = -(-round(end) // (2 * beats))
    plan = str(chance.choice(_PLANS))
    centre = (span[0] + span[1]) // 2 + int(chance.integers(-2, 3))
    favourite = str(chance.choice(manner.cells))
    motifs: dict[str, Motif] = {}
    tones: list[Tone] = []
    for unit in range(units):
        name = plan[unit] if unit < len(plan) else plan[unit % len(plan)].upper()
        if name not in motifs:
            motifs[name] = _motif(favourite, unit % 2 == 1, beats, manner, chance)
        climax = 3 if unit % 4 == 2 else 0  # the third quarter of a tune is where it tends to rise
        tones += _fitted(motifs[name], unit * 2.0 * beats, centre + climax, harmony, beats, key, span)
    return _closed([tone for tone in tones if tone.start < end], harmony, key, span)


def _motif(favourite: str, closing: bool, beats: int, manner: Manner, chance: np.random.Generator) -> Motif:
    first = favourite if chance.random() < manner.fidelity else str(chance.choice(manner.cells))
    second = str(chance.choice(manner.closes if closing else manner.cells))
    rhythm = hits(first, beats) + tuple(hit._replace(start=hit.start + beats) for hit in hits(second, beats))
    steps, tendency, leap = [0], 1 if chance.random() < 0.6 else -1, 0
    while len(steps) < len(rhythm):
        # A leap is followed by a step back, as in most singable tunes.
        move = -int(np.sign(leap)) if leap else tendency * int(chance.choice(_MOVES, p=_UPWARDS))
        leap = 0 if leap or abs(move) < 3 else move
        steps.append(steps[-1] + (move if abs(steps[-1] + move) <= 5 else -move))
        if chance.random() < 0.3:
            tendency = -tendency
    return Motif(rhythm, tuple(steps))


def _fitted(
    motif: Motif, begin: float, centre: int, harmony: Sequence[Span], beats: int, key: Key, span: tuple[int, int]
) -> list[Tone]:
    """Fit a motif to the chords of its place."""
    low, high = span
    end = harmony[-1].start + harmony[-1].length
    anchor = None
    tones: list[Tone] = []
    for hit, step in zip(motif.rhythm, motif.contour, strict=True):
        start = begin + hit.start
        if start >= end:
            break
        sounding = chord_at(harmony, start)
        if anchor is None:
            anchor = _nearest(ladder(sounding.chord.tones, low, high), centre)
        rungs = ladder(chord_scale(key, sounding.chord), low, high)
        place = rungs.index(_nearest(rungs, anchor)) + step
        place = -place if place < 0 else 2 * (len(rungs) - 1) - place if place >= len(rungs) else place
        pitch = rungs[place]
        if hit.length >= 1 or start % beats in (0.0, 2.0):
            pitch = _nearest(ladder(sounding.chord.tones, low, high), pitch)
        length = hit.length
        after = sounding.start + sounding.length
        if start + length > after and after < end and pitch % 12 not in chord_at(harmony, after).chord.tones:
            length = after - start
        tones.append(Tone(start, length, pitch, hit.accent))
    return tones


def _closed(tones: list[Tone], harmony: Sequence[Span], key: Key, span: tuple[int, int]) -> tuple[Tone, ...]:
    """Return the tune with its last two notes made into a cadence."""
    final = chord_at(harmony, tones[-1].start).chord
    goal = tonic(key) if tonic(key) in final.tones else final.root
    last = _within(near(goal, tones[-1].pitch), span)
    tones[-1] = tones[-1]._replace(pitch=last)
    if len(tones) > 1:
        before = chord_at(harmony, tones[-2].start).chord
        steps = [pitch for pitch in ladder(before.tones, *span) if 0 < abs(pitch - last) <= 2]
        if steps:
            tones[-2] = tones[-2]._replace(pitch=_nearest(steps, tones[-2].pitch))
    return tuple(tones)


def _within(pitch: int, span: tuple[int, int]) -> int:
    return pitch + 12 if pitch < span[0] else pitch - 12 if pitch > span[1] else pitch


def _nearest(pitches: Sequence[int], pitch: int) -> int:
    return min(pitches, key=lambda candidate: (abs(candidate - pitch), candidate))
