"""Rhythm: how near onsets lie to a metrical grid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError
from metrics.notes import onsets as onset_detection
from metrics.notes.grid import Grid, Times, fit_grid, fit_phase
from metrics.notes.tempo import folded, tempo_of
from metrics.notes.trial import try_onsets, try_tempo
from metrics.rhythm_chance import STRAIGHT, TRIPLET, chance_deviation, chance_smaller_ratio

MIN_ONSETS = 16
"""Below this a fitted grid finds much order in random onsets, too."""


def rhythmic_inconsistency(onsets: Iterable[float], quarter: float) -> float:
    """Mean distance of onsets from the nearest sixteenth-note line, in percent of a quarter note, in [0,
    12.5].

    The phase of the grid is the one that fits best, found exactly; the tempo is taken as given.

    O. Mogren: C-RNN-GAN, 2016, reports the share of onsets on such a grid; the mean distance needs no
    tolerance.

    Args:
        onsets: onset times in seconds, in any order.
        quarter: length of a quarter note in seconds, > 0.

    Raises:
        DataError: no onsets, a time that is not finite, or a quarter that is not finite and positive.

    >>> rhythmic_inconsistency([0.0, 0.5, 1.0, 1.625], quarter=0.5)
    0.0
    """
    times = _validated_onsets(onsets)
    if not (np.isfinite(quarter) and quarter > 0):
        raise DataError(f"quarter: {quarter} s, expected a finite length above 0")
    with np.errstate(over="ignore"):
        if not np.isfinite(times / quarter * STRAIGHT).all():
            raise DataError(f"quarter: {quarter} s is too short to count in up to {np.abs(times).max()} s")
    deviation, _ = fit_phase(times, np.array([float(quarter)]), STRAIGHT)
    return float(100 * deviation[0])


def _validated_onsets(onsets: Iterable[float]) -> Times:
    try:
        times = np.asarray(onsets if isinstance(onsets, np.ndarray) else list(onsets), dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("onsets: expected a flat sequence of times in seconds") from None
    if times.ndim != 1 or not len(times):
        raise DataError(f"onsets: shape {times.shape}, expected (onsets,) with at least one onset")
    if not np.isfinite(times).all():
        at = int((~np.isfinite(times)).argmax())
        raise DataError(f"onsets: {times[at]} at index {at}, expected finite times in seconds")
    return np.sort(times)


@dataclass(frozen=True)
class Rhythm:
    """The onsets of a clip and the quarter note, in seconds, that grids are fitted around."""

    onsets: Times
    quarter: float

    @cached_property
    def count(self) -> int:
        return distinct(self.onsets)

    @property
    def quarters(self) -> float:
        """Quarter notes from the first onset to the last."""
        return float(self.onsets[-1] - self.onsets[0]) / self.quarter

    def fitted(self, lines: int) -> Grid:
        return fit_grid(self.onsets, self.quarter, lines)

    def ratio(self, grid: Grid, lines: int) -> float:
        """The grid's mean deviation over that of random onsets."""
        return grid.deviation / chance_deviation(self.count, self.quarters, lines)


def distinct(onsets: Times) -> int:
    """How many onsets there are; those of one chord, within a millisecond, count once."""
    return len(np.unique(onsets.round(3)))


class _RhythmMetric(ClipMetric):
    """Finds the clip's rhythm, or says why there is none."""

    @classmethod
    def require(cls) -> None:
        try_onsets()
        try_tempo()

    def score(self, clip: DecodedClip) -> Score:
        symbolic = clip.notes if clip.notes is not None and clip.notes.origin == "symbolic" else None
        onsets = symbolic.onsets if symbolic else onset_detection.onsets_of(clip)
        details: dict[str, Any] = {
            "notes": "symbolic" if symbolic else onset_detection.VERSION,
            "onsets": distinct(onsets),
        }
        if details["onsets"] < MIN_ONSETS:
            return Score.undefined(f"{details['onsets']} onsets, needs {MIN_ONSETS}", **details)
        if symbolic and symbolic.quarter is not None:
            return self._score(Rhythm(onsets, folded_quarter(symbolic.quarter)), clip, details)
        tempo = tempo_of(clip)
        if tempo is None:
            return Score.undefined("no beat found", **details)
        details["confidence"] = tempo.confidence
        return self._score(Rhythm(onsets, tempo.quarter), clip, details)

    @abstractmethod
    def _score(self, rhythm: Rhythm, clip: DecodedClip, details: dict[str, Any]) -> Score:
        """Score a rhythm of at least 16 onsets; ``details`` are those that all rhythm metrics give."""


def folded_quarter(quarter: float) -> float:
    """A quarter note in seconds with its tempo folded into [70, 140) bpm."""
    return 60 / folded(60 / quarter)


def known_rhythm(clip: DecodedClip) -> Rhythm | None:
    """The rhythm that the audio was rendered from, where somebody knows it."""
    notes = clip.notes
    if notes is None or notes.origin != "known" or notes.quarter is None or not len(notes.onsets):
        return None
    return Rhythm(notes.onsets, folded_quarter(notes.quarter))


class RhythmicInconsistency(_RhythmMetric):
    """Mean distance of the clip's onsets from the nearest sixteenth-note line, in percent of a quarter note.

    The grid has a constant tempo, fitted within ±4 % of the tracked one (folded into 70–140 bpm), and a free
    phase. Undefined below 16 onsets or without a beat. Details: ``tempo`` of the grid in bpm, ``onsets``,
    ``chance`` for as many random onsets with the same fit, ``ratio`` = value / chance, the tracker's
    ``confidence`` in [0, 5.32], ``notes`` (the onsets' source), and ``known`` where it is.
    """

    version = 1
    unit = "% of a quarter"
    direction: ClassVar[Direction] = "lower"

    def _score(self, rhythm: Rhythm, clip: DecodedClip, details: dict[str, Any]) -> Score:
        grid = rhythm.fitted(STRAIGHT)
        if (known := known_rhythm(clip)) is not None:
            details["known"] = 100 * known.fitted(STRAIGHT).deviation
        return Score.of(
            100 * grid.deviation,
            tempo=60 / grid.quarter,
            chance=100 * chance_deviation(rhythm.count, rhythm.quarters, STRAIGHT),
            ratio=rhythm.ratio(grid, STRAIGHT),
            **details,
        )


class RhythmGrid(_RhythmMetric):
    """How far the clip's onsets lie from a straight or a triplet grid, whichever fits better: 0 on it, 1 as
    random onsets.

    For each grid (sixteenths, sixteenth triplets) the fitted deviation is divided by that of random onsets;
    the smaller ratio is divided by its mean over random onsets, since a choice of two grids flatters those,
    too. Undefined as `RhythmicInconsistency`. Details: ``grid`` that fits better, its ``tempo`` in bpm,
    ``straight`` and ``triplet`` ratios, and as there.
    """

    version = 1
    unit = "of chance"
    direction: ClassVar[Direction] = "lower"

    def _score(self, rhythm: Rhythm, clip: DecodedClip, details: dict[str, Any]) -> Score:
        if (known := known_rhythm(clip)) is not None:
            details["known"] = _smaller_ratio(known)[0]
        value, explained = _smaller_ratio(rhythm)
        return Score.of(value, chance=1.0, **explained, **details)


def _smaller_ratio(rhythm: Rhythm) -> tuple[float, dict[str, Any]]:
    straight, triplet = rhythm.fitted(STRAIGHT), rhythm.fitted(TRIPLET)
    ratios = {"straight": rhythm.ratio(straight, STRAIGHT), "triplet": rhythm.ratio(triplet, TRIPLET)}
    better = min(ratios, key=lambda name: ratios[name])
    grid = {"straight": straight, "triplet": triplet}[better]
    value = ratios[better] / chance_smaller_ratio(rhythm.count, rhythm.quarters)
    return value, {"grid": better, "tempo": 60 / grid.quarter, **ratios}
