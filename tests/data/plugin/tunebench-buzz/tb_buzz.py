import numpy as np

from bench import Audio, ClipMetric, MusicModel, Score


class Buzz(MusicModel):
    """A sawtooth that walks at random."""

    sample_rate = 32_000

    def generate(self, requests):
        for r in requests:
            hz = 110 * 2 ** (np.random.default_rng(r.seed).integers(0, 24, 64).repeat(8_000) / 12)
            n = round(r.duration * self.sample_rate)
            yield Audio(0.2 * (2 * (np.cumsum(hz)[:n] / self.sample_rate % 1) - 1), self.sample_rate)


class Crest(ClipMetric):
    """Crest factor: peak over RMS."""

    version, unit, direction = 1, "dB", "higher"

    def score(self, clip):
        x = clip.mono()
        rms = np.sqrt(np.mean(x**2))
        return Score.of(20 * np.log10(abs(x).max() / rms)) if rms else Score.undefined("silence")
