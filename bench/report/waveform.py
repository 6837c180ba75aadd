"""Compute the outline of a sound for drawing."""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Samples

SLICES = 300


def outline(samples: Samples, slices: int = SLICES) -> Samples:
    """Return the largest absolute sample, over all channels, in each of ``slices`` equal parts of the sound.

    Args:
        samples: shape (channels, frames), at least one frame; shorter than ``slices``, its frames are repeated.

    Returns:
        Shape (slices,), at least 0.
    """
    frames = samples.shape[1]
    starts = np.arange(slices) * frames // slices
    largest: Samples = np.maximum.reduceat(np.abs(samples).max(axis=0), starts)
    return largest
