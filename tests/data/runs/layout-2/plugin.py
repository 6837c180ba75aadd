"""A model, an embedder and metrics of a plugin file, as a run of the second layout used them."""

from __future__ import annotations

import numpy as np

from bench import Audio, ClipMetric, Embedder, EmbedderRef, Estimate, MusicModel, Score, SetMetric


class Pluck(MusicModel):
    """A decaying sine; its pitch comes from the prompt and its phase from the seed."""

    sample_rate = 8000
    batch_size = 2

    def __init__(self, hz: float = 220.0, voice: str | None = None) -> None:
        self.hz, self.voice = hz, voice

    def generate(self, requests):
        for request in requests:
            t = np.arange(round(request.duration * self.sample_rate)) / self.sample_rate
            phase = np.random.default_rng(request.seed).uniform(0, 2 * np.pi)
            hz = self.hz + 10 * len(request.prompt.text)
            yield Audio(0.3 * np.sin(2 * np.pi * hz * t + phase) * np.exp(-4 * t), self.sample_rate)


class Peak(ClipMetric):
    """Peak level in percent of full scale."""

    unit = "%"

    def score(self, clip):
        return Score.of(100 * clip.audio.peak)


class Bands(Embedder):
    """The level of four bands in each twentieth of a second."""

    dimension = 4

    def embed(self, audio):
        size = audio.rate // 20
        mono = audio.mono()
        windows = np.pad(mono, (0, -len(mono) % size)).reshape(-1, size)
        spectrum = np.abs(np.fft.rfft(windows, axis=1))
        return np.stack([band.mean(axis=1) for band in np.array_split(spectrum, 4, axis=1)], axis=1).astype(np.float32)


class Loudest(ClipMetric):
    """The loudest band of a clip."""

    embedders = (EmbedderRef(f"{__file__}:Bands"),)

    def score(self, clip):
        return Score.of(float(clip.embedding(self.embedders[0]).mean(axis=0).argmax()))


class Spread(SetMetric):
    """Mean distance of a set's windows from their mean."""

    direction = "none"
    needs_reference = False
    embedders = (EmbedderRef(f"{__file__}:Bands"),)

    def evaluate(self, evaluated, reference):
        distances = np.linalg.norm(evaluated.vectors - evaluated.vectors.mean(axis=0), axis=1)
        count = len(np.unique(evaluated.recordings))
        return Estimate(float(distances.mean()), None, None, count, "no interval", (f"W-TINY: {count} clips",))
