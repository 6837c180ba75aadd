"""Long audio in overlapping windows, so that a network encodes it piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch


class Window(NamedTuple):
    """Frames ``begin`` to ``end`` are encoded, of which ``kept_from`` to ``kept_to`` are kept."""

    begin: int
    end: int
    kept_from: int
    kept_to: int


def windows(frames: int, size: int, context: int) -> Iterator[Window]:
    """Windows whose kept parts follow each other from frame 0 to the last without a gap.

    What fits into one window is one. Otherwise each has exactly ``size`` frames, and what is kept of it lies at least
    ``context`` frames from an edge that is not the edge of the audio.

    Args:
        frames: length of the audio, ≥ 1.
        size: longest window, > 2 · context.
        context: ≥ 0.
    """
    if frames <= size:
        yield Window(0, frames, 0, frames)
        return
    done = 0
    while done < frames:
        begin = min(max(0, done - context), frames - size)
        end = begin + size
        until = frames if end == frames else end - context
        yield Window(begin, end, done, until)
        done = until


def encoded(
    encode: Callable[[int, int], Any], frames: int, size: int, context: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of a posterior, each (channels, frames, …), in float32 on the CPU.

    Args:
        encode: gives the posterior of the frames from ``begin`` to ``end``, with a batch dimension of 1.
        frames, size, context: as for `windows`.
    """
    means, deviations = [], []
    with torch.no_grad():
        for begin, end, kept_from, kept_to in windows(frames, size, context):
            posterior, kept = encode(begin, end), slice(kept_from - begin, kept_to - begin)
            means.append(posterior.mean[0, :, kept].float().cpu())
            deviations.append(posterior.std[0, :, kept].float().cpu())
    return torch.cat(means, dim=1), torch.cat(deviations, dim=1)
