"""How accurately onsets are detected: compared with known notes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.contracts.audio import Audio
from bench.contracts.metric import DecodedClip
from bench.contracts.prompt import Prompt
from metrics.notes.grid import Times
from metrics.notes.onsets import PAUSE, Attacks, onsets_of

TOLERANCE = 0.05
"""Seconds by which a detected onset may be off and still count as found, as in MIREX."""


class OnsetAccuracy(NamedTuple):
    """Detected onsets compared with known ones.

    Attributes:
        recall: share of the onsets that were found, in [0, 1].
        precision: share of the detected onsets that are true, in [0, 1]; 1 where none is detected.
        bias: median delay in seconds; None where none is found.
        spread: standard deviation around it in seconds; None below two.
        attacks: how the onsets begin, according to the detector.
    """

    recall: float
    precision: float
    bias: float | None
    spread: float | None
    attacks: Attacks


def onset_accuracy(audio: Audio) -> OnsetAccuracy:
    """Compare the onsets detected in audio with those of its known notes, of which there is at least one."""
    heard = onsets_of(DecodedClip(audio, Prompt("etude", "an etude", "any")))
    played = audio.notes.onsets if audio.notes else np.empty(0)
    known = merge_close_onsets(played)
    errors = matched_errors(known, heard.times)
    return OnsetAccuracy(
        len(errors) / len(known),
        len(errors) / len(heard.times) if len(heard.times) else 1.0,
        float(np.median(errors)) if len(errors) else None,
        float(np.std(errors)) if len(errors) > 1 else None,
        heard.attacks,
    )


def merge_close_onsets(onsets: Times) -> Times:
    """Return ascending onsets, of which those that follow another within 30 ms count as one with it."""
    kept: list[float] = []
    for onset in np.sort(onsets).tolist():
        if not kept or onset - kept[-1] > PAUSE:
            kept.append(onset)
    return np.array(kept)


def matched_errors(known: Times, heard: Times, tolerance: float = TOLERANCE) -> Times:
    """Compute detected minus known times in seconds, for as many pairs as possible at most ``tolerance`` apart.

    Each onset is in at most one pair. Both are ascending, so pairing each with the first that is left is best.

    Args:
        known, heard: times in seconds, ascending, shape (onsets,).
        tolerance: in seconds.

    Returns:
        Shape (pairs,).
    """
    errors: list[float] = []
    place = 0
    for onset in known.tolist():
        while place < len(heard) and heard[place] < onset - tolerance:
            place += 1
        if place < len(heard) and heard[place] <= onset + tolerance:
            errors.append(float(heard[place]) - onset)
            place += 1
    return np.array(errors)
