"""Tempo, by one named tracker.

J. R. Zapata, M. E. P. Davies, E. Gómez: Multi-Feature Beat Tracking. IEEE/ACM Transactions on Audio, Speech,
and Language Processing 22(4), 2014, as implemented by essentia's RhythmExtractor2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from metrics.notes.essentia import quiet_essentia
from metrics.notes.signal import sounding

VERSION = "essentia-multifeature@2"

RATE = 44_100

SLOWEST, FASTEST = 30.0, 300.0
"""Beats per minute outside which the tracker, which searches 40–208, found silence or a constant tone and no beat."""


@dataclass(frozen=True)
class Tempo:
    """What the tracker found.

    Attributes:
        bpm: beats per minute as tracked, in [30, 300].
        confidence: agreement of the five internal trackers, in (0, 5.32]; its documentation calls values up to 1.5 low
            and from 3.5 excellent. It is 0, and there is no tempo, for clips shorter than about 6 s.
    """

    bpm: float
    confidence: float

    @property
    def quarter(self) -> float:
        """Length of a quarter note in seconds, as tracked."""
        return 60 / self.bpm


def tempo_of(clip: DecodedClip) -> Tempo | None:
    """Return the clip's tempo, tracked once between the silences around it, or None where there is no beat to follow.

    Raises:
        MissingError: essentia is not installed.
    """

    def compute() -> Tempo | None:
        heard = sounding(clip, RATE)
        return None if heard is None else track_tempo(heard[0])

    return clip.share(VERSION, compute)


def track_tempo(samples: Samples) -> Tempo | None:
    """Track mono audio at 44,100 Hz, float32 of shape (frames,).

    Returns:
        None where there is no beat to follow, or the recording is too long for the tracker (hours).

    Raises:
        MissingError: essentia is not installed.
    """
    tracker = _tracker()
    try:
        bpm, beats, confidence, *_ = tracker(samples)
    except RuntimeError:  # recordings of hours overflow its fixed buffers
        return None
    finally:
        tracker.reset()  # otherwise it repeats its first answer for every other clip
    if len(beats) < 2 or confidence <= 0 or not SLOWEST <= bpm <= FASTEST:
        return None
    return Tempo(float(bpm), float(confidence))


@cache
def _tracker() -> Any:
    # Building the tracker takes half as long as tracking 20 s.
    return quiet_essentia().RhythmExtractor2013(method="multifeature")
