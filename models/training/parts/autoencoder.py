"""An autoencoder learns to give log-mel spectrograms back from few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.training.parts.clips import Clips, spectrograms
from models.training.parts.loop import LoopSettings, Losses, Step

SECONDS = 5.12
BATCH = 4
KL_WEIGHT = 3e-3

SETTINGS = LoopSettings("autoencoder", steps=3200, lr=1e-3, betas=(0.9, 0.99))


def autoencoder_step(clips: Clips, hop: int, bands: int) -> Step:
    """Return the step that computes an autoencoder's losses: L1, half L2, and the latents' KL to a normal distribution.

    Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022, without their adversary.
    The KL term is a mean over latents, not a sum.

    Args:
        clips: what batches are drawn from.
        hop: samples from one frame of a spectrogram to the next.
        bands: of a spectrogram.
    """
    frames = round(SECONDS * clips.rate / hop) * hop

    def step(network: Any, chance: np.random.Generator, _: float) -> Losses:
        true = spectrograms(clips.waveforms(BATCH, frames, chance), clips.rate, hop, bands)[:, None]
        with torch.autocast("cpu", torch.bfloat16):
            posterior = network.encode(true).latent_dist
            answer = network.decode(posterior.sample()).sample
        wrong = answer.float() - true
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = (mean.square() + logvar.exp() - 1 - logvar).mean() / 2
        return {"l1": wrong.abs().mean(), "l2": wrong.square().mean() / 2, "kl": KL_WEIGHT * kl}

    return step


def whole_latents(samples: int, hop: int, network: Any) -> int:
    """Return a number of samples, rounded down to whole frames of the latents.

    Args:
        samples: any number.
        hop: samples from one frame of a spectrogram to the next.
        network: the autoencoder.
    """
    place = _place(hop, network)
    return samples // place * place


def given_back(network: Any, spectra: torch.Tensor) -> torch.Tensor:
    """Encode spectrograms, shape (batch, frames, bands), and decode the means of their latents: float32, same shape."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        answer: torch.Tensor = network.decode(network.encode(spectra[:, None]).latent_dist.mean).sample
    return answer.float()[:, 0]


def latent_spread(network: Any, clips: Clips, hop: int, bands: int) -> float:
    """Return the standard deviation, about 0, of the latents of all clips; ``scaling_factor`` is its reciprocal.

    Args:
        network: the autoencoder.
        clips: the music.
        hop: samples from one frame of a spectrogram to the next.
        bands: of a spectrogram.
    """
    with torch.inference_mode():
        squares = [
            network.encode(spectrograms(wave[None], clips.rate, hop, bands)[:, None]).latent_dist.mean.square().mean()
            for wave in clips.whole(_place(hop, network))
        ]
    return float(torch.stack(squares).mean().sqrt())


def _place(hop: int, network: Any) -> int:
    """Return the samples from one frame of the latents to the next: every level but the first halves their number."""
    samples: int = hop * 2 ** (len(network.config.block_out_channels) - 1)
    return samples
