"""What the metrics of harmony read from random music, played and listened to: their chance.

Random pitches fit a scale less the more of them there are, but more than a draw of pitch classes would: harmonics of
what sounds are heard, too, and most of them lie in a scale. So chance is the mean over music whose every note has a
random pitch class. ``python -P -m metrics.random_music`` prints the tables anew.
"""

from __future__ import annotations

import numpy as np

SECONDS = (3, 6, 12, 24, 48)
ACCURACY = (81.3, 76.6, 72.1, 69.0, 66.4)
CHORDS = (18.4, 15.2, 11.4, 9.4, 6.3)
"""Means of harmonic-accuracy and chords-in-key, in percent, over random music in which so many SECONDS sound."""


def chance_accuracy_of_sound(seconds: float) -> float:
    """Mean harmonic accuracy, in percent, of random music; straight lines over the logarithm, at the ends the nearest.

    Args:
        seconds: that pitches sound for, added over pitches, > 0.
    """
    return float(np.interp(np.log(seconds), np.log(SECONDS), ACCURACY))


def chance_chords_in_key(seconds: float) -> float:
    """Mean of chords-in-key, in percent, of random music; as `chance_accuracy_of_sound`."""
    return float(np.interp(np.log(seconds), np.log(SECONDS), CHORDS))
