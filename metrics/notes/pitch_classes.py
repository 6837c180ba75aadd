"""How long each pitch class sounds, without deciding where notes begin and end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import DecodedClip
from metrics.notes.note_creation import LOWEST_PITCH
from metrics.notes.signal import sounding
from metrics.notes.transcription import HOP, RATE, VERSION, Posterior, posteriors_of

THRESHOLD = 0.35
"""Posterior above which a pitch counts as sounding."""

MIN_SECONDS = 3.0
"""Least time for any harmony, in seconds that pitches sound, added over pitches."""

MIN_SOUNDING = 0.1
"""Seconds of pitch, added over pitches, in a second of music; noise and drums hold 0.06 at most, music 0.3 or more."""

MIN_CLASSES = 3
"""Any two pitch classes belong to some scale, and are no melody."""

HEARD_SHARE = 0.05
"""Share of what sounds from which a pitch class counts as played; harmonics of a single tone stay below."""

SOURCE = f"frames of {VERSION}"

Classes = npt.NDArray[np.float64]


def class_frames(posterior: Posterior) -> Classes:
    """Compute the seconds that each pitch class sounds in each frame, weighted by the posterior, shape (frames, 12)
    from C up.

    Args:
        posterior: probabilities that a note sounds, shape (frames, 88) from MIDI pitch 21 up.
    """
    sounding = np.where(posterior > THRESHOLD, posterior, 0).astype(np.float64)
    pitch_classes = (np.arange(sounding.shape[1]) + LOWEST_PITCH) % 12
    seconds: Classes = sounding @ np.eye(12)[pitch_classes] * (HOP / RATE)
    return seconds


def sounding_of(clip: DecodedClip) -> Classes:
    """Return the seconds that each pitch class sounds in a clip, shape (12,) from C up; all 0 for silence.

    Raises:
        MissingError: the network's weights are missing or are not those of this version.
    """
    heard = posteriors_of(clip)
    return np.zeros(12) if heard is None else class_frames(heard.sounding).sum(axis=0)


def heard_classes(sounding: Classes) -> int:
    """Count the pitch classes with at least 5 % of what sounds, 0 to 12; ``sounding`` as `sounding_of` gives it."""
    return int(np.count_nonzero(sounding >= HEARD_SHARE * sounding.sum())) if sounding.any() else 0


def needed_seconds(clip: DecodedClip) -> float:
    """Return how long pitches must sound, added over pitches, for the clip to have any harmony.

    3 s, or more for a clip that is longer than 30 s without the silence around it: noise accumulates pitches, too.
    """
    heard = sounding(clip, RATE)
    return MIN_SECONDS if heard is None else max(MIN_SECONDS, MIN_SOUNDING * len(heard[0]) / RATE)
