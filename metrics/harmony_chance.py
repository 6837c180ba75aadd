"""Harmonic accuracy of random music that is played and listened to.

Random pitches score less the more of them there are, but more than a draw of pitch classes would: harmonics of what
sounds are heard, too, and most of them lie in a scale. So chance is the mean over music whose every note has a random
pitch class. Make the table anew with::

    python -P -m metrics.harmony_chance
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

MODEL, SHARE = "composer-offkey", 1.0
SUITE = "genres"
SEEDS = (2_000_000, 2_000_001)
LENGTH = 30.0
"""Seconds of each random clip."""

CUTS = 4
"""Parts of a clip that are scored at each amount of sound."""

SECONDS = (3, 6, 12, 24, 48)
CHANCE = (81.3, 76.6, 72.1, 69.0, 66.4)
"""Mean harmonic accuracy of random music of which so many SECONDS sound, in percent."""


def chance_of_sound(seconds: float) -> float:
    """Mean harmonic accuracy, in percent, of random music; straight lines over the logarithm, at the ends the nearest.

    Args:
        seconds: that pitches sound for, added over pitches, > 0.
    """
    return float(np.interp(np.log(seconds), np.log(SECONDS), CHANCE))


def simulate() -> dict[int, list[float]]:
    """Harmonic accuracy of parts of random music, by how many seconds of pitch sound in them."""
    from metrics.harmony import scale_share

    found: dict[int, list[float]] = {seconds: [] for seconds in SECONDS}
    for number, frames in enumerate(_random_music()):
        heard = np.concatenate([np.zeros((1, 12)), np.cumsum(frames, axis=0)])
        total = heard.sum(axis=1)
        starts = np.random.default_rng(number)
        for seconds, values in found.items():
            if total[-1] < seconds:
                continue
            latest = int(np.searchsorted(total, total[-1] - seconds, side="right"))
            for first in starts.integers(0, latest, CUTS):
                last = int(np.searchsorted(total, total[first] + seconds))
                values.append(scale_share(heard[min(last, len(heard) - 1)] - heard[first]))
    return found


def _random_music() -> Iterator[npt.NDArray[np.float64]]:
    """Seconds that each pitch class sounds in each frame, shape (frames, 12), of each random clip."""
    from bench.contracts.model import GenerationRequest, MusicModel
    from bench.contracts.plugins import create, find, load
    from metrics.notes.pitch_classes import class_frames
    from metrics.notes.signal import SILENCE
    from metrics.notes.transcription import RATE, posteriors

    model = create(find("model", MODEL), {"share": SHARE}, MusicModel)
    for seed in SEEDS:
        for prompt in load(find("suite", SUITE))().prompts:
            (audio,) = model.generate([GenerationRequest(prompt, seed, LENGTH)])
            mono = audio.mono(RATE)
            yield class_frames(posteriors(mono / max(SILENCE, float(np.abs(mono).max())))[0])
            print(f"{prompt.id} {seed}", file=sys.stderr)


if __name__ == "__main__":
    for seconds, values in simulate().items():
        error = np.std(values) / len(values) ** 0.5
        print(f"{seconds:3d} s: {np.mean(values):.1f}, standard error {error:.1f}, {len(values)} parts")
