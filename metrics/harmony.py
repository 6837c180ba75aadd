"""Harmonic accuracy: how many notes belong to one scale.

O. Mogren: C-RNN-GAN: Continuous recurrent neural networks with adversarial training. 2016, "scale
consistency". His script compares ``pitch % 12 - tonic`` with the scale without wrapping round the octave, so
most scales cannot reach 100 %; here pitch classes wrap, and the harmonic minor scale is a standard scale
too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError
from metrics.notes.key import TONICS
from metrics.notes.pitches import known_pitches, pitches_of, validated_pitches
from metrics.notes.trial import try_transcriber

MIN_NOTES = 20
"""Below this even random pitches score above 77 %."""

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "natural minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}

_NAMES = [f"{tonic} {mode}" for mode in SCALES for tonic in TONICS]
_MEMBERS = np.array(  # (scales, pitch classes), 1 where the class belongs
    [[(pc - tonic) % 12 in degrees for pc in range(12)] for degrees in SCALES.values() for tonic in range(12)],
    dtype=np.int64,
)


def harmonic_accuracy(pitches: Iterable[int]) -> float:
    """Percent of notes, in (0, 100], whose pitch class belongs to the best matching scale.

    The scales are the major, natural minor and harmonic minor ones on all 12 tonics; every note counts once.

    Args:
        pitches: MIDI numbers, 0–127, one for each note, in any order.

    Raises:
        DataError: no pitches, or one that is not a whole number from 0 to 127.

    >>> harmonic_accuracy([60, 62, 64, 65, 67, 69, 71, 73])
    87.5
    """
    counts = _class_counts(pitches)
    return float(100 * (_MEMBERS @ counts).max() / counts.sum())


def best_scales(pitches: Iterable[int]) -> list[str]:
    """Every scale that reaches `harmonic_accuracy`, such as ``C major`` and its relative ``A natural
    minor``."""
    matches = _MEMBERS @ _class_counts(pitches)
    return [name for name, match in zip(_NAMES, matches, strict=True) if match == matches.max()]


@cache
def chance_accuracy(notes: int) -> float:
    """Mean harmonic accuracy, in percent, of ``notes`` ≥ 1 pitches drawn uniformly; 10,000 draws, standard
    error ≤ 0.12."""
    if notes < 1:
        raise DataError(f"chance is asked for {notes} notes, needs 1 or more")
    counts = np.random.default_rng(notes).multinomial(notes, np.full(12, 1 / 12), size=10_000)
    return float(100 * (counts @ _MEMBERS.T).max(axis=1).mean() / notes)


def _class_counts(pitches: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.bincount(validated_pitches(pitches) % 12, minlength=12)


class HarmonicAccuracy(ClipMetric):
    """Percent of the clip's notes in the best matching scale, with what random pitches would score.

    Undefined below 20 notes. Details: ``scales`` (all best ones), ``chance`` for as many random notes,
    ``corrected`` = 100 (value − chance) / (100 − chance), ``note_count``, ``notes`` (their source), and
    ``known`` where it is.
    """

    version = 1
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)

    @classmethod
    def require(cls) -> None:
        try_transcriber()

    def score(self, clip: DecodedClip) -> Score:
        pitches, source = pitches_of(clip)
        details: dict[str, Any] = {"notes": source, "note_count": len(pitches)}
        if len(pitches) < MIN_NOTES:
            return Score.undefined(f"{len(pitches)} notes, needs {MIN_NOTES}", **details)
        value, chance = harmonic_accuracy(pitches), chance_accuracy(len(pitches))
        details |= {
            "scales": best_scales(pitches),
            "chance": chance,
            "corrected": 100 * (value - chance) / (100 - chance),
        }
        if (known := known_pitches(clip)) is not None:
            details["known"] = harmonic_accuracy(known)
        return Score.of(value, **details)
