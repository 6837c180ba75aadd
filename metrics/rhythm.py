"""Rhythm: how close onsets are to evenly spaced lines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError
from metrics.notes import onsets as onset_detection
from metrics.notes.grid import Times, fit_phase
from metrics.notes.tempo import tempo_of
from metrics.notes.trial import try_onsets, try_tempo
from metrics.rhythm_lines import Found, Search, distinct, find_lines
from metrics.score_tempo import MIN_ONSETS, ScoreTempo, score_tempo

SIXTEENTHS = 4
"""Lines in a quarter note, by the definition of rhythmic inconsistency."""

STANDARD_QUARTER = 0.5
"""Quarter note in seconds that distances are relative to where none is known: that of 120 bpm."""


def rhythmic_inconsistency(onsets: Iterable[float], quarter: float) -> float:
    """Compute the mean distance of onsets from the nearest sixteenth-note line, in percent of a quarter note, in [0,
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
        if not np.isfinite(times / quarter * SIXTEENTHS).all():
            raise DataError(f"quarter: {quarter} s is too short to count in up to {np.abs(times).max()} s")
    deviation, _ = fit_phase(times, np.array([float(quarter) / SIXTEENTHS]))
    return float(100 / SIXTEENTHS * deviation[0])


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


class _RhythmMetric(ClipMetric):
    """Find the lines that the clip was played to, or say why there are none."""

    family = "rhythm"

    @classmethod
    def require(cls) -> None:
        try_onsets()
        try_tempo()

    def score(self, clip: DecodedClip) -> Score:
        tempo = score_tempo(clip)
        return self._of_audio(clip) if tempo is None else self._of_notes(clip, tempo)

    def _of_notes(self, clip: DecodedClip, tempo: ScoreTempo) -> Score:
        details: dict[str, Any] = {"notes": "symbolic", "onsets": tempo.onsets}
        if tempo.reason:
            details["tempo_reason"] = tempo.reason
        if tempo.found is None:
            return Score.undefined(f"{tempo.onsets} onsets, needs {MIN_ONSETS}", **details)
        return self._score(tempo.found, None if tempo.reason else tempo.quarter, clip, details)

    def _of_audio(self, clip: DecodedClip) -> Score:
        heard = onset_detection.onsets_of(clip)
        count = len(heard.times)
        details: dict[str, Any] = {"notes": onset_detection.VERSION, "onsets": count, "attacks": heard.attacks}
        if heard.attacks == "unclear" and heard.rise:
            needed = f"needs {onset_detection.SOFT_RISE:g} to place them"
            return Score.undefined(f"attacks rise by {heard.rise:.1f} dB, {needed}", **details)
        if count < MIN_ONSETS:
            return Score.undefined(f"{count} onsets, needs {MIN_ONSETS}", **details)
        beat = tempo_of(clip)
        if beat is None:
            return Score.undefined("no beat found", **details)
        details |= {"tracked_bpm": beat.bpm, "confidence": beat.confidence}
        found = clip.share("heard-lines@1", lambda: find_lines(heard.times, Search.HEARD, beat.quarter))
        return self._score(found, None, clip, details)

    @abstractmethod
    def _score(self, found: Found, quarter: float | None, clip: DecodedClip, details: dict[str, Any]) -> Score:
        """Score the lines of at least 16 onsets; ``details`` are those common to all rhythm metrics."""


def explained(found: Found) -> dict[str, float]:
    """Return the lines that were taken and how far the onsets are from them, both in milliseconds."""
    return {"lines_ms": 1000 * found.lines.spacing, "distance_ms": 1000 * found.distance}


def known_lines(clip: DecodedClip) -> Found | None:
    """Find the lines of the notes that the audio was rendered from; None where these or their quarter are unknown, or
    there are fewer than two onsets."""
    notes = clip.notes
    if notes is None or notes.origin != "known" or notes.quarter is None or len(distinct(notes.onsets)) < 2:
        return None
    return find_lines(notes.onsets, Search.KNOWN, notes.quarter)


class RhythmicInconsistency(_RhythmMetric):
    """Mean distance of the clip's onsets from the grid of beats and subdivisions fitting them, in percent of a quarter.

    Its lines are those of `RhythmGrid`. The quarter is that of the notes, where a MIDI or MusicXML file states one
    that fits them; a tracked quarter may be half or double the true one, so it is then 500 ms, whatever the tempo.
    Undefined as `RhythmGrid`. Details: ``percent_of`` (which quarter, in ms), ``lines_ms`` and ``distance_ms``,
    ``chance`` for as many random onsets and these lines, ``ratio`` = value / chance, ``sixteenths`` (with a known
    quarter: `rhythmic_inconsistency`), ``known`` (the value on the notes that the audio was rendered from), and as
    there.
    """

    version = 2
    unit = "% of a quarter"
    direction: ClassVar[Direction] = "lower"
    cannot_tell = (
        "tempo changes from bad timing, or whether a model beats chance: chance differs between clips and the table "
        "shows its mean; rhythm-grid compares each clip with its own"
    )

    def _score(self, found: Found, quarter: float | None, clip: DecodedClip, details: dict[str, Any]) -> Score:
        length = quarter or STANDARD_QUARTER
        if (known := known_lines(clip)) is not None:
            details["known"] = 100 * known.distance / STANDARD_QUARTER
        if quarter and clip.notes:
            details["sixteenths"] = rhythmic_inconsistency(clip.notes.onsets, quarter)
        return Score.of(
            100 * found.distance / length,
            percent_of=f"{'known' if quarter else 'fixed'} {1000 * length:g} ms",
            chance=100 * found.random_distance / length,
            ratio=found.value,
            **explained(found),
            **details,
        )


class RhythmGrid(_RhythmMetric):
    """How far the clip's onsets lie from the grid of beats and subdivisions fitting them: 0 on it, 1 as random onsets.

    With a known quarter, the lines are those that divide it into 1, 2, 3, 4, 6, 8 or 12. A tracked one may be wrong, so
    lines are searched that divide it, its half, double, 3/4, 4/3, 2/3 or 3/2 into eighths, sixteenths or triplets of
    either, ± 4 %. The lines with the smallest mean distance against random onsets are taken; the value is
    relative to what as many random onsets reach in the same search. Undefined below 16 onsets, without a beat, and
    where attacks are too soft to be placed. Details: ``lines_ms``, ``distance_ms``, ``onsets``, ``attacks`` (sharp or
    soft), ``tracked_bpm`` with the tracker's ``confidence`` in [0, 5.32], ``notes`` (the onsets' source),
    ``tempo_reason`` (why a file's tempo is not used), and ``known`` where it is.
    """

    version = 2
    unit = "of chance"
    direction: ClassVar[Direction] = "lower"
    cannot_tell = "expressive timing from sloppy timing"

    def _score(self, found: Found, quarter: float | None, clip: DecodedClip, details: dict[str, Any]) -> Score:
        del quarter
        if (known := known_lines(clip)) is not None:
            details["known"] = known.value
        return Score.of(found.value, chance=1.0, **explained(found), **details)
