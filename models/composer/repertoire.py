"""Two halves of what the composer plays, with nothing in common: one for training, one for judging.

A network that was trained on the composer's music would otherwise be compared with the very sounds, chords and rhythms
it was trained on. The halves share genres, forms and voice leading; they share no soundfont program, no progression
that a style has two of, and no melodic rhythm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from bench.contracts.notes import Notes
from models.composer.styles import Style

T = TypeVar("T")

# General MIDI programs that can replace each other. The training half plays the first of a row where the other half
# plays the second; all further ones of the row are replaced likewise, in either half.
_STAND_INS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2, 3),  # pianos
    (4, 5),  # electric pianos
    (6, 7),  # harpsichord, clavinet
    (9, 8, 10, 14),  # glockenspiel, celesta
    (11, 12, 13),  # vibraphone, marimba
    (16, 18, 17),  # electric organs
    (19, 20),  # church organ, reed organ
    (22, 21, 23),  # harmonica, accordion
    (24, 25, 15),  # acoustic guitars
    (27, 26, 28),  # clean electric guitars
    (29, 30, 31),  # distorted electric guitars
    (32, 35),  # upright bass, fretless bass
    (33, 34, 36, 37),  # electric basses
    (38, 39, 87),  # synthesizer basses
    (40, 110, 41),  # solo violin, fiddle
    (42, 43),  # cello, double bass
    (46, 45),  # harp, pizzicato
    (48, 49, 44),  # strings
    (50, 51, 55),  # synthesized strings
    (52, 53, 54),  # voices
    (56, 57, 59),  # trumpet, trombone
    (60, 58),  # horn, tuba
    (62, 61, 63),  # brass sections
    (65, 64),  # alto and soprano saxophone
    (66, 67),  # tenor and baritone saxophone
    (68, 69),  # oboe, English horn
    (71, 70),  # clarinet, bassoon
    (73, 72, 74, 75, 76, 77, 78, 79),  # flutes
    (81, 84, 85, 86),  # bright synthesizer leads
    (80, 82, 83),  # soft synthesizer leads
    (104, 105, 106, 107, 108, 109, 111),  # instruments of the world
    (89, 95, 91, 92, 93, 94),  # warm pads
    (90, 88, 96, 97, 98, 99, 100, 101, 102, 103),  # plucked synthesizers
    (47, 117),  # timpani, melodic tom
    (114, 112, 113, 115, 116, 118),  # pitched percussion
)
_KIT_STAND_INS: tuple[tuple[int, ...], ...] = ((16, 8, 0, 48), (24, 25), (32, 40))


def _table(rows: tuple[tuple[int, ...], ...], place: int) -> Mapping[int, int]:
    return {program: row[place] for row in rows for program in row}


@dataclass(frozen=True)
class Repertoire:
    """One half of what the composer plays.

    Args:
        half: ``training`` or ``reference``.
    """

    half: str

    @property
    def _place(self) -> int:
        return 0 if self.half == "training" else 1

    def of(self, style: Style) -> Style:
        """Return a style with this half of its progressions and melodic rhythms; what it has only one of stays."""
        progressions = {
            mode: {letter: self._part(choices) for letter, choices in letters.items()}
            for mode, letters in style.progressions.items()
        }
        manner = style.manner
        manner = replace(manner, cells=self._part(manner.cells), closes=self._part(manner.closes))
        return replace(style, progressions=progressions, manner=manner)

    def cast(self, notes: Notes) -> Notes:
        """Return the notes played by this half's programs and drum kits.

        Programs for sound effects, which no style uses, stay.
        """
        pitched, kits = _table(_STAND_INS, self._place), _table(_KIT_STAND_INS, self._place)
        events = tuple(
            note._replace(program=(kits if note.drum else pitched).get(note.program, note.program))
            for note in notes.events
        )
        return replace(notes, events=events)

    def _part(self, choices: tuple[T, ...]) -> tuple[T, ...]:
        return choices if len(choices) < 2 else choices[self._place :: 2]
