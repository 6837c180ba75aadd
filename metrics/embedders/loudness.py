"""Loudness normalization: every embedder here gets audio at −14 LUFS.

Embeddings move with the level of the audio, farther than from one piece of music to the next, so without this a
distance between two sets would measure their loudness.

ITU-R BS.1770-4: Algorithms to measure audio programme loudness and true-peak audio level. 2015.
"""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Samples
from bench.errors import Undefined
from metrics.notes.signal import OVERLOAD, SILENCE

TARGET = -14.0
"""LUFS."""

BLOCK = 0.4
"""Length of the standard's gating block in seconds; shorter audio has no integrated loudness."""


def levelled(samples: Samples, rate: int, target: float = TARGET) -> Samples:
    """Scale mono audio, shape (frames,), to an integrated loudness in LUFS; samples may then exceed ±1.

    The original level does not matter: loudness is measured with the peak at full scale, so that the standard's gate at
    −70 LUFS falls at the same place for quiet and loud copies of one recording.

    Args:
        samples: mono, shape (frames,).
        rate: in Hz.
        target: loudness in LUFS.

    Raises:
        Undefined: shorter than 0.4 s, silent (a peak below −80 dB), not audio (a peak above 10⁶), or nothing audible:
            no block above the gate.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENCE:
        raise Undefined("silent")
    if peak > OVERLOAD:
        raise Undefined(f"a peak of {peak:.2g} times full scale is not audio")
    if len(samples) < BLOCK * rate:
        raise Undefined(f"{len(samples) / rate:.2f} s of audio, needs {BLOCK} s")
    full_scale = samples.astype(np.float64) / peak
    return (full_scale * 10 ** ((target - _loudness(full_scale, rate)) / 20)).astype(np.float32)


def _loudness(samples: np.typing.NDArray[np.float64], rate: int) -> float:
    from pyloudnorm import Meter

    loudness = float(Meter(rate).integrated_loudness(samples))
    if not np.isfinite(loudness):
        raise Undefined("nothing audible: no 400 ms are above −70 LUFS even with the peak at full scale")
    return loudness
