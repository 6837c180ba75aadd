"""Sections: how a piece is divided, and the harmony of each part."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.composer.writing.theory import Chord, Key, chord


class Span(NamedTuple):
    """A chord and when it sounds, in quarters from the section's beginning."""

    start: float
    length: float
    chord: Chord


class Tone(NamedTuple):
    """A note of a melody, in quarters from the section's beginning."""

    start: float
    length: float
    pitch: int
    accent: int = 0


@dataclass(frozen=True)
class Section:
    """Some bars of one piece.

    Attributes:
        letter: which material it plays; sections of one letter share harmony and melody.
        repeat: how often this letter came before.
        beats: quarters in a bar.
        bars: number of bars.
        harmony: chords from beginning to end without gaps.
        melody: the tune.
        key: the key.
    """

    letter: str
    repeat: int
    beats: int
    bars: int
    harmony: tuple[Span, ...]
    melody: tuple[Tone, ...]
    key: Key

    @property
    def length(self) -> float:
        """Length in quarters."""
        return float(self.bars * self.beats)

    def bar(self, number: int) -> tuple[Span, ...]:
        """Return the chords of one bar, counted from 0."""
        first, last = number * self.beats, (number + 1) * self.beats
        return tuple(span for span in self.harmony if first <= span.start < last)


def chord_at(harmony: Sequence[Span], start: float) -> Span:
    """Return the chord that sounds at a moment, in quarters from the beginning of the first."""
    return harmony[max(0, bisect_right(harmony, start, key=lambda span: span.start) - 1)]


def spell(progression: str, key: Key, beats: int) -> tuple[Span, ...]:
    """Spell ``"I | vi IV | V7"`` as the chords of its bars; several chords share a bar evenly, on whole quarters.

    Args:
        progression: roman numerals as `models.composer.writing.theory.chord` reads them, bars divided by ``|``.
        key: the key.
        beats: quarters in a bar.
    """
    spans = []
    for number, bar in enumerate(progression.split("|")):
        figures = bar.split()
        starts = [number * beats + -(-beats * place // len(figures)) for place in range(len(figures))]
        ends = [*starts[1:], (number + 1) * beats]
        spans += [
            Span(float(start), float(end - start), chord(figure, key))
            for start, end, figure in zip(starts, ends, figures, strict=True)
        ]
    return tuple(spans)
