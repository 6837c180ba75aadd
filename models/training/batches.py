"""What each optimizer step is trained on: the examples, the crop of each, and everything that is drawn for them.

Everything follows from the seed and the number of the step, whatever was computed before and by however many processes.

The crops of one pass are equally long, as one tensor has to be, and nothing is padded: a pass is as long as its
shortest example, and at most ``crop``. So that a short example does not shorten long ones, an epoch's order is shuffled
and then sorted by length within every `POOL` passes, whose order is shuffled again. Examples of one length are shuffled
as if there were no sorting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UsageError
from models.training.base import Batch, Trainee
from models.training.config import TrainConfig
from models.training.dataset import Example
from models.training.rng import generator

if TYPE_CHECKING:
    import torch

    from models.training.latents import LatentCache

POOL = 32  # passes among which examples are sorted by length
_TIMES = 2**23  # this many diffusion times are exact in float32 and lie strictly between 0 and 1


@dataclass(frozen=True)
class Visit:
    """One example's turn in an epoch, with the length of its crop in latent frames."""

    epoch: int
    example: int
    frames: int


@dataclass(frozen=True)
class Draw:
    """What is drawn for one visit: its latent and everything of `Batch` that belongs to it."""

    latent: torch.Tensor
    start: float
    total: float
    time: float
    noise: torch.Tensor
    dropped: bool


def epoch_order(lengths: Sequence[int], batch: int, epoch: int, seed: int) -> list[int]:
    """Return the order in which an epoch visits each example once.

    Epochs follow each other without a gap: an incomplete last pass is completed by the next epoch.

    Args:
        lengths: of each example, in latent frames.
        batch: examples of one pass, ≥ 1.
        epoch: counted from 0.
        seed: of the training.
    """
    rng = generator(seed, "order", epoch)
    order = rng.permutation(len(lengths))
    head = min(len(order), -epoch * len(order) % batch)  # these complete the pass that the last epoch began
    tail = (len(order) - head) // batch * batch + head
    parts = [order[:head]]
    for begin in range(head, tail, POOL * batch):
        pool = order[begin : min(tail, begin + POOL * batch)]
        alike = pool[np.argsort(np.asarray(lengths)[pool], kind="stable")].reshape(-1, batch)
        parts.append(rng.permutation(alike).ravel())
    return [int(example) for example in np.concatenate([*parts, order[tail:]])]


class Batches:
    """The training's examples, distributed over steps, passes and processes."""

    def __init__(self, trainee: Trainee, cache: LatentCache, examples: Sequence[Example], config: TrainConfig) -> None:
        self.examples = examples
        self._trainee, self._cache, self._config = trainee, cache, config
        self.lengths = [crop_frames(cache.latent(example).mean.shape[1], trainee, config) for example in examples]
        self._order = lru_cache(maxsize=2)(lambda epoch: epoch_order(self.lengths, config.batch, epoch, config.seed))

    @property
    def step_size(self) -> int:
        """Examples of one optimizer step."""
        return self._config.batch * self._config.accumulation

    def steps(self, epochs: int) -> int:
        """Return the optimizer steps of so many epochs, rounded up to whole steps."""
        return -(-epochs * len(self.examples) // self.step_size)

    def passes(self, step: int) -> list[list[Visit]]:
        """Return the visits of each pass of a step, over all processes."""
        first = step * self.step_size
        return [self._pass(first + i * self._config.batch) for i in range(self._config.accumulation)]

    def _pass(self, first: int) -> list[Visit]:
        turns = [divmod(turn, len(self.examples)) for turn in range(first, first + self._config.batch)]
        visited = [(epoch, self._order(epoch)[place]) for epoch, place in turns]
        frames = min(self.lengths[example] for _, example in visited)
        return [Visit(epoch, example, frames) for epoch, example in visited]

    def batch(self, visits: Sequence[Visit], device: Any) -> Batch:
        """Return examples of one pass, or of a part of it, on a device.

        Args:
            visits: whose crops are equally long, as those of one of the `passes` are.
            device: as PyTorch has it.
        """
        draws = [self._draw(visit) for visit in visits]
        return assemble(draws, [self.examples[visit.example] for visit in visits], self._trainee, self._cache, device)

    def _draw(self, visit: Visit) -> Draw:
        rng = generator(self._config.seed, "visit", visit.epoch, visit.example)
        example, dropout = self.examples[visit.example], self._config.guidance_dropout
        return draw(rng, self._cache, self._trainee, example, visit.frames, dropout)


def crop_frames(frames: int, trainee: Trainee, config: TrainConfig) -> int:
    """Return the latent frames of an example that are trained on at a time: what ``crop`` and the network allow.

    Args:
        frames: latent frames of the example.
        trainee: gives the most frames that the network takes.
        config: gives ``crop`` in seconds.

    Raises:
        UsageError: not one frame fits into the crop.
    """
    allowed = trainee.longest
    if config.crop is not None:
        allowed = min(allowed, int(config.crop / trainee.frame_seconds + 1e-6))
    if not allowed:
        raise UsageError(
            f"crop: {config.crop:g} s is shorter than a latent frame of this base, {trainee.frame_seconds:g} s; "
            "give more seconds, or leave it out"
        )
    return min(frames, allowed)


def draw(
    rng: np.random.Generator, cache: LatentCache, trainee: Trainee, example: Example, frames: int, dropout: float
) -> Draw:
    """Draw where the crop begins, its diffusion time, whether its condition is dropped, its latent and its noise.

    Args:
        rng: the visit's own generator.
        cache: latents and conditions.
        trainee: draws the diffusion time.
        example: what is visited.
        frames: length of the crop in latent frames.
        dropout: probability that the condition is dropped, in [0, 1].
    """
    import torch

    latent = cache.latent(example)
    start = int(rng.integers(latent.mean.shape[1] - frames + 1))
    time = trainee.time((int(rng.integers(_TIMES)) + 0.5) / _TIMES, latent.seconds)
    dropped = bool(rng.random() < dropout)
    mean, std = latent.mean[:, start : start + frames], latent.std[:, start : start + frames]

    def normal() -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32))

    sample = mean + std * normal()
    return Draw(sample, latent.start + start * trainee.frame_seconds, latent.seconds, time, normal(), dropped)


def assemble(
    draws: Sequence[Draw], examples: Sequence[Example], trainee: Trainee, cache: LatentCache, device: Any
) -> Batch:
    """Assemble visits of one length into a batch on a device.

    Args:
        draws: one a visit, with latents of one shape.
        examples: those visited, in the same order.
        trainee: joins the conditions.
        cache: holds the conditions.
        device: as PyTorch has it.
    """
    import torch

    condition = trainee.joined([cache.condition(example) for example in examples])
    return Batch(
        latents=torch.stack([d.latent for d in draws]).to(device),
        condition={name: value.to(device) for name, value in condition.items()},
        starts=torch.tensor([d.start for d in draws], dtype=torch.float32, device=device),
        totals=torch.tensor([d.total for d in draws], dtype=torch.float32, device=device),
        times=torch.tensor([d.time for d in draws], dtype=torch.float32, device=device),
        noise=torch.stack([d.noise for d in draws]).to(device),
        dropped=torch.tensor([d.dropped for d in draws], device=device),
    )
