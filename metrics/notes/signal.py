"""The form in which analysis algorithms get a clip."""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip

SILENCE = 1e-4
"""Peak below which a clip counts as silent: −80 dB relative to full scale."""

OVERLOAD = 1e6
"""Peak above which samples cannot be audio; later float32 arithmetic would overflow."""

QUIET = 1e-3
"""Level below which a clip's ends count as silence: −60 dB relative to its peak."""

_FRAME = 0.01  # seconds over which the level of the ends is taken
_LEAD = 5  # of these frames are kept before the music, so that its first attack is detected


def audible(clip: DecodedClip, rate: int) -> Samples | None:
    """Return the clip as mono at ``rate`` Hz with a peak of 1, shape (frames,), or None for silence and for what is not
    audio (a peak above 10⁶).

    Trackers and peak pickers have absolute thresholds; at one common peak a clip scores the same at any level.
    """
    return clip.share(f"audible:{rate}@1", lambda: _audible(clip, rate))


def sounding(clip: DecodedClip, rate: int) -> tuple[Samples, float] | None:
    """Return `audible` without the silence before and after the music, and the second at which the music begins; None
    where `audible` gives None."""
    samples = audible(clip, rate)
    if samples is None:
        return None
    begin, end = sounding_part(samples, rate)
    return samples[begin:end], begin / rate


def sounding_part(samples: Samples, rate: int) -> tuple[int, int]:
    """Return the first and last frame, exclusive, of the music and up to 50 ms before it; 60 dB below the peak is
    silence.

    Levels are standard deviations over 10 ms, so that single clicks, dither and an offset do not count as music.

    Args:
        samples: mono with a peak of 1, shape (frames,), at least one.
        rate: in Hz.
    """
    length = max(1, round(_FRAME * rate))
    starts = np.arange(0, len(samples), length)
    mean, square = (
        np.add.reduceat(values, starts) / np.diff(starts, append=len(samples))
        for values in (samples.astype(np.float64), np.square(samples, dtype=np.float64))
    )
    loud = np.flatnonzero(square - mean**2 >= QUIET**2)
    if not len(loud):
        return 0, len(samples)
    return max(0, int(loud[0]) - _LEAD) * length, min(len(samples), (int(loud[-1]) + 1) * length)


def _audible(clip: DecodedClip, rate: int) -> Samples | None:
    if not SILENCE <= clip.audio.peak <= OVERLOAD:
        return None
    mono = clip.mono(rate)
    peak = np.abs(mono).max(initial=0.0)
    if peak < SILENCE:  # a clip too short for the resampler
        return None
    scaled: Samples = mono / peak
    return scaled
