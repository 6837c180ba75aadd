"""The form in which a clip is handed to the listening algorithms."""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip

SILENCE = 1e-4
"""Peak below which a clip counts as silent: −80 dB relative to full scale."""

OVERLOAD = 1e6
"""Peak above which samples cannot be audio; the float32 arithmetic further on would overflow."""


def audible(clip: DecodedClip, rate: int) -> Samples | None:
    """Mono at ``rate`` Hz with a peak of 1, shape (frames,), or None for silence.

    Trackers and peak pickers hold absolute thresholds; at one common peak a clip scores the same at any level.
    """
    return clip.share(f"audible:{rate}@1", lambda: _audible(clip, rate))


def _audible(clip: DecodedClip, rate: int) -> Samples | None:
    if not SILENCE <= clip.audio.peak <= OVERLOAD:
        return None
    mono = clip.mono(rate)
    peak = np.abs(mono).max(initial=0.0)
    if peak < SILENCE:  # channels that cancel each other, or a clip too short for the resampler
        return None
    scaled: Samples = mono / peak
    return scaled
