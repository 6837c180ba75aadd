"""Mel spectrograms: power over time in bands of about equal perceived width.

Slaney's scale: linear to 1 kHz and logarithmic above. M. Slaney: Auditory Toolbox, version 2. Interval Research
technical report 1998-010. Filters and spectrogram are those of librosa 0.11, whose import compiles code for half a
minute; the same operations in the same order give the same bits.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Filters = npt.NDArray[np.float32]

_STEP = np.log(6.4) / 27  # above 1 kHz, 27 mels are a factor of 6.4
_WINDOWS_AT_ONCE = 128  # they stay in the processor's cache, and long clips need no more memory than short ones


@lru_cache(maxsize=16)
def mel_filters(rate: int, window: int, bands: int, lowest: float = 0.0, highest: float | None = None) -> Filters:
    """Return the weight of each frequency in each band, shape (bands, window / 2 + 1).

    Bands are triangles over frequency whose corners are equally far apart on the mel scale; each has an area of 1, so
    wide ones are low.

    Args:
        rate: of the audio, in Hz.
        window: samples of the window that is transformed, even.
        bands: number of bands.
        lowest: lower corner of the first band, in Hz.
        highest: upper corner of the last band, in Hz; half the rate by default.
    """
    corners = mel_corners(bands, lowest, rate / 2 if highest is None else highest)[:, np.newaxis]
    frequencies = np.fft.rfftfreq(window, 1 / rate)
    rising = (frequencies - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequencies) / (corners[2:] - corners[1:-1])
    weights: Filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    weights *= 2 / (corners[2:] - corners[:-2])
    weights.flags.writeable = False  # all callers share it
    return weights


def mel_corners(bands: int, lowest: float, highest: float) -> npt.NDArray[np.float64]:
    """Return the corners of the bands in Hz, shape (bands + 2,): band i begins at i, peaks at i + 1, ends at i + 2."""
    mels = np.linspace(_mel(lowest), _mel(highest), bands + 2)
    corners: npt.NDArray[np.float64] = np.where(mels < 15, mels * (200 / 3), 1000 * np.exp((mels - 15) * _STEP))
    return corners


def _mel(hertz: float) -> float:
    return hertz / (200 / 3) if hertz < 1000 else 15 + float(np.log(hertz / 1000) / _STEP)


def mel_spectrogram(samples: Samples, filters: Filters, hop: int) -> npt.NDArray[np.float32]:
    """Compute the power in mel bands of windows ``hop`` samples apart, shape (1 + samples // hop, bands).

    The first window is centered on the first sample. See `mel_power`.
    """
    return mel_power(samples, filters, np.arange(0, len(samples) + 1, hop))


def mel_power(samples: Samples, filters: Filters, centres: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Compute the power in mel bands, shape (windows, bands): squared magnitudes, weighted by the filters.

    Windows are periodic Hann windows; beyond both ends of the audio there is silence. Spectra are computed in double
    precision and rounded, so that processors agree.

    Args:
        samples: mono, shape (samples,).
        filters: from `mel_filters`, of the windows' length.
        centres: sample at the center of each window, 0 to the number of samples, shape (windows,).
    """
    from scipy.fft import rfft

    window = 2 * (filters.shape[1] - 1)
    bell = np.hanning(window + 1)[:-1]
    views = np.lib.stride_tricks.sliding_window_view(np.pad(samples, window // 2), window)
    power = np.empty((len(centres), len(filters)), dtype=np.float32)
    # Use equal chunks: a matrix product with few rows sums in another order, and its last bits differ.
    for part in np.array_split(np.arange(len(centres)), max(1, len(centres) // _WINDOWS_AT_ONCE)):
        spectra = rfft(views[centres[part]] * bell).astype(np.complex64)
        power[part] = np.square(np.abs(spectra)) @ filters.T
    return power
