"""One optimizer step: gradients over all its passes and processes, clipped, then AdamW."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import MissingError, UsageError
from models.batching import out_of_memory, release_memory
from models.training.base import Trainee
from models.training.batches import Batches, Visit
from models.training.config import TrainConfig
from models.training.rng import named_seed
from models.training.schedule import factor

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

OVERFLOWS = 20  # consecutive float16 overflows that are skipped; the scale of the loss is by then below 1


@dataclass(frozen=True)
class OptimizerStep:
    """The result of one optimizer step.

    Attributes:
        loss: mean over all its examples.
        norm: of the gradients before they were clipped.
        lr: its learning rate.
        skipped: whether float16 overflowed, so that nothing was changed.
    """

    loss: float
    norm: float
    lr: float
    skipped: bool


def share(batch: int, processes: int) -> int:
    """Return the examples of a pass that each process computes.

    Raises:
        UsageError: they cannot be shared equally.
    """
    if batch % processes:
        raise UsageError(f"batch: {batch} examples cannot be shared equally by {processes} processes; give a multiple")
    return batch // processes


class Optimization:
    """AdamW over the trained weights of a network.

    The examples of a pass are shared equally among the processes, whose gradients are averaged once a step. If memory
    is not sufficient, a pass is cut into halves, and these into halves: the gradients stay the same up to rounding,
    since they are sums over examples. (A dropout within the adapter then draws other masks.)

    Args:
        trainee: with its network on the device, and what is trainable in it already decided.
        weights: what is trained, by name.
        total: steps of the whole training.

    Raises:
        UsageError: the examples of a pass cannot be shared equally.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """

    def __init__(
        self,
        trainee: Trainee,
        weights: Mapping[str, torch.nn.Parameter],
        batches: Batches,
        config: TrainConfig,
        accelerator: Accelerator,
        total: int,
    ) -> None:
        import torch

        self.share = share(config.batch, accelerator.num_processes)  # of a pass, for one process
        self._trainee, self._batches, self._config = trainee, batches, config
        self._accelerator, self._total = accelerator, total
        self.weights = weights
        settings = config.optimizer
        self.optimizer = accelerator.prepare_optimizer(
            torch.optim.AdamW(
                list(weights.values()),
                lr=settings.lr,
                betas=settings.betas,
                eps=settings.eps,
                weight_decay=settings.weight_decay,
            )
        )
        self.at_once = self.share  # examples that go through the network together
        self.overflows = 0

    def step(self, step: int) -> OptimizerStep:
        """Do the step with this number, counted from 0.

        Raises:
            UsageError: the loss or its gradients are not finite; the weights stay as they were.
            MissingError: not even single examples fit into memory.
        """
        loss = self._gradients(step)
        parameters = list(self.weights.values())
        if not math.isfinite(loss):
            raise UsageError(f"step {step + 1}: the loss is {loss}; {self._advice}")
        lr = self._config.optimizer.lr * factor(step, self._config.schedule, self._total)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        norm = float(self._accelerator.clip_grad_norm_(parameters, self._config.clip_norm))
        if not math.isfinite(norm):
            self._overflow(step, norm)
        try:
            self.optimizer.step()
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise self._too_large("the optimizer's state of what is trained") from None
        skipped = bool(self.optimizer.step_was_skipped)
        self.overflows = self.overflows + 1 if skipped else 0
        return OptimizerStep(loss, norm if math.isfinite(norm) else 0.0, lr, skipped)

    def _gradients(self, step: int) -> float:
        """Put the mean gradient of a step into the weights; return its mean loss."""
        import torch

        while True:
            self.optimizer.zero_grad(set_to_none=True)
            total, full = self._passes(step)
            # Every process learns whether any ran out of memory, so that all start the step again.
            status = torch.tensor([total, float(full)], dtype=torch.float32, device=self._accelerator.device)
            summed = self._accelerator.reduce(status, "sum").tolist()
            if not summed[1]:
                break
            release_memory()
            if self.at_once == 1:
                raise self._too_large("a single example")
            self.at_once = (self.at_once + 1) // 2
        if self._accelerator.num_processes > 1:
            for weight in self.weights.values():
                weight.grad = self._accelerator.reduce(weight.grad, "mean")
        return float(summed[0]) / self._batches.step_size

    def _passes(self, step: int) -> tuple[float, bool]:
        """Compute the gradients of this process; return the sum of its losses, and whether memory ran out."""
        rank = self._accelerator.process_index
        try:
            losses: list[torch.Tensor] = []
            for number, visits in enumerate(self._batches.passes(step)):
                mine = visits[rank * self.share : (rank + 1) * self.share]
                for begin in range(0, len(mine), self.at_once):
                    place = (step, number, rank, begin)
                    losses.append(self._backward(mine[begin : begin + self.at_once], place))
            return sum(map(float, losses)), False
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        return 0.0, True  # outside the handler, whose traceback would keep the tensors that filled the memory

    def _backward(self, visits: Sequence[Visit], place: tuple[int, ...]) -> torch.Tensor:
        import torch

        device = self._accelerator.device
        batch = self._batches.batch(visits, device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(named_seed(self._config.seed, "dropout", *place))  # dropout uses the global generator
            with self._accelerator.autocast():
                losses = self._trainee.losses(self._trainee.network, batch)
            self._accelerator.backward(losses.sum() / (self.share * self._config.accumulation))
        return losses.detach().sum()

    def _overflow(self, step: int, norm: float) -> None:
        """Let float16 try again with a smaller scale of the loss; in other precisions continuing would not help."""
        if self._config.precision != "fp16" or self.overflows >= OVERFLOWS:
            raise UsageError(f"step {step + 1}: the norm of the gradients is {norm}; {self._advice}")

    @property
    def _advice(self) -> str:
        lower = "lower optimizer.lr" if self._config.precision != "fp16" else "set precision: bf16 or fp32"
        return f"{lower}, or look for a damaged recording"

    def _too_large(self, what: str) -> MissingError:
        ways = ["set a shorter crop", "gradient_checkpointing: true", "precision: bf16", "a device with more memory"]
        if self._config.method == "full":
            ways.insert(0, "use method: lora")
        return MissingError(f"{what} does not fit into the memory of {self._accelerator.device}; {', or '.join(ways)}")

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return what the next step depends on besides the weights: tensors, and values that JSON can hold."""
        import torch

        tensors = {}
        for name, weight in self.weights.items():
            for key, value in self.optimizer.state[weight].items():
                tensors[f"{name}.{key}"] = torch.as_tensor(value)
        scaler = self._accelerator.scaler
        return tensors, {
            "at_once": self.at_once * self._accelerator.num_processes,
            "overflows": self.overflows,
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def restore(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Continue from a saved state: tensors and values that `state` returned."""
        keys = ("step", "exp_avg", "exp_avg_sq")
        saved = {
            number: {key: tensors[f"{name}.{key}"] for key in keys}
            for number, name in enumerate(self.weights)
            if f"{name}.step" in tensors
        }
        self.optimizer.load_state_dict({"state": saved, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.at_once = max(1, min(self.share, state["at_once"] // self._accelerator.num_processes))
        self.overflows = state["overflows"]
        if self._accelerator.scaler is not None and state["scaler"] is not None:
            self._accelerator.scaler.load_state_dict(state["scaler"])
