"""A trained vocoder goes on against discriminators: what it plays has then the grain of music, not the mean of grains.

A spectrogram does not tell the phase of what is noise. Spectral losses alone are least for a sound between all that
could have been, which buzzes where a cymbal hisses; a discriminator tells that sound from each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from models.training.mel import mel_matrix
from models.training.parts.autoencoder import given_back, whole_latents
from models.training.parts.clips import Clips, spectrograms
from models.training.parts.loop import LoopSettings, Losses, Step
from models.training.parts.vocoder import BATCH, FINE_BANDS, SECONDS, magnitudes, reconstruction_losses

WINDOWS = (256, 512, 1024, 2048)  # samples
WIDTH = 16
SLOPE = 0.2
MEL_WEIGHT = 10.0  # 45 in HiFi-GAN: the spectrogram decides what is played, the discriminators how

SETTINGS = LoopSettings("adversary", steps=5000, lr=3e-4, betas=(0.8, 0.99), weight_decay=1e-3)


class SpectrogramDiscriminator(nn.Module):
    """Tell played from true by one log spectrogram, after Jang et al., "UnivNet", Interspeech 2021, at half its width.

    Args:
        window: of the spectrogram, in samples.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        layers = [
            nn.Conv2d(before, WIDTH, (3, 9), stride, (1, 4))
            for before, stride in ((1, (1, 1)), (WIDTH, (1, 2)), (WIDTH, (2, 2)), (WIDTH, (2, 2)))
        ]
        layers += [nn.Conv2d(WIDTH, WIDTH, 3, 1, 1), nn.Conv2d(WIDTH, 1, 3, 1, 1)]
        self.layers = nn.ModuleList(nn.utils.parametrizations.weight_norm(layer) for layer in layers)

    def forward(self, waves: torch.Tensor) -> list[torch.Tensor]:
        """Return what each layer makes of waveforms, shape (batch, samples); the last says 1 for true, 0 for played."""
        signal = (magnitudes(waves, self.window) + 1e-2).log()[:, None].transpose(2, 3) / 2
        found = []
        with torch.autocast("cpu", torch.bfloat16):
            for layer in self.layers[:-1]:
                signal = nn.functional.leaky_relu(layer(signal), SLOPE)
                found.append(signal)
            return [*found, self.layers[-1](signal)]


class VocoderTraining(nn.Module):
    """A vocoder with its discriminators, which are trained together.

    Args:
        vocoder: trained with spectral losses.
    """

    def __init__(self, vocoder: nn.Module) -> None:
        super().__init__()
        self.vocoder = vocoder
        self.discriminators = nn.ModuleList(SpectrogramDiscriminator(window) for window in WINDOWS)


def adversarial_step(clips: Clips, hop: int, bands: int, autoencoder: Any) -> Step:
    """Return the step that computes the losses of a vocoder and of its discriminators.

    They are those of `models.training.parts.vocoder.vocoder_step`, without ``magnitude`` and with `MEL_WEIGHT`;
    ``fooled``, the adversarial loss of Kong, Kim and Bae, "HiFi-GAN", NeurIPS 2020; ``features``, the relative feature
    matching of Défossez et al., "High Fidelity Neural Audio Compression", TMLR 2023; and ``told``, the discriminators'
    own loss, HiFi-GAN's again.

    Args:
        clips: what the vocoder is to play.
        hop: samples from one frame of a spectrogram to the next.
        bands: of a spectrogram.
        autoencoder: its spectrograms are played.
    """
    frames = whole_latents(round(SECONDS * clips.rate), hop, autoencoder)
    fine = mel_matrix(clips.rate, 1024, FINE_BANDS)

    def step(network: Any, chance: np.random.Generator, _: float) -> Losses:
        true = clips.waveforms(BATCH, frames, chance)
        played = network.vocoder(given_back(autoencoder, spectrograms(true, clips.rate, hop, bands)))
        fooled, features, told = [], [], []
        for discriminator in network.discriminators:
            *real, truth = discriminator(true)
            told.append(
                (truth.float() - 1).square().mean() + discriminator(played.detach())[-1].float().square().mean()
            )
            discriminator.requires_grad_(False)  # from here on it judges, and is not trained
            *heard, verdict = discriminator(played)
            fooled.append((verdict.float() - 1).square().mean())
            features += [_relative(mine, its.detach()) for mine, its in zip(heard, real, strict=True)]
            discriminator.requires_grad_(True)
        losses = reconstruction_losses(played, true, fine)
        del losses["magnitude"]  # least for the mean of grains
        return {
            **losses,
            "mel": MEL_WEIGHT * losses["mel"],
            "fooled": torch.stack(fooled).mean(),
            "features": torch.stack(features).mean(),
            "told": torch.stack(told).mean(),
        }

    return step


def _relative(heard: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Compute the L1 distance of features, divided by the mean size of the real ones."""
    return (heard.float() - real.float()).abs().mean() / real.float().abs().mean().clamp(min=1e-6)
