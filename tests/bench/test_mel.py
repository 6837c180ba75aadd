"""Mel filters and spectrograms against closed forms and librosa, whose numbers ours have to be."""

from __future__ import annotations

import numpy as np
import pytest

from bench.mel import mel_corners, mel_filters, mel_power, mel_spectrogram

FORMS = pytest.mark.parametrize(
    ("rate", "window", "bands"), [(16_000, 512, 96), (22_050, 2048, 128), (16_000, 1024, 64), (48_000, 1024, 80)]
)


@FORMS
@pytest.mark.parametrize(("lowest", "highest"), [(0.0, None), (20.0, 7_600.0), (600.0, 7_900.0)])
def test_filters_are_librosas(rate: int, window: int, bands: int, lowest: float, highest: float | None) -> None:
    from librosa.filters import mel

    theirs = mel(sr=rate, n_fft=window, n_mels=bands, fmin=lowest, fmax=highest)
    np.testing.assert_allclose(mel_filters(rate, window, bands, lowest, highest), theirs, rtol=1e-6, atol=1e-12)


def test_bands_have_equal_areas_and_are_linear_below_1_kHz() -> None:
    areas = mel_filters(48_000, 16_384, 40).sum(axis=1, dtype=np.float64) * 48_000 / 16_384
    assert areas == pytest.approx(1, abs=1e-3)
    corners = mel_corners(58, 0, 1000 * 6.4 ** (33 / 27))  # 48 mels, 59 steps
    below = corners[corners < 1000]
    assert np.diff(below) == pytest.approx(48 / 59 * 200 / 3)
    above = corners[corners > 1000]
    assert above[1:] / above[:-1] == pytest.approx(6.4 ** (48 / 59 / 27))


@FORMS
@pytest.mark.parametrize("frames", [1, 7, 1000, 33_333])
def test_spectrogram_is_librosas(rate: int, window: int, bands: int, frames: int) -> None:
    from librosa.feature import melspectrogram

    rng = np.random.default_rng(frames)
    samples = (rng.standard_normal(frames) * np.geomspace(1, 1e-5, frames)).astype(np.float32)
    padded = np.pad(samples, window)  # librosa warns of audio shorter than a window
    theirs = melspectrogram(y=padded, sr=rate, n_fft=window, hop_length=window // 4, n_mels=bands).T
    ours = mel_spectrogram(padded, mel_filters(rate, window, bands), window // 4)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    inner = mel_spectrogram(samples, mel_filters(rate, window, bands), window // 4)
    np.testing.assert_allclose(inner, ours[4 : 4 + len(inner)], rtol=1e-5)  # silence beyond both ends


def test_a_tone_has_its_power() -> None:
    """A sine of amplitude A at the k-th frequency has magnitudes A·N/4 there, and half of it on both sides."""
    window, k = 1024, 100
    samples = np.sin(2 * np.pi * k * np.arange(8 * window) / window).astype(np.float32)
    magnitudes = window / 4 * np.array([0.5, 1, 0.5])
    filters = mel_filters(16_000, window, 64)
    wanted = filters[:, k - 1 : k + 2] @ magnitudes**2
    power = mel_power(samples, filters, np.array([window, 3 * window + 17]))
    np.testing.assert_allclose(power, np.stack([wanted, wanted]), rtol=1e-4, atol=1e-3)
