"""Harmonic accuracy: the share of what sounds that belongs to one scale.

O. Mogren: C-RNN-GAN: Continuous recurrent neural networks with adversarial training. 2016, "scale
consistency". His script compares ``pitch % 12 - tonic`` with the scale without wrapping around the octave, so
most scales cannot reach 100 %; here pitch classes wrap, and the harmonic minor scale is a standard scale
too.

Each known note counts once. Audio is not turned into notes: each pitch class counts for as long as it sounds,
which is nearer to the truth than the notes of a transcriber, and is defined for more clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError
from bench.number_format import counted
from metrics.harmony_chance import chance_accuracy_of_sound
from metrics.human_music import read_human_music
from metrics.notes.key import TONICS
from metrics.notes.pitch_classes import MIN_CLASSES, SOURCE, Classes, heard_classes, needed_seconds, sounding_of
from metrics.notes.pitches import Pitches, known_pitches, validated_pitches
from metrics.notes.trial import try_transcriber
from metrics.notes.tuning import tuning_of

MIN_NOTES = 20
"""With fewer notes even random pitches score above 77 %."""

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "natural minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}

_NAMES = [f"{tonic} {mode}" for mode in SCALES for tonic in TONICS]
_MEMBERS = np.array(  # (scales, pitch classes), 1 where the class belongs
    [[(pc - tonic) % 12 in degrees for pc in range(12)] for degrees in SCALES.values() for tonic in range(12)],
    dtype=np.float64,
)


def harmonic_accuracy(pitches: Iterable[int]) -> float:
    """Compute the percent of notes, in (0, 100], whose pitch class belongs to the best matching scale.

    The scales are the major, natural minor and harmonic minor ones on all 12 tonics; every note counts once.

    Args:
        pitches: MIDI numbers, 0–127, one for each note, in any order.

    Raises:
        DataError: no pitches, or one that is not a whole number from 0 to 127.

    >>> harmonic_accuracy([60, 62, 64, 65, 67, 69, 71, 73])
    87.5
    """
    return scale_share(class_counts(pitches))


def scale_share(classes: Classes) -> float:
    """Compute the percent, in (0, 100], of the pitch classes' weights that the best matching scale has.

    Args:
        classes: weights ≥ 0, shape (12,) from C up, of which one is > 0.
    """
    return float(min(100.0, 100 * (_MEMBERS @ classes).max() / classes.sum()))


def best_scales(classes: Classes) -> list[str]:
    """Return every scale that reaches `scale_share`, such as ``C major`` and its relative ``A natural minor``.

    Args:
        classes: as for `scale_share`.
    """
    matches = _MEMBERS @ classes
    best = matches.max() * (1 - 1e-12)
    return [name for name, match in zip(_NAMES, matches, strict=True) if match >= best]


def in_best_scale(chords: Classes, classes: Classes) -> npt.NDArray[np.bool_]:
    """Return whether all tones of a chord belong to one of the best scales, shape (chords,).

    Args:
        chords: 1 where a pitch class belongs to the chord, else 0, shape (chords, 12).
        classes: weights that the scales are matched with, as for `scale_share`.
    """
    best = [_MEMBERS[_NAMES.index(name)] for name in best_scales(classes)]
    inside: npt.NDArray[np.bool_] = np.any([chords @ scale == chords.sum(axis=1) for scale in best], axis=0)
    return inside


def key_margin(classes: Classes) -> float:
    """Compute by how much the best scale exceeds the best one of other pitch classes, in percent of all weights: how
    clear the key is.

    A major scale and its relative natural minor hold the same pitch classes, and count as one.

    Args:
        classes: as for `scale_share`.
    """
    second, best = np.sort(np.unique(_MEMBERS, axis=0) @ classes)[-2:]
    return float(100 * (best - second) / classes.sum())


@cache
def chance_accuracy(notes: int) -> float:
    """Estimate the mean harmonic accuracy, in percent, of ``notes`` ≥ 1 pitches drawn uniformly; 10,000 draws, standard
    error ≤ 0.12.

    Raises:
        DataError: fewer than 1 note.
    """
    if notes < 1:
        raise DataError(f"chance is asked for {notes} notes, needs 1 or more")
    counts = np.random.default_rng(notes).multinomial(notes, np.full(12, 1 / 12), size=10_000)
    return float(100 * (counts @ _MEMBERS.T).max(axis=1).mean() / notes)


def class_counts(pitches: Iterable[int]) -> Classes:
    """Count the notes of each pitch class, shape (12,) from C up; args and raises as `harmonic_accuracy`."""
    return np.bincount(validated_pitches(pitches) % 12, minlength=12).astype(np.float64)


class HarmonicAccuracy(ClipMetric):
    """Percent of what the clip plays that lies in the best matching scale, with the value of random pitches beside it.

    With ``ranges``, a file that ``python -m metrics.human_music`` makes from labeled human music, a clip within the
    range of the prompt's genre gets the range's lower end, so that only clips below it are ranked. Details then hold
    ``accuracy`` (the plain percent), ``range`` and ``in_range``.

    Symbolic notes count once each; undefined below 20 of them. Audio counts by how long each pitch class sounds, tuned
    to A = 440 Hz; undefined below 3 s in all, or a tenth of the clip. Undefined, too, below 3 pitch classes, which
    always fit a scale. Details: ``scales`` (all best ones), ``margin`` over the best other scale in points, ``chance``
    for as much random music, ``corrected`` = 100 (value − chance) / (100 − chance), ``notes`` (what was counted),
    ``note_count`` or ``seconds``, ``tuning`` in cents above A = 440 Hz, and ``known`` where it is.

    Args:
        ranges: a file that ``python -m metrics.human_music`` makes from labeled human music; None ranks all.
    """

    version = 2
    family = "notes"
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)
    cannot_tell = "good harmony from one scale played up and down; modulations and blue notes count as errors"

    def __init__(self, ranges: str | None = None) -> None:
        self._ranges = None if ranges is None else read_human_music(Path(ranges)).harmony

    @classmethod
    def require(cls) -> None:
        try_transcriber()

    def score(self, clip: DecodedClip) -> Score:
        notes = clip.notes
        symbolic = notes is not None and notes.origin == "symbolic"
        score = _of_notes(notes.pitches) if notes is not None and symbolic else _of_sound(clip)
        if self._ranges is None or score.value is None:
            return score
        known = self._ranges.get((clip.prompt.genre or "").casefold())
        if known is None:
            return Score.undefined(f"no human music of the genre '{clip.prompt.genre}' is known", **score.details)
        return within_range(score, known)


def within_range(score: Score, known: tuple[float, float]) -> Score:
    """Cap a score at the lower end of a range, so that only what falls below it counts; ``accuracy`` keeps the plain
    one.

    Args:
        score: harmonic accuracy in percent, with ``chance`` in its details.
        known: lowest and highest percent of human music of the genre; the highest is only shown.
    """
    value, low = score.value or 0.0, known[0]
    ranked = min(value, low)
    chance = min(score.details["chance"], low)
    corrected = {"corrected": 100 * (ranked - chance) / (100 - chance)}
    details = {**score.details, **corrected, "accuracy": value, "range": known, "in_range": value >= low}
    return Score.of(ranked, **details)


def _of_notes(pitches: Pitches) -> Score:
    details: dict[str, Any] = {"notes": "symbolic", "note_count": len(pitches)}
    if len(pitches) < MIN_NOTES:
        return Score.undefined(f"{len(pitches)} notes, needs {MIN_NOTES}", **details)
    counts = class_counts(pitches)
    return _scored(counts, int(np.count_nonzero(counts)), chance_accuracy(len(pitches)), details)


def _of_sound(clip: DecodedClip) -> Score:
    sounding = sounding_of(clip)
    seconds = float(sounding.sum())
    details: dict[str, Any] = {"notes": SOURCE, "seconds": seconds, "tuning": tuning_of(clip)}
    if (known := known_pitches(clip)) is not None:
        details["known"] = harmonic_accuracy(known)
    needed = needed_seconds(clip)
    if seconds < needed:
        return Score.undefined(f"pitches sound for {seconds:.1f} s, needs {needed:.3g}", **details)
    return _scored(sounding, heard_classes(sounding), chance_accuracy_of_sound(seconds), details)


def _scored(classes: Classes, distinct: int, chance: float, details: Mapping[str, Any]) -> Score:
    if distinct < MIN_CLASSES:
        return Score.undefined(f"{counted(distinct, 'pitch class', 'pitch classes')}, needs {MIN_CLASSES}", **details)
    value = scale_share(classes)
    return Score.of(
        value,
        scales=best_scales(classes),
        margin=key_margin(classes),
        chance=chance,
        corrected=100 * (value - chance) / (100 - chance),
        **details,
    )
