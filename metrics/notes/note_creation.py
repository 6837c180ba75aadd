"""Create notes from the posteriors of Basic Pitch.

The steps are those of the published note creation (Bittner et al., ICASSP 2022, section 2.3, and release
0.4.0): peaks of the onset posterior, sharpened by rises of the note posterior, begin notes; the energy that remains
after them is filled with notes grown from its strongest frames ("melodia" filling).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LOWEST_PITCH = 21

ONSET_THRESHOLD = 0.6
FRAME_THRESHOLD = 0.4
MIN_FRAMES = 8
"""A note must be longer than this many frames of 11.6 ms."""

PATIENCE = 11
"""Frames in a row below the frame threshold that end a note."""

Matrix = npt.NDArray[np.float32]


class FrameNote(NamedTuple):
    """A note in frames: from ``start`` up to but without ``end``, in posterior row ``row``, with its mean
    posterior."""

    start: int
    end: int
    row: int
    amplitude: float


def create_notes(frames: Matrix, onsets: Matrix) -> list[FrameNote]:
    """Create notes from the posteriors of sounding and beginning notes, each of shape (frames, pitches); in no
    particular order."""
    remaining = frames.copy()
    found = [
        *_notes_at_onsets(remaining, onset_peaks(frames, onsets)),
        *_notes_in_remaining_energy(remaining),
    ]
    return [FrameNote(start, end, row, float(frames[start:end, row].mean())) for start, end, row in found]


def onset_peaks(frames: Matrix, onsets: Matrix) -> Iterable[tuple[int, int]]:
    """Yield (frame, row) of every local maximum in time that reaches the onset threshold, latest first."""
    sharpened = np.maximum(onsets, inferred_onsets(frames, onsets))
    inner = sharpened[1:-1]
    peak = (inner > sharpened[:-2]) & (inner > sharpened[2:]) & (inner >= ONSET_THRESHOLD)
    at, row = np.nonzero(peak)
    return zip((at[::-1] + 1).tolist(), row[::-1].tolist(), strict=True)


def inferred_onsets(frames: Matrix, onsets: Matrix, lags: int = 2) -> Matrix:
    """Compute the rises of the note posterior against the frames before, scaled to the maximum of ``onsets``.

    Args:
        frames, onsets: posteriors of sounding and beginning notes, shape (frames, pitches).
        lags: how many frames before are compared; the smallest rise counts.

    Returns:
        Shape (frames, pitches), ≥ 0.
    """
    rise = np.zeros_like(frames)
    if len(frames) > lags:
        rise[lags:] = np.min([frames[lags:] - frames[lags - lag : -lag] for lag in range(1, lags + 1)], axis=0).clip(0)
    steepest = rise.max(initial=0.0)
    return rise * (onsets.max() / steepest) if steepest > 0 else rise


def _notes_at_onsets(remaining: Matrix, peaks: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Follow each onset until the energy stays low, and subtract the note's energy."""
    last = len(remaining) - 1
    for start, row in peaks:
        stop, quiet = _follow(remaining[start + 1 : last, row])
        end = start + 1 + stop - quiet
        if end - start > MIN_FRAMES:
            _take(remaining, start, end, row)
            yield start, end, row


def _notes_in_remaining_energy(remaining: Matrix) -> Iterator[tuple[int, int, int]]:
    """Grow notes both ways from the strongest remaining frame, repeatedly, and subtract their energy."""
    last = len(remaining) - 1
    # Energy is only ever subtracted, so one stable sort visits the frames in the order of a repeated argmax.
    middles, rows = np.nonzero(remaining > FRAME_THRESHOLD)
    strongest = np.argsort(-remaining[middles, rows], kind="stable")
    for middle, row in zip(middles[strongest].tolist(), rows[strongest].tolist(), strict=True):
        if remaining[middle, row] <= FRAME_THRESHOLD:
            continue
        forward, quiet_after = _follow(remaining[middle + 1 : last, row])
        backward, quiet_before = _follow(remaining[middle - 1 : 0 : -1, row]) if middle > 0 else (0, 0)
        start, end = middle - backward + quiet_before, middle + forward - quiet_after
        remaining[middle, row] = 0
        _take(remaining, middle + 1, middle + 1 + forward, row)
        _take(remaining, middle - backward, middle, row)
        if end - start > MIN_FRAMES:
            yield start, end, row


def _follow(energy: Matrix) -> tuple[int, int]:
    """Count the frames passed until the energy has stayed low for long enough or ended, and how many of the last were
    low."""
    quiet = 0
    passed = 0
    for loud in (energy >= FRAME_THRESHOLD).tolist():
        passed += 1
        quiet = 0 if loud else quiet + 1
        if quiet == PATIENCE:
            break
    return passed, quiet


def _take(remaining: Matrix, start: int, end: int, row: int) -> None:
    remaining[start:end, max(row - 1, 0) : row + 2] = 0
