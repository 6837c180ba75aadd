"""One arm of a comparison of speed, LoRA or full fine-tuning, in a process of its own that does steps on request."""

from __future__ import annotations

import gc
import signal
import statistics
import time
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import MissingError, TunebenchError
from bench.process_lifetime import end_with_pipe
from models.training.config import TrainConfig
from models.training.dataset import Dataset
from models.training.hardware import machine, peak_memory, recent_peak, restart_peak, usable_memory

if TYPE_CHECKING:
    import torch

Method = Literal["lora", "full"]
METHODS: tuple[Method, ...] = ("lora", "full")
WARM_UP = 2  # steps after a change of batch, of which the first allocates the optimizer's state
_STILL = 1e-12  # learning rate: steps take their usual time, and nothing diverges


@dataclass(frozen=True)
class Size:
    """What an arm trains. ``optimizer`` is in bytes: AdamW's moments and, if they are kept, averaged weights."""

    trainable: int
    parameters: int
    optimizer: int
    memory_of: str
    available: int


@dataclass(frozen=True)
class Timing:
    """Timed steps of one batch.

    Attributes:
        seconds: of each step.
        peak: most bytes in use meanwhile, on the device or by the process.
    """

    batch: int
    seconds: tuple[float, ...]
    peak: int

    @property
    def median(self) -> float:
        """Seconds per step."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Examples per second."""
        return self.batch / self.median

    @property
    def highest_rate(self) -> float:
        """Examples per second of the fastest step, which other load on the machine disturbed least."""
        return self.batch / min(self.seconds)


def arm_config(config: TrainConfig, method: Method) -> TrainConfig:
    """Return the configuration of one arm.

    Both are the same but for the method and for averaged weights, which only full fine-tuning keeps. The learning rate
    is nearly 0, and a step is one pass.
    """
    still = config.optimizer.model_copy(update={"lr": _STILL})
    ema = config.ema if method == "full" else None
    return config.model_copy(update={"method": method, "optimizer": still, "accumulation": 1, "ema": ema})


def serve(connection: Connection, config: TrainConfig, dataset: Dataset, folder: Path) -> None:
    """Answer to (batch, steps) with a `Timing`, or None where they do not fit; to None with a `Size`; until closed.

    Once the arm is ready, it sends the name of its device. An error of tunebench's own is sent in place of an answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides
    if (parent := parent_process()) is not None:
        end_with_pipe(parent.sentinel)  # encoding a dataset may take hours
    try:
        arm = Arm(config, dataset, folder)
        connection.send(machine(arm.device))
        while True:
            asked = connection.recv()
            connection.send(arm.size() if asked is None else arm.timed(*asked))
    except TunebenchError as error:
        connection.send(error)
    except (EOFError, BrokenPipeError):
        pass


class Arm:
    """A network, the part of it that is trained, and its optimizer.

    On a CUDA device it occupies memory only while it is timed, so that two arms of one device do not crowd each other.

    Args:
        config: of the arm.
        dataset: whose latents are cached, or will be, in ``folder``.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, folder: Path) -> None:
        from models.training import lora
        from models.training.latents import LatentCache
        from models.training.processes import accelerate
        from models.training.registry import open_trainee

        self._config, self._examples = config, dataset.examples
        self._accelerator = accelerate(config)
        self._device = self._accelerator.device
        self._trainee = open_trainee(config)
        self._trainee.to(str(self._device))
        self._cache = LatentCache.build(self._trainee, dataset, folder)
        self._trainee.release_encoders()
        lora.prepare(self._trainee, config)
        self._weights = lora.trainable(self._trainee.network)
        self._trainee.network.train()
        self._optimization: Any = None
        self._ema: Any = None
        self._step = 0
        self._rest()

    @property
    def device(self) -> str:
        """Return what the steps are computed on."""
        return str(self._device)

    def timed(self, batch: int, steps: int) -> Timing | None:
        """Do so many steps with passes of so many examples; return None if they do not fit into memory.

        Args:
            batch: examples in a pass, ≥ 1.
            steps: those that are timed, ≥ 1; after a change of ``batch``, `WARM_UP` others come first.
        """
        self._wake()
        try:
            if self._optimization is None or batch != self._optimization.share:
                self._prepare(batch)
                for _ in range(WARM_UP):
                    self._timed_step()
            restart_peak(self._device)
            seconds = tuple(self._timed_step() for _ in range(steps))
            fits = self._optimization.at_once == batch
            return Timing(batch, seconds, recent_peak(self._device)) if fits else None
        except MissingError:  # not even one example
            return None
        finally:
            self._rest()

    def size(self) -> Size:
        """Return what is trained, and how much memory its optimizer needs; after the first steps."""
        parameters = sum(weight.numel() for weight in self._trainee.network.parameters())
        trainable = sum(weight.numel() for weight in self._weights.values())
        averages = self._ema.average.values() if self._ema is not None else ()
        optimizer = sum(value.nbytes for value in (*self._state(), *averages))
        return Size(trainable, parameters, optimizer, peak_memory(self._device)[1], usable_memory(self._device))

    def _prepare(self, batch: int) -> None:
        from models.training.batches import Batches
        from models.training.ema import Ema
        from models.training.optimizer_step import Optimization

        self._optimization = self._ema = None
        self._accelerator.free_memory()
        config = self._config.model_copy(update={"batch": batch})
        batches = Batches(self._trainee, self._cache, self._examples, config)
        self._optimization = Optimization(self._trainee, self._weights, batches, config, self._accelerator, 10**9)
        self._ema = Ema(self._weights, config.ema) if config.ema is not None else None

    def _timed_step(self) -> float:
        self._synchronize()
        begin = time.perf_counter()
        self._optimization.step(self._step)
        if self._ema is not None:
            self._ema.update()
        self._synchronize()
        self._step += 1
        return time.perf_counter() - begin

    def _state(self) -> list[torch.Tensor]:
        import torch

        if self._optimization is None:
            return []
        states = self._optimization.optimizer.state.values()
        return [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]

    def _rest(self) -> None:
        if self._device.type == "cuda":
            self._move("cpu")

    def _wake(self) -> None:
        if self._device.type == "cuda":
            self._move(str(self._device))

    def _move(self, device: str) -> None:
        import torch

        if self._optimization is not None:
            self._optimization.optimizer.zero_grad(set_to_none=True)
        self._trainee.to(device)
        moments = [value for value in self._state() if value.ndim]  # the count of steps is a CPU tensor
        for value in (*moments, *(self._ema.average.values() if self._ema is not None else ())):
            value.data = value.data.to(device)
        gc.collect()
        torch.cuda.empty_cache()

    def _synchronize(self) -> None:
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
