"""The tempo of a MIDI or MusicXML file: what it states, checked against its notes.

Programs that transcribe or record write 120 bpm into files whose music has another tempo.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.contracts.metric import DecodedClip
from metrics.notes.grid import Times
from metrics.rhythm_lines import Found, Search, distinct, find_lines

MIN_ONSETS = 16
"""With fewer onsets, fitted lines find much order in random onsets, too."""

DOUBT = 0.25
"""How much closer other lines must be than those of the stated tempo, as a share of what random onsets reach."""

SLIP = 0.25
"""Lines by which others may drift over the clip and still count as fractions of the stated quarter."""

SCATTERED = 0.75
"""Share of chance from which notes count as falling anywhere between the beats of the stated lines."""

SLOWEST = 70.0
"""Lower end in bpm of the octave that a tempo is folded into where only the spacing of lines is known."""


@dataclass(frozen=True)
class ScoreTempo:
    """The tempo of notes, as far as it is known.

    Attributes:
        onsets: how many the notes have; those of a chord count once.
        quarter: its length in seconds, as stated or as estimated; None where it changes or is unknown.
        reason: why the stated one is not used; None where it is.
        found: lines of the notes; None below 16 onsets.
    """

    onsets: int
    quarter: float | None
    reason: str | None
    found: Found | None


def score_tempo(clip: DecodedClip) -> ScoreTempo | None:
    """Return the tempo of a clip that is scored on its notes, found once; None for audio."""
    notes = clip.notes
    if notes is None or notes.origin != "symbolic":
        return None
    return clip.share("score-tempo@1", lambda: check_tempo(notes.onsets, notes.quarter))


def check_tempo(onsets: Times, quarter: float | None) -> ScoreTempo:
    """Compare the lines of a stated quarter note with the best lines of any spacing.

    The stated one stands unless others are clearly closer to the notes. Fifths of a quarter also fit swing with uneven
    eighths at its tempo, which keeps to its beats; in that case the stated one stands as well.

    Args:
        onsets: seconds, in any order.
        quarter: as stated, in seconds; None where none is, or where it changes.
    """
    count = len(distinct(onsets))
    if count < MIN_ONSETS:
        return ScoreTempo(count, quarter, None if quarter else "no constant tempo is stated", None)
    stated = find_lines(onsets, Search.KNOWN, quarter) if quarter else None
    if quarter and stated and stated.value <= DOUBT:
        return ScoreTempo(count, quarter, None, stated)
    free = find_lines(onsets, Search.ANY)
    if quarter is None or stated is None:
        return ScoreTempo(count, folded_quarter(free), "no constant tempo is stated", free)
    keeps_to_beats = stated.value < SCATTERED and _is_fraction(free, quarter, onsets)
    if free.value > stated.value - DOUBT or keeps_to_beats:
        return ScoreTempo(count, quarter, None, stated)
    reason = (
        f"the stated {60 / quarter:g} bpm do not fit the notes: {stated.value:.2f} of chance,"
        f" {free.value:.2f} with lines {1000 * free.lines.spacing:.1f} ms apart"
    )
    return ScoreTempo(count, folded_quarter(free), reason, free)


def folded_quarter(found: Found) -> float | None:
    """Return a quarter note of 1, 2, 4, … spacings within 70 to 140 bpm; None if lines fit by chance only."""
    if found.value > 1 - DOUBT:
        return None
    quarter = found.lines.spacing
    while 60 / quarter >= 2 * SLOWEST:
        quarter *= 2
    return quarter


def _is_fraction(found: Found, quarter: float, onsets: Times) -> bool:
    """Return whether lines divide the quarter evenly, as far as the clip is long enough to show."""
    parts = round(quarter / found.lines.spacing)
    passed = float(onsets.max() - onsets.min()) / found.lines.spacing
    return parts >= 1 and abs(quarter / parts / found.lines.spacing - 1) * passed <= SLIP
