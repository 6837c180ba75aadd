"""How much faster LoRA trains than full fine-tuning: same base, same data, same code, both from cached latents."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from bench.errors import MissingError, TunebenchError
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from models.training.config import TrainConfig
from models.training.data import load_dataset
from models.training.dataset import Dataset
from models.training.rng import generator
from models.training.speed_arm import METHODS, Method, Size, Timing, arm_config, serve
from models.training.split import split

SAMPLE = 64  # examples that the steps use
ROUNDS = 5  # in which the arms take turns, so that whatever else the machine does slows both
SEARCH_STEPS = 4
_BETTER = 1.02  # a larger batch must be faster by this factor to be worth its memory
_OF_AVAILABLE = 0.8  # default limit: other processes of the computer need memory, too


@dataclass(frozen=True)
class ArmSpeed:
    """One arm's figures. ``best`` is the batch with the highest throughput; None if not even one example fits."""

    size: Size
    same: Timing | None
    best: Timing | None


@dataclass(frozen=True)
class SpeedComparison:
    """LoRA and full fine-tuning side by side.

    Attributes:
        checkpoint, device: what is tuned, and where.
        examples: in an epoch.
        limit: bytes that a pass of either arm may use.
        asked: the configuration's batch; the batch of ``same`` is smaller where it does not fit.
    """

    checkpoint: str
    device: dict[str, Any]
    precision: str
    examples: int
    limit: int
    asked: int
    arms: Mapping[Method, ArmSpeed]


def compare_speed(
    config: TrainConfig,
    limit: int | None = None,
    cache: StrPath | None = None,
    steps: int = 4,
    progress: ProgressOption = None,
) -> SpeedComparison:
    """Train a few steps with LoRA and with all weights, and time them.

    Each arm is a process of its own, which does nothing but these steps, with the code of the training loop. At the
    same batch, and again each at its best batch, the arms take turns. The best batch is sought among 1, 2, 3, 4, 6, 8,
    12, … up to the memory limit, or until one of three times the size is no faster.

    Args:
        config: base, data, batch, crop, precision; the method is ignored, and so is the accumulation.
        limit: bytes of memory that an arm may use: of the CUDA device, or else of its process. By default all of the
            device, or most of what is free.
        cache: folder of latents, such as that of a training; by default a temporary one.
        steps: timed in each of the rounds.
        progress: gets a note for each batch that is tried.

    Raises:
        UsageError, DataError, MissingError: as `models.training.train.train`.
    """
    with shown(progress) as told:
        return _compare_speed(config, limit, None if cache is None else Path(cache), steps, told)


def _compare_speed(
    config: TrainConfig, limit: int | None, cache: Path | None, steps: int, progress: Progress
) -> SpeedComparison:
    dataset = load_dataset(config.data, progress)
    train = split(dataset, config.data, config.seed).train
    chosen = sorted(generator(config.seed, "speed").permutation(len(train))[:SAMPLE])
    sample = replace(dataset, examples=tuple(train[place] for place in chosen))
    with ExitStack() as stack:
        folder = cache or Path(stack.enter_context(TemporaryDirectory(prefix="tunebench-speed-")))
        arms: dict[Method, _Process] = {}
        for method in METHODS:  # one after the other: the first one encodes
            progress.note(f"{method}: loading")
            arms[method] = stack.enter_context(_Process(method, arm_config(config, method), sample, folder))
        return _compare(config, arms, len(train), limit, steps, progress)


def _compare(
    config: TrainConfig,
    arms: Mapping[Method, _Process],
    examples: int,
    limit: int | None,
    steps: int,
    progress: Progress,
) -> SpeedComparison:
    if limit is None:
        limit = int(_OF_AVAILABLE * min(arm.size().available for arm in arms.values()))
    best = {method: _best_batch(arm, limit, progress) for method, arm in arms.items()}
    same: Mapping[Method, Timing] = {}
    batch = config.batch
    while batch and len(same) < len(arms):  # the largest batch that fits for both
        progress.note(f"both: batch {batch}")
        same = _taking_turns(arms, dict.fromkeys(arms, batch), steps, limit)
        batch //= 2
    own = {method: batch for method, batch in best.items() if batch is not None}
    progress.note(", ".join(f"{method}: best batch {batch}" for method, batch in own.items()))
    timed = _taking_turns(arms, own, steps, limit)
    return SpeedComparison(
        config.base.checkpoint,
        arms["lora"].machine,
        config.precision,
        examples,
        limit,
        config.batch,
        {
            method: ArmSpeed(arm.size(), same.get(method) if len(same) == len(arms) else None, timed.get(method))
            for method, arm in arms.items()
        },
    )


def _taking_turns(
    arms: Mapping[Method, _Process], batches: Mapping[Method, int], steps: int, limit: int
) -> dict[Method, Timing]:
    """Return timings of each arm at its batch; only of those that fit."""
    found: dict[Method, list[Timing]] = {method: [] for method in batches}
    for turn in range(ROUNDS):
        for method in list(found)[:: -1 if turn % 2 else 1]:
            timing = arms[method].timed(batches[method], steps)
            if timing is None or timing.peak > limit:
                del found[method]
            else:
                found[method].append(timing)
    return {method: _joined(timings) for method, timings in found.items()}


def _joined(timings: Sequence[Timing]) -> Timing:
    seconds = tuple(second for timing in timings for second in timing.seconds)
    return Timing(timings[0].batch, seconds, max(timing.peak for timing in timings))


def _best_batch(arm: _Process, limit: int, progress: Progress) -> int | None:
    """Return the batch with the highest throughput within the limit; a larger one must be worth its memory."""
    tried: list[Timing] = []
    best: Timing | None = None
    for batch in _batches():
        if len(tried) > 1 and _foreseen(tried[-2], tried[-1], batch) > limit:
            break
        timing = arm.timed(batch, SEARCH_STEPS)
        if timing is None or timing.peak > limit:
            break
        tried.append(timing)
        progress.note(f"{arm.method}: batch {batch}, {timing.highest_rate:.3g} examples/s, {timing.peak / 1e9:.3g} GB")
        if best is None or timing.highest_rate > _BETTER * best.highest_rate:
            best = timing
        elif batch >= 3 * best.batch:
            break
    return best.batch if best else None


def _batches() -> Iterator[int]:
    """Yield 1, 2, 3, 4, 6, 8, 12, 16, …"""
    yield 1
    for power in count(1):
        yield 2**power
        yield 3 * 2 ** (power - 1)


def _foreseen(smaller: Timing, larger: Timing, batch: int) -> float:
    """Extrapolate the peak linearly from two others, which saves a computer from swapping."""
    slope = (larger.peak - smaller.peak) / (larger.batch - smaller.batch)
    return larger.peak + slope * (batch - larger.batch)


class _Process:
    """An arm in its process, which ends with the block; one that is killed because memory ran out is started again."""

    def __init__(self, method: Method, config: TrainConfig, dataset: Dataset, folder: Path) -> None:
        self.method = method
        self.machine: dict[str, Any] = {}
        self._arguments = (config, dataset, folder)

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        if error is None:
            self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def timed(self, batch: int, steps: int) -> Timing | None:
        """Return the time steps, as `models.training.speed_arm.Arm.timed`."""
        try:
            timing: Timing | None = self._ask((batch, steps))
        except EOFError:
            self._start()
            return None
        return timing

    def size(self) -> Size:
        """Return the size, as `models.training.speed_arm.Arm.size`."""
        size: Size = self._ask(None)
        return size

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.machine = self._answer()
        except EOFError:
            raise MissingError(
                f"{self.method}: the process ended while loading (exit code {self._process.exitcode}), most likely "
                "because memory ran out; use a smaller checkpoint, or a machine with more memory"
            ) from None

    def _ask(self, question: tuple[int, int] | None) -> Any:
        self._connection.send(question)
        return self._answer()

    def _answer(self) -> Any:
        answer = self._connection.recv()
        if isinstance(answer, TunebenchError):
            raise answer
        return answer
