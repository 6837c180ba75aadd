"""A plugin package as somebody else would write it: it imports nothing of tunebench but ``bench``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench import Audio, ClipMetric, DecodedClip, GenerationRequest, MusicModel, Prompt, PromptSuite, Score


class PluginSine(MusicModel):
    """A sine of 440 Hz."""

    sample_rate = 8000

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio]:
        lengths = [round(request.duration * 8000) for request in requests]
        return [Audio(0.5 * np.sin(2 * np.pi * 440 * np.arange(n, dtype=np.float32) / 8000), 8000) for n in lengths]


class ZeroCrossings(ClipMetric):
    """How often the waveform crosses zero in a second."""

    version = 4
    unit = "Hz"

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(np.count_nonzero(np.diff(np.signbit(clip.mono()))) / clip.audio.duration)


def suite() -> PromptSuite:
    """Five prompts of one genre."""
    return PromptSuite("plugin-suite", 3, tuple(Prompt(f"p{i}", f"a tone, number {i}", "tones") for i in range(5)))
