"""``python -P -m metrics.random_music``: play random music and print the values of the harmony metrics for it.

The means are the tables of `metrics.harmony_chance`. It takes some minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from metrics.chords import chords_in_key
from metrics.harmony import scale_share
from metrics.harmony_chance import SECONDS
from metrics.notes.chords import chords_in
from metrics.notes.pitch_classes import class_frames
from metrics.notes.transcription import frame_times

MODEL, SHARE = "composer-offkey", 1.0
SUITE = "genres"
SEEDS = (2_000_000, 2_000_001)
LENGTH = 30.0
"""Seconds of each random clip."""

PARTS = 4
"""Parts of a clip that are scored for each amount of sound."""


def simulate() -> dict[int, npt.NDArray[np.float64]]:
    """Compute the harmony metrics on parts of random music, by the seconds of pitch in them.

    Returns:
        Harmonic accuracy and chords in key, in percent, shape (parts, 2).
    """
    found: dict[int, list[tuple[float, float]]] = {seconds: [] for seconds in SECONDS}
    for number, posterior in enumerate(_random_music()):
        total = np.concatenate([[0.0], np.cumsum(class_frames(posterior).sum(axis=1))])
        starts = np.random.default_rng(number)
        for seconds, values in found.items():
            if total[-1] < seconds:
                continue
            latest = int(np.searchsorted(total, total[-1] - seconds, side="right"))
            for first in starts.integers(0, latest, PARTS).tolist():
                part = posterior[first : int(np.searchsorted(total, total[first] + seconds))]
                chords = chords_in(part, frame_times(len(part)))
                values.append((scale_share(class_frames(part).sum(axis=0)), chords_in_key(chords)[1]))
    return {seconds: np.array(values) for seconds, values in found.items()}


def _random_music() -> Iterator[npt.NDArray[np.float32]]:
    """Yield the posterior of sounding notes, shape (frames, 88), of each random clip."""
    from bench.contracts.model import GenerationRequest, MusicModel
    from bench.contracts.plugins import create, find, load
    from metrics.notes.signal import SILENCE
    from metrics.notes.transcription import RATE, posteriors

    model = create(find("model", MODEL), {"share": SHARE}, MusicModel)
    for seed in SEEDS:
        for prompt in load(find("suite", SUITE))().prompts:
            (audio,) = model.generate([GenerationRequest(prompt, seed, LENGTH)])
            mono = audio.mono(RATE)
            yield posteriors(mono / max(SILENCE, float(np.abs(mono).max())))[0]
            print(f"{prompt.id} {seed}", file=sys.stderr)


if __name__ == "__main__":
    for seconds, values in simulate().items():
        means, errors = values.mean(axis=0), values.std(axis=0) / len(values) ** 0.5
        print(f"{seconds:3d} s, {len(values)} parts: mean and standard error of")
        for name, mean, error in zip(("harmonic-accuracy", "chords-in-key"), means, errors, strict=True):
            print(f"    {name}: {mean:.1f} ± {error:.1f}")
