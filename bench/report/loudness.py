"""One loudness for all clips of a prompt, so that the louder one has no advantage over the better one.

ITU-R BS.1770-4: Algorithms to measure audio programme loudness and true-peak audio level. 2015.
EBU R 128: Loudness normalisation and permitted maximum level of audio signals. 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.contracts.audio import Samples

RULE = "EBU R 128, −23 LUFS; lower, to −36, where a clip would pass −1 dBFS"
"""In words, for those who listen."""

TARGET, LOWEST = -23.0, -36.0
"""LUFS: target of clips, and the lowest target of a prompt with high peaks."""

CEILING = -1.0
"""dB relative to full scale: the largest sample allowed after a gain."""

SILENCE = -80.0
"""dB relative to full scale: a clip with a lower peak is silent."""

BLOCK = 0.4
"""Length of the standard's gating block in seconds; shorter audio has no integrated loudness."""


@dataclass(frozen=True)
class Loudness:
    """The level of a clip.

    Attributes:
        loudness: integrated, in LUFS; None if the clip is silent, shorter than 0.4 s, or nowhere above the gate.
        peak: largest absolute sample, in dB relative to full scale; −∞ for zeros.
    """

    loudness: float | None
    peak: float

    @property
    def headroom(self) -> float:
        """Largest gain in dB that keeps the peak within −1 dBFS."""
        return CEILING - self.peak


def measure(samples: Samples, rate: int) -> Loudness:
    """Return the level of audio, shape (channels, frames) with 1 or 2 channels, at ``rate`` Hz.

    Loudness is measured with the peak at full scale, so that the standard's gate at −70 LUFS acts the same
    on quiet and loud copies of one recording.
    """
    largest = float(np.abs(samples).max(initial=0.0))
    peak = 20 * math.log10(largest) if largest else -math.inf
    if peak < SILENCE or samples.shape[1] < BLOCK * rate:
        return Loudness(None, peak)
    from pyloudnorm import Meter

    loudness = float(Meter(rate).integrated_loudness(samples.T / np.float32(largest)))
    return Loudness(loudness + peak if math.isfinite(loudness) else None, peak)


def target(levels: Sequence[Loudness]) -> float:
    """Return the target loudness in LUFS: −23, or down to −36 if needed for peaks within −1 dBFS."""
    reached = [level.loudness + level.headroom for level in levels if level.loudness is not None]
    return max(LOWEST, min([TARGET, *reached]))


def gain(level: Loudness, wanted: float) -> float:
    """Return the gain in dB that brings a clip to ``wanted`` LUFS, or as close as −1 dBFS allows.

    A clip without a loudness keeps its level, lowered where its peak is above −1 dBFS.
    """
    return min(0.0 if level.loudness is None else wanted - level.loudness, level.headroom)
