"""The objectives of latent diffusion as pure functions: noise levels, noising, targets, losses, guidance dropout.

Latents z and noise ε are mixed at a level (α, σ) as x = αz + σε; α² + σ² = 1 in diffusion, α + σ = 1 on straight paths.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import torch


class NoiseLevel(NamedTuple):
    """The amounts of music, α, and of noise, σ, in each example; both float32, shape (batch,)."""

    alpha: torch.Tensor
    sigma: torch.Tensor


def cosine_level(times: torch.Tensor) -> NoiseLevel:
    """Compute α = cos(πt/2), σ = sin(πt/2) for times in [0, 1]: the schedule of Stable Audio.

    A sampler's noise level s, as in z + sε, is at the time 2·atan(s)/π. Salimans and Ho, "Progressive Distillation for
    Fast Sampling of Diffusion Models", ICLR 2022.
    """
    angles = times.float() * (math.pi / 2)
    return NoiseLevel(torch.cos(angles), torch.sin(angles))


def discrete_steps(times: torch.Tensor, count: int) -> torch.Tensor:
    """Compute the step ⌊t · count⌋ of a schedule of ``count`` steps for times in (0, 1): uniform for uniform times;
    int64."""
    return (times.float() * count).floor().long().clamp(0, count - 1)


def discrete_level(steps: torch.Tensor, cumulative: torch.Tensor) -> NoiseLevel:
    """Compute α = √ᾱ, σ = √(1 − ᾱ) for steps: the schedule of AudioLDM.

    Args:
        steps: int64, shape (batch,), from 0 on.
        cumulative: ᾱ of every step, the products of 1 − β. Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic
            Models", NeurIPS 2020.
    """
    kept = cumulative.to(steps.device)[steps].float()
    return NoiseLevel(kept.sqrt(), (1 - kept).sqrt())


def straight_level(times: torch.Tensor) -> NoiseLevel:
    """Compute α = 1 − t, σ = t for times in [0, 1]: rectified flow, on a straight path from music to noise.

    Liu, Gong, Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow", ICLR 2023.
    """
    return NoiseLevel(1 - times.float(), times.float())


def truncated_logistic_normal(quantile: float, left: float = 0.075) -> float:
    """Compute the quantile of 1 − (x − left) / (1 − left), x being sigmoid of a normal number of at least logit of
    left.

    As ``trunc_logit_normal`` of Stability-AI/stable-audio-3; ``quantile`` and ``left`` in (0, 1).
    """
    normal = NormalDist()
    least = normal.cdf(math.log(left / (1 - left)))
    # Counted from above, where the normal distribution's tail would round to 1.
    x = 1 / (1 + math.exp(normal.inv_cdf((1 - least) * quantile)))
    return 1 - (x - left) / (1 - left)


def shifted_time(time: float, frames: int) -> float:
    """Move a time in [0, 1] towards noise for long music: t / (e^−μ (1 − t) + t), μ from .5 to 1.15.

    μ is linear in the latent frames, from 256 to 4,096 of them. As ``DistributionShift`` of
    Stability-AI/stable-audio-3 with what all its published checkpoints give it; Esser et al., "Scaling Rectified Flow
    Transformers for High-Resolution Image Synthesis", ICML 2024.
    """
    share = (min(max(frames, 256), 4096) - 256) / (4096 - 256)
    return time / (math.exp(-(0.5 + (1.15 - 0.5) * share)) * (1 - time) + time)


def noised(latents: torch.Tensor, noise: torch.Tensor, level: NoiseLevel) -> torch.Tensor:
    """Compute x = αz + σε, shape (batch, …).

    Args:
        latents: z, shape (batch, …).
        noise: ε, same shape.
        level: α and σ, each of shape (batch,).
    """
    return _wide(level.alpha, latents) * latents + _wide(level.sigma, latents) * noise


def velocity(latents: torch.Tensor, noise: torch.Tensor, level: NoiseLevel) -> torch.Tensor:
    """Compute v = αε − σz, which a network with v-prediction learns; z = αx − σv. Salimans and Ho, ICLR 2022.

    Shapes are those of `noised`.
    """
    return _wide(level.alpha, latents) * noise - _wide(level.sigma, latents) * latents


def flow(latents: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Compute v = ε − z, along the straight path, which a network of rectified flow learns; z = x − t · v.

    Shapes are those of `noised`.
    """
    return noise - latents


def squared_error(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the mean squared error of each example of two tensors (batch, …), in float32, shape (batch,)."""
    return (predicted.float() - target.float()).square().flatten(1).mean(dim=1)


def without(condition: torch.Tensor, dropped: torch.Tensor, unconditional: torch.Tensor | None = None) -> torch.Tensor:
    """Return the condition, shape (batch, …), replaced by the unconditional one where ``dropped``: by default zeros.

    Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022 (arXiv 2207.12598).

    Args:
        condition: shape (batch, …).
        dropped: bool, shape (batch,).
        unconditional: the unconditional condition, of a shape that broadcasts; None for zeros.
    """
    nothing = torch.zeros_like(condition) if unconditional is None else unconditional.expand_as(condition)
    return torch.where(_wide(dropped, condition), nothing, condition)


def _wide(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return one value for each example, shaped to multiply all of it."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
