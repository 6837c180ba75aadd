"""The embedder that learned nothing: closed forms, its level out, and what it can and cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts.audio import Audio
from bench.errors import Undefined
from metrics.embedders.mel_statistics import BANDS, RATE, MelStatistics

EMBEDDER = MelStatistics()


def noise(seconds: float, seed: int = 0) -> Audio:
    rng = np.random.default_rng(seed)
    return Audio((0.1 * rng.standard_normal((1, round(seconds * RATE)))).clip(-1, 1).astype(np.float32), RATE)


@pytest.mark.parametrize(
    ("seconds", "windows"), [(0.5, 1), (2.0, 1), (5.0, 1), (7.4, 1), (7.6, 2), (10.0, 2), (30.0, 6)]
)
def test_one_vector_for_each_five_seconds(seconds: float, windows: int) -> None:
    assert EMBEDDER.embed(noise(seconds)).shape == (windows, EMBEDDER.dimension)


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.05, 5))
def test_the_level_does_not_count(gain: float) -> None:
    one = noise(5.0)
    other = Audio((one.samples * np.float32(gain)).clip(-1, 1), RATE) if gain <= 1 else Audio(one.samples / gain, RATE)
    np.testing.assert_allclose(EMBEDDER.embed(other), EMBEDDER.embed(one), atol=2e-3)


def test_a_steady_tone_varies_little_and_a_beating_one_does() -> None:
    t = np.arange(5 * RATE) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 500 * t)
    steady, beating = (
        EMBEDDER.embed(Audio(wave[None].astype(np.float32), RATE))[0] for wave in (tone, tone * (np.sin(20 * t) > 0))
    )
    mean, deviation = steady[:BANDS], steady[BANDS : 2 * BANDS]
    assert abs(float(mean.mean())) < 0.05  # the level is out but for the last frame
    loudest = int(mean.argmax())
    assert deviation[loudest] < 0.1 < beating[BANDS + loudest]
    assert steady[2 * BANDS + loudest] < 0.05 < beating[2 * BANDS + loudest]


def test_silence_has_no_embedding() -> None:
    with pytest.raises(Undefined):
        EMBEDDER.embed(Audio(np.zeros((1, RATE), dtype=np.float32), RATE))


def test_what_is_far_below_the_loudest_is_equally_quiet() -> None:
    """Digital silence after a sound, and noise 90 dB below it."""
    loud, hiss = noise(2.0).samples, noise(3.0, 1).samples * np.float32(10 ** (-90 / 20))
    silent, hissing = (EMBEDDER.embed(Audio(np.concatenate([loud, tail], axis=1), RATE)) for tail in (0 * hiss, hiss))
    np.testing.assert_allclose(silent, hissing, atol=1e-3)
    louder = EMBEDDER.embed(Audio(np.concatenate([loud, hiss * 1000], axis=1), RATE))  # 30 dB below
    assert np.abs(louder - silent).max() > 0.5
