"""How far a clip's tuning is from A = 440 Hz, and the clip with its tuning corrected.

Transcribers and key estimators read pitches on the grid of A = 440 Hz; half way between two of its lines they find
fewer notes and other keys. The deviation is the circular mean of the distances of spectral peaks from that grid,
as in K. Dressler, S. Streich: Tuning frequency estimation using circular statistics. ISMIR 2007.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from metrics.notes.signal import audible

VERSION = "tuning@1"

RATE = 11_025
FFT = 8192
HOP = 2048
LOWEST, HIGHEST = 80.0, 1200.0
"""Hz. Below, a bin is wider than a semitone; above, more and more peaks are harmonics, which lie off the grid."""

PEAKS = 20
"""Number of strongest peaks of a frame that count."""

CERTAIN = 8.0
"""Number of peaks × squared length of their mean direction from which they agree (Rayleigh's test, p = e⁻⁸)."""

NEGLIGIBLE = 8.0
"""Cents up to which a clip is left as it is; the analysis of pitches does not notice them."""

Vector = npt.NDArray[np.float64]


def estimate_tuning(samples: Samples, rate: int = RATE) -> tuple[float, float]:
    """Estimate the deviation from A = 440 Hz in cents, in [−50, 50), and Rayleigh's statistic of the peaks' agreement,
    ≥ 0.

    Args:
        samples: mono, shape (frames,); padded with zeros if shorter than one window of 0.74 s at 11,025 Hz.
        rate: in Hz.
    """
    frequency, weight = _peaks(samples, rate)
    if not len(frequency) or not weight.sum() > 0:
        return 0.0, 0.0
    semitones = 12 * np.log2(frequency / 440)
    mean = (weight * np.exp(2j * np.pi * semitones)).sum() / weight.sum()
    cents = 100 * float(np.angle(mean)) / (2 * np.pi)
    independent = weight.sum() ** 2 / np.square(weight).sum()
    return (-50.0 if cents >= 50 else cents), float(np.abs(mean) ** 2 * independent)


def tuning_of(clip: DecodedClip) -> float:
    """Return the cents by which the clip is tuned above A = 440 Hz, in [−50, 50); 0 if its pitches agree on no
    tuning."""

    def compute() -> float:
        samples = audible(clip, RATE)
        if samples is None:
            return 0.0
        cents, agreement = estimate_tuning(samples)
        return cents if agreement >= CERTAIN else 0.0

    return clip.share(VERSION, compute)


def in_tune(clip: DecodedClip, rate: int) -> Samples | None:
    """Return `audible` played slower or faster, by at most 3 %, so that its tuning becomes A = 440 Hz; None where
    `audible` gives None."""
    return clip.share(f"{VERSION}:{rate}", lambda: _in_tune(clip, rate))


def _in_tune(clip: DecodedClip, rate: int) -> Samples | None:
    samples, cents = audible(clip, rate), tuning_of(clip)
    if samples is None or abs(cents) <= NEGLIGIBLE:
        return samples
    return detuned(samples, rate, -cents)


def detuned(samples: Samples, rate: int, cents: float) -> Samples:
    """Play mono audio, shape (frames,), faster by so many cents; negative is slower."""
    import soxr

    played: Samples = soxr.resample(samples, rate * 2 ** (cents / 1200), rate)
    return played


def _peaks(samples: Samples, rate: int) -> tuple[Vector, Vector]:
    """Find frequencies in Hz and magnitudes of the strongest peaks of all frames, by a parabola through the
    logarithms."""
    padded = np.pad(samples, (0, max(0, FFT - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    spectrum = np.log(np.abs(np.fft.rfft(frames * np.hanning(FFT).astype(np.float32), axis=1)) + 1e-9)
    first, last = round(LOWEST * FFT / rate), round(HIGHEST * FFT / rate)
    left, middle, right = (spectrum[:, first + by : last + by] for by in (-1, 0, 1))
    curvature = left - 2 * middle + right
    peak = (middle > left) & (middle >= right) & (curvature < 0)
    ranked = np.where(peak, middle, -np.inf)
    bar = np.partition(ranked, -PEAKS, axis=1)[:, -PEAKS, np.newaxis]
    at = np.nonzero(peak & (ranked >= bar))
    offset = 0.5 * (left[at] - right[at]) / curvature[at]
    frequency = (at[1] + first + offset) * rate / FFT
    return frequency.astype(np.float64), np.exp(middle[at]).astype(np.float64)
