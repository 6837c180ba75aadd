"""The log-mel spectrogram that AudioLDM's autoencoder encodes and its vocoder plays."""

from __future__ import annotations

from functools import lru_cache

import torch

from bench.contracts.audio import Samples
from bench.mel import mel_filters

FLOOR = 1e-5  # magnitude below which everything counts as silence


def window_length(rate: int, hop: int) -> int:
    """Return the samples in a window: 1024 at 16 kHz and a hop of 160, as published.

    That is the largest power of two within 64 ms, or, where hops are long, the first that holds three of them, so that
    no sample lies only at the edges of windows.

    Args:
        rate: in Hz.
        hop: samples from one frame to the next.
    """
    return max(1 << (max(1, rate * 64 // 1000).bit_length() - 1), 1 << (3 * hop - 1).bit_length())


def log_mel(samples: Samples, rate: int, hop: int, bands: int) -> torch.Tensor:
    """Compute the natural logarithm of the mel magnitude spectrum, shape (frames, bands), float32.

    The audio is reflected at both ends by half of what the window exceeds the hop; periodic Hann window; magnitudes,
    not powers; Slaney's mel scale with triangles of equal area from 0 Hz to half the rate.

    Args:
        samples: mono, shape (frames · hop,), longer than half a window.
        rate: in Hz.
        hop: samples from one frame to the next.
        bands: number of mel bands.

    Liu et al., "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models", ICML 2023; the front end is that of
    Kong, Kim and Bae, "HiFi-GAN", NeurIPS 2020.
    """
    window = window_length(rate, hop)
    before = (window - hop) // 2
    margins = (before, window - hop - before)
    audio = torch.nn.functional.pad(torch.from_numpy(samples.copy())[None], margins, mode="reflect")[0]
    spectrum = torch.stft(audio, window, hop, window=torch.hann_window(window), center=False, return_complex=True)
    return (mel_matrix(rate, window, bands) @ spectrum.abs()).clamp(min=FLOOR).log().T.contiguous()


@lru_cache(maxsize=8)
def mel_matrix(rate: int, window: int, bands: int) -> torch.Tensor:
    """Return the weights of each frequency in each band, shape (bands, window / 2 + 1).

    Args:
        rate: in Hz.
        window: samples in a window.
        bands: number of mel bands.
    """
    return torch.from_numpy(mel_filters(rate, window, bands).copy())
