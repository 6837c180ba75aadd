"""What tests of front ends share."""

from __future__ import annotations

from bench import Audio
from bench.contracts.audio import Samples
from bench.contracts.front_end import FrontEnd
from metrics.embedders.preparation import blocks_of


def windows_of(audio: Audio, rate: int, front_end: FrontEnd) -> Samples:
    """The windows of a front end whose windows are all equally long, shape (windows ≥ 1, frames)."""
    (windows,) = blocks_of(audio, rate, front_end)
    return windows
