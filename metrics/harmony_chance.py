"""The values of the harmony metrics for random music, played and analyzed: their chance.

The more random pitches there are, the less they fit a scale, but more than drawn pitch classes would: harmonics of
what sounds are detected, too, and most of them lie in a scale. So chance is the mean over music whose every note has a
random pitch class. ``python -P -m metrics.random_music`` prints the tables anew.
"""

from __future__ import annotations

import numpy as np

SECONDS = (3, 6, 12, 24, 48)
ACCURACY = (81.3, 76.6, 72.1, 69.0, 66.4)
CHORDS = (18.4, 15.2, 11.4, 9.4, 6.3)
"""Means of harmonic-accuracy and chords-in-key, in percent, over random music in which so many SECONDS sound."""


def chance_accuracy_of_sound(seconds: float) -> float:
    """Return the mean harmonic accuracy, in percent, of random music.

    Interpolated linearly over the logarithm of the time; beyond the ends of the table its nearest value.

    Args:
        seconds: time that pitches sound, added over pitches, > 0.
    """
    return float(np.interp(np.log(seconds), np.log(SECONDS), ACCURACY))


def chance_chords_in_key(seconds: float) -> float:
    """Return the mean of chords-in-key, in percent, of random music; as `chance_accuracy_of_sound`."""
    return float(np.interp(np.log(seconds), np.log(SECONDS), CHORDS))
