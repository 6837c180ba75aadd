"""When notes begin: the moments at which the spectrum rises.

SuperFlux: S. Böck, G. Widmer: Maximum Filter Vibrato Suppression for Onset Detection. DAFx 2013. Windows are short
(23 ms), since long ones blur dense drums. Attacks that are too soft for them (strings, winds, choirs) are searched for
with a second setting; if that finds no clear rise either, a clip has no onsets to analyze its rhythm with.
Onsets are not taken from the transcribed notes: their frames are twice as long, and a slow attack is detected late by
a varying time.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from bench.mel import mel_filters, mel_spectrogram
from metrics.notes.signal import sounding

VERSION = "superflux@1"

RATE = 22_050
RANGE = 80.0
"""dB below the loudest band at any time: quieter bands count as silence."""

LOWEST = 27.5
"""Lower edge of the lowest band in Hz, that of the piano's lowest key."""

THRESHOLD = 0.05
"""How far a peak rises above the mean around it, as a share of the flux's range."""

PAUSE = 0.03
"""Seconds: a peak is the highest value within this time, and no other follows within it."""

AROUND = 0.1
"""Seconds on either side of a peak over which the mean is taken that it rises above."""

CLEAR_RISE = 2.5
"""dB by which a sharp attack rises, in the median and averaged over bands: solo pianos and plucked strings reach it,
solo winds, bows and voices do not."""

SOFT_RISE = 1.0
"""dB by which a soft attack rises over the longer lag; slow choirs and noise stay below."""

FEW = 0.75
"""Share of the soft setting's onsets below which the sharp one has missed some."""

Times = npt.NDArray[np.float64]
Flux = npt.NDArray[np.float32]
Attacks = Literal["sharp", "soft", "unclear"]


class Setting(NamedTuple):
    """How the flux is computed: samples in a window and from one window to the next, mel bands, how many frames back
    the spectrum is compared with, and over how many neighboring bands its maximum is taken (which hides vibrato; 1 for
    none)."""

    window: int
    hop: int
    bands: int
    lag: int
    width: int

    def frames(self, seconds: float) -> int:
        """Return how many whole hops fit into so many seconds."""
        return int(seconds * RATE) // self.hop


SHARP = Setting(window=512, hop=64, bands=64, lag=4, width=3)
SOFT = Setting(window=2048, hop=128, bands=128, lag=6, width=1)


class HeardOnsets(NamedTuple):
    """Onset times in seconds, ascending, shape (onsets,), and how they begin.

    ``attacks`` says with which setting they were found; ``unclear`` ones are found with neither, and the clip has none.
    ``rise`` is the median rise at the onsets in dB, averaged over the bands.
    """

    times: Times
    attacks: Attacks
    rise: float


def onsets_of(clip: DecodedClip) -> HeardOnsets:
    """Return the clip's onsets, detected once; silence has none."""

    def compute() -> HeardOnsets:
        heard = sounding(clip, RATE)
        if heard is None:
            return HeardOnsets(np.empty(0), "unclear", 0.0)
        samples, begin = heard
        found = detect_onsets(samples)
        return found._replace(times=found.times + begin)

    return clip.share(VERSION, compute)


def detect_onsets(samples: Samples) -> HeardOnsets:
    """Find the onsets of mono audio at 22,050 Hz, shape (frames,), with the setting that suits its attacks."""
    sharp, soft = find_onsets(samples, SHARP), find_onsets(samples, SOFT)
    if sharp.rise >= CLEAR_RISE and len(sharp.times) >= FEW * len(soft.times):
        return sharp
    if soft.rise >= SOFT_RISE:
        return soft
    return HeardOnsets(np.empty(0), "unclear", soft.rise)


def find_onsets(samples: Samples, setting: Setting) -> HeardOnsets:
    """Find the onsets of mono audio at 22,050 Hz, shape (frames,), with one setting, however little they rise."""
    padded = np.pad(samples, (0, max(0, setting.window - len(samples))))
    flux = spectral_flux(padded, setting)
    around = setting.frames(AROUND)
    peaks = pick_peaks(flux, setting.frames(PAUSE), around)
    rise = float(np.median((flux - _mean_around(flux, around))[peaks])) if len(peaks) else 0.0
    times = _between_frames(flux, peaks) * setting.hop / RATE
    return HeardOnsets(times, "sharp" if setting == SHARP else "soft", rise)


def spectral_flux(samples: Samples, setting: Setting = SHARP) -> Flux:
    """Compute how much louder the bands are than the loudest of their neighbors a lag before, in dB and on average.

    Bands that become quieter count as unchanged.

    Args:
        samples: mono at 22,050 Hz, at least one window.
        setting: windows, bands, lag and neighbors.

    Returns:
        Shape (1 + samples // hop,); nothing rises in the first ``lag`` frames.
    """
    from scipy.ndimage import maximum_filter1d

    power = mel_spectrogram(samples, mel_filters(RATE, setting.window, setting.bands, LOWEST), setting.hop)
    level = 10 * np.log10(np.maximum(power, 1e-10))
    level = np.maximum(level, level.max() - RANGE)
    before = maximum_filter1d(level, setting.width, axis=1)
    rises = np.maximum(0, level[setting.lag :] - before[: -setting.lag]).mean(axis=1)
    return np.pad(rises, (min(setting.lag, len(level)), 0))


def pick_peaks(flux: Flux, pause: int, around: int) -> npt.NDArray[np.intp]:
    """Return the frames of the peaks, ascending, shape (peaks,); a constant flux has none.

    Args:
        flux: shape (frames,), one or more.
        pause: frames on either side within which a peak is the highest value, and the least between two.
        around: frames on either side whose mean it rises above.
    """
    scaled = flux - flux.min()
    if not scaled.any():
        return np.empty(0, dtype=np.intp)
    scaled /= scaled.max()
    highest = _windows(scaled, pause).max(axis=1)
    peaks: list[np.intp] = []
    for frame in np.flatnonzero((scaled == highest) & (scaled >= _mean_around(scaled, around) + THRESHOLD)):
        if not peaks or frame - peaks[-1] > pause:
            peaks.append(frame)
    return np.array(peaks, dtype=np.intp)


def _mean_around(flux: Flux, around: int) -> npt.NDArray[np.float64]:
    count = _windows(np.ones(len(flux)), around).sum(axis=1)
    mean: npt.NDArray[np.float64] = _windows(flux, around).sum(axis=1, dtype=np.float64) / count
    return mean


def _windows(values: npt.NDArray[np.floating[Any]], around: int) -> npt.NDArray[np.floating[Any]]:
    """Return each value with its neighbors on both sides, shape (values, 2 · around + 1); beyond the ends they are
    0."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, around), 2 * around + 1)


def _between_frames(flux: Flux, peaks: npt.NDArray[np.intp]) -> Times:
    """Return the vertex of the parabola through each peak and its neighbors, in frames."""
    padded = np.pad(flux.astype(np.float64), 1, mode="edge")
    before, at, after = padded[peaks], padded[peaks + 1], padded[peaks + 2]
    bend = before - 2 * at + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, -1), 0)
    return np.asarray(peaks + shift.clip(-0.5, 0.5), dtype=np.float64)
