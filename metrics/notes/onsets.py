"""Note onsets, picked from the spectral flux.

S. Böck, G. Widmer: Maximum Filter Vibrato Suppression for Onset Detection. DAFx 2013, as implemented by
librosa. Onsets are not taken from the transcribed notes: their frames are twice as long, and a slow attack
is heard late by a varying time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.audio import Samples
from bench.metric import DecodedClip
from metrics.notes.signal import audible

VERSION = "librosa-onset-128@1"

RATE = 22_050
HOP = 128
"""5.8 ms, about 1 % of a quarter note at 120 bpm."""

FRAME = 2048

Onsets = npt.NDArray[np.float64]


def onsets_of(clip: DecodedClip) -> Onsets:
    """Onset times in seconds, ascending, shape (onsets,), detected once for the clip; silence has none."""

    def compute() -> Onsets:
        samples = audible(clip, RATE)
        return np.empty(0) if samples is None else detect_onsets(samples)

    return clip.share(VERSION, compute)


def detect_onsets(samples: Samples) -> Onsets:
    """Onset times in seconds, ascending, shape (onsets,), of mono audio at 22,050 Hz."""
    from librosa.onset import onset_detect

    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    onsets: Onsets = onset_detect(y=padded, sr=RATE, hop_length=HOP, units="time")
    return onsets.astype(np.float64)
