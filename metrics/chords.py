"""Chords in key: for how long a clear chord of the clip's own key sounds."""

from __future__ import annotations

from typing import Any, ClassVar

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from metrics.harmony import in_best_scale
from metrics.harmony_chance import chance_chords_in_key
from metrics.notes import chords as chord_finding
from metrics.notes import tempo as tempo_tracking
from metrics.notes.chords import STEP, Chords
from metrics.notes.pitch_classes import needed_seconds
from metrics.notes.trial import try_tempo, try_transcriber
from metrics.notes.tuning import tuning_of

BAR = 4
"""Beats in a bar, for the rate of changes."""

SHOWN = 64
"""Chords that the details name."""


def chords_in_key(chords: Chords) -> tuple[float, float]:
    """Compute the percent of the time with sound in which a chord is clear, and in which it is clear and in key.

    A chord is clear where three quarters of what sounds belong to it, and in key where all of its tones belong to one
    of the scales that match the whole clip best.

    Args:
        chords: of one clip; pitches sound in at least one of them.
    """
    total = chords.steps.sum()
    in_key = in_best_scale(chords.tones, chords.seconds.sum(axis=0))
    shares = (chords.steps[chords.clear].sum(), chords.steps[chords.clear & in_key].sum())
    clear, both = (100 * float(share / total) for share in shares)
    return clear, both


class ChordsInKey(ClipMetric):
    """Percent of the time with pitches in which a clear chord of the clip's own key sounds.

    Recognized are major, minor, and three kinds of seventh chords. Undefined below 3 s of pitch in all, or a tenth of
    the clip. Details: ``clear`` (percent of the time with a clear chord of any key), ``in_key`` (percent of this that
    is in key), ``changes_per_bar`` of four beats and the ``bpm`` they are counted at, where there is a tempo,
    ``chords`` (the first 64), ``chance``, ``notes`` (what was counted), and ``tuning`` in cents above A = 440 Hz of
    audio.
    """

    version = 1
    family = "notes"
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)
    cannot_tell = (
        "a dull progression from a good one; borrowed chords count as errors, and a melody alone has few clear chords"
    )

    @classmethod
    def require(cls) -> None:
        try_transcriber()
        try_tempo()

    def score(self, clip: DecodedClip) -> Score:
        chords = chord_finding.chords_of(clip)
        seconds, needed = float(chords.seconds.sum()), needed_seconds(clip)
        symbolic = clip.notes is not None and clip.notes.origin == "symbolic"
        details: dict[str, Any] = {"notes": "symbolic" if symbolic else chord_finding.VERSION, "seconds": seconds}
        if not symbolic:
            details["tuning"] = tuning_of(clip)
        if seconds < needed:
            return Score.undefined(f"pitches sound for {seconds:.1f} s, needs {needed:.3g}", **details)
        clear, value = chords_in_key(chords)
        details |= {"clear": clear, "chance": chance_chords_in_key(seconds), "chords": list(chords.names[:SHOWN])}
        if clear > 0:
            details["in_key"] = 100 * value / clear
        if (bpm := _bpm(clip)) is not None:
            bars = chords.steps.sum() * STEP * bpm / 60 / BAR
            details |= {"changes_per_bar": (len(chords.names) - 1) / bars, "bpm": bpm}
        return Score.of(value, **details)


def _bpm(clip: DecodedClip) -> float | None:
    """Return the beats per minute, as known or as tracked."""
    if clip.notes is not None and clip.notes.quarter is not None:
        return 60 / clip.notes.quarter
    tempo = tempo_tracking.tempo_of(clip)
    return None if tempo is None else tempo.bpm
