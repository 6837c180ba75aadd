"""An embedder that costs nothing: the level of eight frequency bands in each second."""

from __future__ import annotations

import numpy as np

from bench import Audio, Embedder, Undefined
from bench.contracts.embedder import Vectors


class Spectrum(Embedder):
    """Eight levels in dB for each second, the last one zero-padded; ``floor`` is the level of silence."""

    version = 1
    dimension = 8

    def __init__(self, floor: float = -100.0) -> None:
        self.floor = floor

    def embed(self, audio: Audio) -> Vectors:
        sound = audio.mono(8000)
        if not sound.any():
            raise Undefined("silent")
        padded = np.zeros(-(-len(sound) // 8000) * 8000, dtype=np.float32)
        padded[: len(sound)] = sound
        power = np.abs(np.fft.rfft(padded.reshape(-1, 8000), axis=1)[:, :4000]) ** 2
        bands = power.reshape(len(power), self.dimension, -1).mean(axis=2)
        return np.maximum(10 * np.log10(bands + 1e-10), self.floor).astype(np.float32)


class SpectrumAnew(Spectrum):
    """The same under another version."""

    version = 2


class StumblingSpectrum(Spectrum):
    """The same, but for loud sound, over which it stumbles."""

    def embed(self, audio: Audio) -> Vectors:
        if audio.peak > 0.9:
            raise RuntimeError("too loud")
        return super().embed(audio)
