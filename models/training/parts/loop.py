"""One loop for all parts: AdamW, a cosine, checkpoints to go on from, and the losses in a log."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from bench.atomic_write import replacing
from bench.errors import DataError
from bench.progress import Progress
from models.composer.chance import named_generator

Losses = Mapping[str, torch.Tensor]
Step = Callable[[torch.nn.Module, np.random.Generator, float], Losses]
"""Compute the losses of one batch: of a network, with a generator for what is random, at a share of the steps done."""


@dataclass(frozen=True)
class LoopSettings:
    """How long a part is trained, and how.

    Attributes:
        name: of the part; with the step's number it seeds everything random in a step, so that a training which is
            resumed sees what it would have seen.
        steps: optimizer steps.
        lr: highest learning rate.
        betas: of AdamW.
        weight_decay: of AdamW.
        warmup: steps over which the rate rises; it then falls as a cosine, to 1 % of itself.
        clip_norm: bound on the gradients' norm.
        every: steps between checkpoints.
    """

    name: str
    steps: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    warmup: int = 50
    clip_norm: float = 1.0
    every: int = 200

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


def train_part(network: torch.nn.Module, step: Step, settings: LoopSettings, out: Path, progress: Progress) -> None:
    """Train a network, or go on with a training that was interrupted.

    The losses go to ``log.jsonl``, weights and optimizer to ``state.pt``. A training that was interrupted gives the
    weights it would have given; what is random in a step depends on its number alone.

    Args:
        network: in the end with the trained weights, in evaluation mode.
        step: computes the losses of one batch, whose sum is minimized.
        settings: how.
        out: made where it is missing.
        progress: is told of each step.

    Raises:
        DataError: a loss that is not finite, or a damaged ``state.pt``.
    """
    out.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
    )
    state = out / "state.pt"
    begin = _restored(network, optimizer, state)
    progress.begin(f"training {settings.name}", settings.steps, begin)
    network.train()
    for number in range(begin, settings.steps):
        began = time.monotonic()
        chance = named_generator(f"{settings.name}:{number}")
        torch.manual_seed(int(chance.integers(2**62)))
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(number)
        losses = step(network, chance, number / settings.steps)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        if not torch.isfinite(total):
            raise DataError(f"{settings.name}: the loss of step {number} is not finite; lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimizer.step()
        line = {name: round(float(loss.detach()), 5) for name, loss in losses.items()}
        _note(out, {"step": number, **line, "seconds": round(time.monotonic() - began, 3)})
        progress.advance(1)
        if (number + 1) % settings.every == 0 or number + 1 == settings.steps:
            _save(network, optimizer, number + 1, state)
    network.eval()


def _note(out: Path, line: Mapping[str, Any]) -> None:
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _save(network: torch.nn.Module, optimizer: torch.optim.Optimizer, done: int, path: Path) -> None:
    with replacing(path) as temporary:
        torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "done": done}, temporary)


def _restored(network: torch.nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> int:
    """Load what was saved; return the number of steps that were done."""
    if not path.is_file():
        return 0
    try:
        saved = torch.load(path, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        return int(saved["done"])
    except (RuntimeError, KeyError, EOFError, ValueError, OSError, UnpicklingError) as error:
        raise DataError(f"{path} is damaged or of another network; delete it to begin again") from error
