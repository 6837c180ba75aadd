"""A vocoder learns to play log-mel spectrograms: spectral losses alone, no adversary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from models.training.mel import mel_matrix
from models.training.parts.autoencoder import given_back, whole_latents
from models.training.parts.clips import Clips, spectrograms
from models.training.parts.loop import LoopSettings, Losses, Step

FINE_BANDS = 128  # of the spectrograms that are compared
WINDOWS = (256, 512, 1024, 2048, 4096)  # samples
SECONDS = 1.0
BATCH = 4

SETTINGS = LoopSettings("vocoder", steps=9000, lr=1.5e-3, betas=(0.8, 0.99))


def vocoder_step(clips: Clips, hop: int, bands: int, autoencoder: Any = None) -> Step:
    """Return the step that computes a vocoder's losses on spectrograms.

    ``convergence`` and ``magnitude`` are those of Yamamoto, Song and Kim, "Parallel WaveGAN", ICASSP 2020, over five
    windows; ``mel`` is the L1 distance of log-mel spectrograms of Kong, Kim and Bae, "HiFi-GAN", NeurIPS 2020;
    ``waveform`` is half the L1 distance of the samples, which settles the phase of what is low; with more weight it
    would silence what has no phase to be known, such as cymbals.

    Args:
        clips: what the vocoder is to play.
        hop: samples from one frame of a spectrogram to the next.
        bands: of a spectrogram.
        autoencoder: from half of the steps on, spectrograms are what it gives back of the true ones, which is smoother,
            and what a vocoder behind it has to play.
    """
    frames = round(SECONDS * clips.rate / hop) * hop
    fine = mel_matrix(clips.rate, 1024, FINE_BANDS)

    def step(network: torch.nn.Module, chance: np.random.Generator, done: float) -> Losses:
        if autoencoder is not None and done >= 0.5:
            true = clips.waveforms(BATCH, whole_latents(frames, hop, autoencoder), chance)
            shown = given_back(autoencoder, spectrograms(true, clips.rate, hop, bands))
        else:
            true = clips.waveforms(BATCH, frames, chance)
            shown = spectrograms(true, clips.rate, hop, bands)
        return reconstruction_losses(network(shown), true, fine)

    return step


def reconstruction_losses(played: torch.Tensor, true: torch.Tensor, filters: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute all of `vocoder_step`'s losses.

    Args:
        played: waveforms, shape (batch, samples).
        true: what they should be, same shape.
        filters: of the mel spectrogram, as `models.training.mel.mel_matrix` gives them for windows of 1,024.
    """
    losses = spectral_losses(played, true)
    losses["mel"] = (_log_mel(played, filters) - _log_mel(true, filters)).abs().mean()
    losses["waveform"] = (played - true).abs().mean() / 2
    return losses


def spectral_losses(played: torch.Tensor, true: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute spectral convergence and the L1 distance of log magnitudes, means over `WINDOWS`.

    Args:
        played: waveforms, shape (batch, samples).
        true: what they should be, same shape.
    """
    convergence, magnitude = [], []
    for window in WINDOWS:
        heard, wanted = (magnitudes(wave, window) for wave in (played, true))
        convergence.append(torch.linalg.norm(wanted - heard) / torch.linalg.norm(wanted).clamp(min=1e-6))
        magnitude.append((heard.log() - wanted.log()).abs().mean())
    return {"convergence": torch.stack(convergence).mean(), "magnitude": torch.stack(magnitude).mean()}


def magnitudes(wave: torch.Tensor, window: int) -> torch.Tensor:
    """Compute a spectrogram's magnitudes, shape (batch, window / 2 + 1, frames), as loud for every window.

    Args:
        wave: waveforms, shape (batch, samples).
        window: in samples; a quarter of it lies between frames.
    """
    spectrum = torch.stft(wave, window, window // 4, window=torch.hann_window(window), return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-7).sqrt() / math.sqrt(window / 1024)


def _log_mel(wave: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    return (filters @ magnitudes(wave, 1024)).clamp(min=1e-5).log()
