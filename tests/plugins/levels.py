"""Noise whose level depends on the prompt, the model's way with it, and the seed; and metrics of that level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench import Audio, ClipMetric, DecodedClip, GenerationError, GenerationRequest, MusicModel, Score


class Levels(MusicModel):
    """White noise with a peak of .4 + shift, give or take.

    ``salt`` makes it another model with the same mean; ``flaw`` is a genre that cannot be played; ``cut`` shortens
    clips to a share of what was asked for.
    """

    sample_rate = 8000
    typical_speed = 1000.0
    provenance_params = frozenset({"flaw"})

    def __init__(self, shift: float = 0.0, salt: int = 0, flaw: str = "", cut: float = 1.0) -> None:
        self.shift, self.salt, self.flaw, self.cut = shift, salt, flaw, cut

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        return [self._one(request) for request in requests]

    def _one(self, request: GenerationRequest) -> Audio | GenerationError:
        if request.prompt.genre == self.flaw:
            return GenerationError(f"{self.flaw} cannot be played")
        prompt = list(request.prompt.id.encode())
        shared, own = np.random.default_rng(prompt), np.random.default_rng([self.salt, *prompt])
        rng = np.random.default_rng([self.salt, request.seed, *prompt])
        level = 0.4 + 0.1 * shared.uniform(-1, 1) + 0.03 * own.uniform(-1, 1) + 0.02 * rng.uniform(-1, 1) + self.shift
        noise = rng.normal(size=round(request.duration * self.cut * self.sample_rate))
        return Audio((level * noise / np.abs(noise).max()).astype(np.float32), self.sample_rate)


class Peak(ClipMetric):
    """Peak level in percent of full scale; above ``limit`` there is none."""

    unit = "%"
    direction = "higher"
    bounds = (0.0, 100.0)

    def __init__(self, limit: float = 200.0) -> None:
        self.limit = limit

    def score(self, clip: DecodedClip) -> Score:
        peak = 100 * clip.audio.peak
        return Score.of(peak) if peak <= self.limit else Score.undefined("too loud")


class Loud(ClipMetric):
    """Whether the peak is above .4, in percent."""

    unit = "%"
    direction = "none"
    bounds = (0.0, 100.0)
    hit_or_miss = True

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(100.0 * (clip.audio.peak > 0.4))
