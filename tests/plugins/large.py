"""Plugins of runs that are large and written down rather than made: a silent model, and metrics of nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench import Audio, ClipMetric, DecodedClip, GenerationRequest, MusicModel, Score


class Silence(MusicModel):
    """A hundredth of a second of almost nothing; ``row`` makes it another model."""

    sample_rate = 8000
    batch_size = 4

    def __init__(self, row: int = 0) -> None:
        self.row = row

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio]:
        return [self._one(request) for request in requests]

    def _one(self, request: GenerationRequest) -> Audio:
        rng = np.random.default_rng([self.row, request.seed, *request.prompt.id.encode()])
        return Audio(rng.uniform(-0.1, 0.1, (1, 80)).astype(np.float32), self.sample_rate)


class Level(ClipMetric):
    """The peak in percent of full scale; ``number`` makes it another metric."""

    unit = "%"
    direction = "higher"
    bounds = (0.0, 100.0)

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(100 * clip.audio.peak, chance=50.0)
