"""Melodic complexity: how many different pitches a clip uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from metrics.notes.pitches import known_pitches, pitches_of, validated_pitches
from metrics.notes.trial import try_transcriber
from metrics.notes.tuning import tuning_of

MIN_SHARE = 0.02
"""Share of the notes from which a pitch counts as intended; stray octave errors of a transcriber stay below."""

MIN_NOTES = 20
"""As for harmonic accuracy: with fewer notes, the value is mostly their number."""


def melodic_complexity(pitches: Iterable[int]) -> int:
    """Count the distinct pitches, 1–128.

    O. Mogren: C-RNN-GAN, 2016, "tone span and unique tones".

    Args:
        pitches: MIDI numbers, 0–127, one for each note, in any order.

    Raises:
        DataError: no pitches, or one that is not a whole number from 0 to 127.

    >>> melodic_complexity([60, 64, 67, 72, 60])
    4
    """
    return len(np.unique(validated_pitches(pitches)))


def pitch_variety(pitches: Iterable[int]) -> int:
    """Count the distinct pitches that each make up at least 2 % of the notes, 0–50.

    Args and raises as for `melodic_complexity`.

    >>> pitch_variety([60] * 99 + [72])
    1
    """
    _, counts = np.unique(validated_pitches(pitches), return_counts=True)
    return int(np.count_nonzero(counts >= MIN_SHARE * counts.sum()))


class MelodicComplexity(ClipMetric):
    """Distinct pitches in the clip; comparable only between clips of one length.

    Undefined below 20 notes. Details: ``note_count``, ``notes`` (their source), ``tuning`` in cents
    above A = 440 Hz where it was transcribed, and ``known`` where it is.
    """

    version = 2
    family = "notes"
    unit = "pitches"
    direction: ClassVar[Direction] = "none"
    cannot_tell = "a rich melody from transcription errors"

    @classmethod
    def require(cls) -> None:
        try_transcriber()

    def score(self, clip: DecodedClip) -> Score:
        return _score(clip, melodic_complexity)


class PitchVariety(ClipMetric):
    """Distinct pitches that make up at least 2 % of the notes; robust against stray transcription errors.

    Undefined below 20 notes; details as for `MelodicComplexity`.
    """

    version = 2
    family = "notes"
    unit = "pitches"
    direction: ClassVar[Direction] = "none"
    cannot_tell = "whether rare notes were meant; with 50 notes or fewer every pitch counts"

    @classmethod
    def require(cls) -> None:
        try_transcriber()

    def score(self, clip: DecodedClip) -> Score:
        return _score(clip, pitch_variety)


def _score(clip: DecodedClip, count: Callable[[Iterable[int]], int]) -> Score:
    pitches, source = pitches_of(clip)
    details: dict[str, Any] = {"notes": source, "note_count": len(pitches)}
    if source != "symbolic":
        details["tuning"] = tuning_of(clip)
    if len(pitches) < MIN_NOTES:
        return Score.undefined(f"{len(pitches)} notes, needs {MIN_NOTES}", **details)
    if (known := known_pitches(clip)) is not None:
        details["known"] = float(count(known))
    return Score.of(count(pitches), **details)
