"""Exponential moving average of weights while they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Ema:
    """Averaged weights beside the trained ones.

    After update n = 0, 1, … the average moves to d · average + (1 − d) · weight with d = min(decay, (1 + n)/(10 + n)),
    and 0 for n = 0: the rise of TensorFlow's ``ExponentialMovingAverage`` and diffusers' ``EMAModel``, without which
    a short training would average little but its starting point.

    Args:
        weights: the trained parameters by name; they are watched, not copied.
        decay: in (0, 1).
    """

    def __init__(self, weights: Mapping[str, torch.nn.Parameter], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self.updates = 0
        self.average = {name: weight.detach().clone() for name, weight in weights.items()}

    def update(self) -> None:
        """Move the average towards the weights; call after each optimizer step."""
        import torch

        decay = min(self._decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 0.0
        with torch.no_grad():
            for name, weight in self._weights.items():
                self.average[name].lerp_(weight, 1 - decay)
        self.updates += 1

    def restore(self, average: Mapping[str, torch.Tensor], updates: int) -> None:
        """Continue from saved averages.

        Args:
            average: as the attribute: by name, a tensor for each weight.
            updates: number of updates that it is the result of.
        """
        for name, value in average.items():
            self.average[name].copy_(value)
        self.updates = updates

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the network compute with the averaged weights until the block ends."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        # Pointers are swapped, so that no second copy of the network is needed.
        for name, weight in self._weights.items():
            weight.data, self.average[name] = self.average[name], weight.data
