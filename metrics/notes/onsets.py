"""Note onsets: peaks of the spectral flux.

The algorithm of librosa 0.11's ``onset_detect``, after S. Böck, F. Krebs, M. Schedl: Evaluating the Online Capabilities
of Onset Detection Methods. ISMIR 2012. Onsets are not taken from the transcribed notes: their frames are twice as long,
and a slow attack is detected late by a varying time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from bench.mel import mel_filters, mel_spectrogram
from metrics.notes.signal import audible

VERSION = "librosa-onset-128@1"

RATE = 22_050
HOP = 128
"""5.8 ms, about 1 % of a quarter note at 120 bpm."""

FRAME = 2048
BANDS = 128

RANGE = 80.0
"""dB below the loudest band at any time: what is quieter counts as silence."""

THRESHOLD = 0.07
"""How far a peak rises above the mean around it, as a share of the range of the flux."""

PAUSE = int(0.03 * RATE) // HOP
"""Frames in 30 ms: a peak is the highest value of so many frames up to it, and is followed by none in as many."""

AROUND = int(0.1 * RATE) // HOP
"""Frames in 100 ms: the mean that a peak rises above is over so many on either side."""

Onsets = npt.NDArray[np.float64]
Flux = npt.NDArray[np.float32]


def onsets_of(clip: DecodedClip) -> Onsets:
    """Onset times in seconds, ascending, shape (onsets,), detected once for the clip; silence has none."""

    def compute() -> Onsets:
        samples = audible(clip, RATE)
        return np.empty(0) if samples is None else detect_onsets(samples)

    return clip.share(VERSION, compute)


def detect_onsets(samples: Samples) -> Onsets:
    """Onset times in seconds, ascending, shape (onsets,), of mono audio at 22,050 Hz."""
    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    return pick_peaks(spectral_flux(padded)) * HOP / RATE


def spectral_flux(samples: Samples) -> Flux:
    """Compute how much louder the bands become from frame to frame, in dB and on average, shape (1 + samples // 128,).

    Bands that become quieter count as unchanged. Windows are centred on their frames and show an onset half a window
    early, so every change is moved that much later.

    Args:
        samples: mono at 22,050 Hz, at least one window of 2048.
    """
    power = mel_spectrogram(samples, mel_filters(RATE, FRAME, BANDS), HOP).T.copy()
    level = 10 * np.log10(np.maximum(power, 1e-10))
    level = np.maximum(level, level.max() - RANGE)
    rises = np.maximum(0, np.diff(level)).mean(axis=0)
    delay = 1 + FRAME // (2 * HOP)
    return np.pad(rises, (delay, 0))[: level.shape[1]]


def pick_peaks(flux: Flux) -> npt.NDArray[np.intp]:
    """Return the frames of the peaks, ascending, shape (peaks,); a constant flux has none.

    Args:
        flux: shape (frames,), one or more.
    """
    scaled = flux - flux.min()
    if not scaled.any():
        return np.empty(0, dtype=np.intp)
    scaled /= scaled.max()
    highest = _windows(scaled, PAUSE, 0).max(axis=1)
    count = _windows(np.ones(len(flux)), AROUND, AROUND).sum(axis=1)
    mean = _windows(scaled, AROUND, AROUND).sum(axis=1, dtype=np.float64) / count
    peaks: list[np.intp] = []
    for frame in np.flatnonzero((scaled == highest) & (scaled >= mean + THRESHOLD)):
        if not peaks or frame - peaks[-1] > PAUSE:
            peaks.append(frame)
    return np.array(peaks, dtype=np.intp)


def _windows(values: npt.NDArray[np.floating[Any]], before: int, after: int) -> npt.NDArray[np.floating[Any]]:
    """Each value with its neighbours, shape (values, before + 1 + after); beyond the ends they are 0."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, (before, after)), before + 1 + after)
