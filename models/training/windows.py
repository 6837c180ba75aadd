"""Long audio encoded window by window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from bench.errors import UsageError
from models.windows import windows


def check_channels(mean: torch.Tensor, taken: int) -> None:
    """Refuse latents, shape (channels, frames, …), that the network does not take.

    Args:
        mean: of the posterior.
        taken: channels that the network takes.

    Raises:
        UsageError: autoencoder and network do not match.
    """
    if len(mean) != taken:
        raise UsageError(
            f"the checkpoint's autoencoder encodes into {len(mean)} channels and its network takes {taken}; they do "
            "not match, use another checkpoint"
        )


def encoded(
    encode: Callable[[int, int], Any], frames: int, size: int, context: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode mean and standard deviation of a posterior, each (channels, frames, …), in float32 on the CPU.

    Args:
        encode: gives the posterior of the frames from ``begin`` to ``end``, with a batch dimension of 1.
        frames, size, context: as for `models.windows.windows`.
    """
    means, deviations = [], []
    with torch.no_grad():
        for begin, end, kept_from, kept_to in windows(frames, size, context):
            posterior, kept = encode(begin, end), slice(kept_from - begin, kept_to - begin)
            means.append(posterior.mean[0, :, kept].float().cpu())
            deviations.append(posterior.std[0, :, kept].float().cpu())
    return torch.cat(means, dim=1), torch.cat(deviations, dim=1)
