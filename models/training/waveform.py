"""Audio as an autoencoder takes it: at its rate, with its number of channels, in whole frames."""

from __future__ import annotations

import numpy as np

from bench import interrupts
from bench.contracts.audio import Audio, Samples

PEAK = 0.5  # of the waveform whose spectrogram AudioLDM encodes


@interrupts.held()
def fitted(audio: Audio, rate: int, channels: int) -> Samples:
    """Return samples at ``rate`` Hz (soxr, high quality), shape (channels, frames ≥ 1).

    Audio with another number of channels is mixed to mono, which is copied to every channel.

    Args:
        audio: of any rate and number of channels.
        rate: in Hz.
        channels: ≥ 1.
    """
    if audio.channels != channels:
        return np.repeat(_filled(audio.mono(rate)[np.newaxis]), channels, axis=0)
    if audio.rate == rate:
        return _filled(audio.samples)
    import soxr

    resampled: Samples = soxr.resample(audio.samples.T, audio.rate, rate).T
    return _filled(resampled)


def padded(samples: Samples, multiple: int) -> Samples:
    """Return the samples, shape (…, frames), padded with zeros to the next multiple of ``multiple`` frames."""
    missing = -samples.shape[-1] % multiple
    return np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])


def levelled(samples: Samples) -> tuple[Samples, float]:
    """Return mono samples as AudioLDM is trained on them, without mean and with a peak of 0.5, and the gain applied.

    Silence stays silence.
    """
    centred = samples - samples.mean(dtype=np.float64)
    gain = PEAK / (np.abs(centred).max() + 1e-8)
    level: Samples = (centred * gain).astype(np.float32)
    return level, float(gain)


def _filled(samples: Samples) -> Samples:
    """Replace a sound too short to leave anything at a lower rate by a sample of silence."""
    if samples.shape[1]:
        return np.ascontiguousarray(samples, dtype=np.float32)
    return np.zeros((len(samples), 1), dtype=np.float32)
