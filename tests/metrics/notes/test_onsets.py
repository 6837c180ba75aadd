"""Onsets against librosa, whose algorithm ours is, and against times that are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bench import Audio, DecodedClip, Prompt
from bench.contracts.model import GenerationRequest
from metrics.notes.onsets import FRAME, HOP, RATE, detect_onsets, onsets_of, pick_peaks, spectral_flux
from models.composer import Composer
from prompts import quick

SECOND = np.arange(RATE) / RATE


def librosas(samples: np.ndarray) -> np.ndarray:
    from librosa.onset import onset_detect

    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    return np.asarray(onset_detect(y=padded, sr=RATE, hop_length=HOP, units="time"))


def sounds() -> Iterator[tuple[str, np.ndarray]]:
    """Noise, clicks, tones and silence, also shorter than a window or a hop."""
    rng = np.random.default_rng(0)
    for length in (1, 100, 129, 2047, 2049, 4097, 20_000):
        yield f"{length} of noise", rng.standard_normal(length)
        yield f"{length} of silence", np.zeros(length)
        yield f"{length} ones", np.ones(length)
        click = np.zeros(length)
        click[length // 2] = 1
        yield f"a click in {length}", click
    clicks = np.zeros(3 * RATE)
    clicks[rng.integers(0, len(clicks), 25)] = rng.uniform(0.1, 1, 25)
    yield "clicks", clicks
    yield "a click a frame", np.tile(np.eye(1, HOP)[0], 300)
    yield "a repeated bar", np.tile(rng.standard_normal(RATE // 10), 20)
    yield "a square wave", np.sign(np.sin(2 * np.pi * 30 * SECOND))
    yield "a tone that is switched", np.sin(2 * np.pi * 440 * SECOND) * (np.sin(2 * np.pi * 7 * SECOND) > 0)
    yield "quiet noise", 1e-4 * rng.standard_normal(2 * RATE)


@pytest.mark.parametrize("samples", [pytest.param(s.astype(np.float32), id=name) for name, s in sounds()])
def test_sounds_have_the_onsets_that_librosa_finds(samples: np.ndarray) -> None:
    np.testing.assert_array_equal(detect_onsets(samples), librosas(samples))


def test_music_has_the_onsets_that_librosa_finds() -> None:
    from librosa.onset import onset_strength

    requests = [GenerationRequest(prompt, 0, 6.0) for prompt in quick().prompts if prompt.level == 5]
    count = 0
    for audio in Composer().generate(requests):
        assert isinstance(audio, Audio)
        samples = audio.mono(RATE) / audio.peak
        np.testing.assert_allclose(
            spectral_flux(samples), onset_strength(y=samples, sr=RATE, hop_length=HOP), rtol=1e-5, atol=1e-5
        )
        np.testing.assert_array_equal(detect_onsets(samples), librosas(samples))
        count += len(detect_onsets(samples))
    assert count > 60


@pytest.mark.parametrize("seed", range(5))
def test_peaks_of_any_curve_are_those_that_librosa_picks(seed: int) -> None:
    from librosa.util import peak_pick

    rng = np.random.default_rng(seed)
    curve = rng.gamma(0.5 + seed, size=(1000, 5, 60)[seed % 3]).astype(np.float32)
    scaled = (curve - curve.min()) / np.ptp(curve)
    theirs = peak_pick(scaled, pre_max=5, post_max=1, pre_avg=17, post_avg=18, wait=5, delta=0.07)
    assert pick_peaks(curve).tolist() == theirs.tolist() != []


def test_bursts_are_heard_when_they_begin() -> None:
    times = np.array([0.3, 0.55, 0.8, 1.3, 1.42])
    samples = np.zeros(2 * RATE, dtype=np.float32)
    burst = np.random.default_rng(1).standard_normal(2000) * np.geomspace(1, 1e-3, 2000)
    for time in times:
        start = round(time * RATE)
        samples[start : start + 2000] += burst.astype(np.float32)
    assert detect_onsets(samples) == pytest.approx(times, abs=3 * HOP / RATE)


def test_silence_and_a_constant_have_no_onsets() -> None:
    assert onsets_of(DecodedClip(Audio(np.zeros((1, 8000), np.float32), 8000), Prompt("p", "a tune", "jazz"))).size == 0
    assert pick_peaks(np.full(50, 3, dtype=np.float32)).size == 0
