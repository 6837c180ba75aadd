"""Keys, scales and roman numerals, read through music21 once and stored as pitch classes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

# The usual spelling of each key, by pitch class of the tonic.
MAJOR_KEYS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


class Key(NamedTuple):
    """A key such as ``Key("F#", "minor")``."""

    tonic: str
    mode: str

    @classmethod
    def parse(cls, name: str) -> Key:
        """Parse ``F# minor`` and similar names.

        Raises:
            ValueError: it does not consist of two words.
        """
        tonic, mode = name.split()
        return cls(tonic, mode)

    def __str__(self) -> str:
        return f"{self.tonic} {self.mode}"


class Chord(NamedTuple):
    """A chord in a key: pitch classes from the root up, and the one in the bass."""

    figure: str
    tones: tuple[int, ...]
    bass: int

    @property
    def root(self) -> int:
        """Pitch class of the root."""
        return self.tones[0]

    @property
    def third(self) -> int:
        """Pitch class of the third."""
        return self.tones[1]

    @property
    def seventh(self) -> int | None:
        """Pitch class of the seventh; None in a triad."""
        return self.tones[3] if len(self.tones) > 3 else None


@lru_cache(maxsize=2048)
def chord(figure: str, key: Key) -> Chord:
    """Return the chord that a roman numeral names in a key: ``V65``, ``iiø7``, ``V7/V``, ``bVII`` (music21's notation).

    In minor, VI and VII stand on the natural degrees and V is major, as harmonic minor has it.
    """
    from music21.roman import RomanNumeral

    numeral = RomanNumeral(figure, _music21_key(key))
    root = numeral.root()
    above = {(pitch.diatonicNoteNum - root.diatonicNoteNum) % 7: pitch.pitchClass for pitch in numeral.pitches}
    tones = tuple(above[step] for step in sorted(above))
    return Chord(figure, tones, numeral.bass().pitchClass)


@lru_cache(maxsize=128)
def scale(key: Key) -> frozenset[int]:
    """Return the pitch classes of the major or natural minor scale."""
    return frozenset(pitch.pitchClass for pitch in _music21_key(key).pitches)


@lru_cache(maxsize=128)
def tonic(key: Key) -> int:
    """Return the pitch class of the tonic."""
    return int(_music21_key(key).tonic.pitchClass)


@lru_cache(maxsize=4096)
def chord_scale(key: Key, harmony: Chord) -> frozenset[int]:
    """Return the key's scale with the chord's altered tones in place of their unaltered neighbors.

    Over V in minor this is harmonic minor; over V7/V in major it is the scale of the dominant.
    """
    kept = {pc for pc in scale(key) if pc in harmony.tones or not _is_displaced(pc, key, harmony)}
    return frozenset(kept | set(harmony.tones))


def _is_displaced(pc: int, key: Key, harmony: Chord) -> bool:
    return any((tone - pc) % 12 in (1, 11) and tone not in scale(key) for tone in harmony.tones)


@lru_cache(maxsize=64)
def _music21_key(key: Key):  # type: ignore[no-untyped-def]  # music21 is untyped
    from music21.key import Key as Music21Key

    return Music21Key(key.tonic.replace("b", "-"), key.mode)


def near(pitch_class: int, pitch: int) -> int:
    """Return the MIDI pitch of a pitch class that is nearest to a pitch; of two equally near ones the lower."""
    above = (pitch_class - pitch) % 12
    return pitch + (above if above < 6 else above - 12)


def ladder(pitch_classes: frozenset[int] | tuple[int, ...], low: int, high: int) -> list[int]:
    """Return all MIDI pitches of these pitch classes from low to high inclusive, ascending."""
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in pitch_classes]
