"""Music that costs next to nothing to make: chords of decaying tones over noise bursts, in stereo at 44.1 kHz."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from bench import Audio, GenerationRequest, MusicModel

RATE = 44_100


class Tunes(MusicModel):
    """A model that is worse the more ``spoiled`` it is: its notes are out of tune by as many semitones at most."""

    sample_rate = RATE
    typical_speed = 1000.0

    def __init__(self, spoiled: float = 0.0) -> None:
        self.spoiled = spoiled

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio]:
        return [self._play(request) for request in requests]

    def _play(self, request: GenerationRequest) -> Audio:
        rng = np.random.default_rng([request.seed, *request.prompt.id.encode()])
        frames = round(request.duration * RATE)
        beat = min(RATE // 2, frames)
        sound = np.zeros((2, frames), dtype=np.float32)
        scale = 110 * 2 ** (np.array([0, 3, 5, 7, 10, 12, 15, 17]) / 12)
        for start in range(0, frames, beat):
            length = min(beat, frames - start)
            for pitch in rng.choice(scale, 3):
                tuned = pitch * 2 ** (self.spoiled * rng.uniform(-1, 1) / 12)
                sound[:, start : start + length] += rng.uniform(0.05, 0.3, (2, 1)) * _tone(round(tuned), beat)[:length]
            sound[:, start : start + length] += 0.1 * _burst(int(rng.integers(8)), beat)[:, :length]
        return Audio(sound * np.float32(rng.uniform(0.1, 0.8)), RATE)


@cache
def _tone(hertz: int, frames: int) -> np.typing.NDArray[np.float32]:
    time = np.arange(frames) / RATE
    partials = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 8))
    return np.asarray(partials * np.exp(-5 * time), dtype=np.float32)


@cache
def _burst(which: int, frames: int) -> np.typing.NDArray[np.float32]:
    noise = np.random.default_rng(which).normal(size=(2, frames))
    return np.asarray(noise * np.exp(-30 * np.arange(frames) / RATE), dtype=np.float32)
