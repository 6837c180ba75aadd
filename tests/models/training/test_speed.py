"""The comparison of speed: what each arm is, how a best batch is found, and what the table says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch

from bench.contracts.audio import Audio, content_hash, read_audio, write_flac
from bench.progress import Silent
from models import tiny
from models.training.config import TrainConfig, parse_train_config
from models.training.dataset import Dataset, Example
from models.training.speed import ArmSpeed, SpeedComparison, _best_batch, _taking_turns
from models.training.speed_arm import Arm, Method, Size, Timing, arm_config
from models.training.speed_report import report, table

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    base = tiny.make("audioldm", tmp_path_factory.mktemp("checkpoints") / "base")
    content = {
        "base": {"kind": "audioldm", "checkpoint": str(base)},
        "data": {"path": str(base)},
        "lora": {"rank": 2},
        "ema": None,
        "steps": 1,
        "batch": 2,
        "accumulation": 3,
        "device": "cpu",
    }
    return parse_train_config(content)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    examples = []
    for name in "abc":
        write_flac(folder / f"{name}.flac", Audio(0.1 * rng.standard_normal((1, 4000)), 8000))
        examples.append(Example(name, name, folder / f"{name}.flac", f"song {name}"))
    return Dataset("songs", tuple(examples), {e.id: content_hash(read_audio(e.path)) for e in examples})


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_arm_trains_what_its_method_says(
    config: TrainConfig, dataset: Dataset, method: Method, tmp_path: Path
) -> None:
    ema = {"ema": 0.99} if method == "full" else {}
    wanted = arm_config(config.model_copy(update={"method": method, **ema}), method)
    arm = Arm(wanted, dataset, tmp_path)
    before = arm.size()
    assert before.optimizer == 0
    timing = arm.timed(4, 2)  # more than there are examples: epochs follow each other
    assert timing is not None and timing.batch == 4 and len(timing.seconds) == 2
    assert timing.peak > 10**7  # bytes, not kB
    size = arm.size()
    unet = tiny.network("audioldm", Path(config.base.checkpoint))
    base = sum(weight.numel() for weight in unet.parameters())
    if method == "lora":
        layers = [part for name, part in unet.named_modules() if name.endswith(("to_q", "to_v"))]
        assert size.trainable == sum(2 * (part.in_features + part.out_features) for part in layers)  # rank 2
        assert size.parameters == base + size.trainable
        counts, averages = 2 * len(layers), 0
    else:
        assert size.trainable == size.parameters == base
        counts, averages = len(list(unet.parameters())), base
    # AdamW: two moments of each weight and a count of steps for each tensor, all in float32.
    assert size.optimizer == 4 * (2 * size.trainable + averages + counts)


def test_the_arms_differ_in_nothing_but_the_method(config: TrainConfig) -> None:
    lora, full = (arm_config(config, method).model_dump() for method in ("lora", "full"))
    assert {name for name in lora if lora[name] != full[name]} == {"method"}
    assert lora["accumulation"] == 1


class Modelled:
    """An arm whose times and memory follow a law, in place of a process."""

    method: Method = "lora"

    def __init__(self, seconds: Callable[[int], float], memory: Callable[[int], float], capacity: float = 1e99) -> None:
        self._seconds, self._memory, self._capacity = seconds, memory, capacity
        self.asked: list[int] = []

    def timed(self, batch: int, steps: int) -> Timing | None:
        self.asked.append(batch)
        if self._memory(batch) > self._capacity:
            return None
        return Timing(batch, (self._seconds(batch),) * steps, int(self._memory(batch)))


@pytest.mark.parametrize(
    ("seconds", "memory", "limit", "best"),
    [
        (lambda n: 1 + n, lambda n: 10 * n, 10**6, 48),  # each larger batch is faster, by less and less
        (lambda n: float(n), lambda n: 10 * n, 10**6, 1),  # a larger batch gains nothing
        (lambda n: 1 + n / 100, lambda n: 100 + 10 * n, 180, 8),  # memory ends it exactly here
        (lambda n: 1 + n / 100, lambda n: 100 + 10 * n, 179, 6),
        (lambda _: 1.0, lambda n: 100 + 10 * n, 100, None),  # not even one
    ],
)
def test_the_best_batch(seconds: Any, memory: Any, limit: int, best: int | None) -> None:
    arm: Any = Modelled(seconds, memory)
    assert _best_batch(arm, limit, Silent()) == best
    # What is foreseen not to fit is not tried once there are two points to draw a line through.
    assert all(memory(batch) <= limit for batch in arm.asked[2:])


def test_running_out_of_memory_ends_the_search() -> None:
    arm: Any = Modelled(lambda _: 1.0, lambda n: n**3, capacity=100)
    assert _best_batch(arm, 10**9, Silent()) == 4
    assert arm.asked == [1, 2, 3, 4, 6]


def test_arms_take_turns_and_one_that_does_not_fit_drops_out() -> None:
    lora: Any = Modelled(lambda _: 1.0, lambda n: n)
    full: Any = Modelled(lambda _: 2.0, lambda n: n, capacity=3)
    found = _taking_turns({"lora": lora, "full": full}, {"lora": 4, "full": 4}, 2, 10**9)
    assert found == {"lora": Timing(4, (1.0,) * 10, 4)}
    assert full.asked == [4]


FULL_BEST = Timing(4, (2.0,), 8 * 10**9)


def comparison(full_best: Timing | None = FULL_BEST) -> SpeedComparison:
    sizes = Size(10, 110, 80, "cuda", 0), Size(100, 100, 800, "cuda", 0)
    return SpeedComparison(
        "some/base", {"device": "NVIDIA X", "cpu": "Y"}, "bf16", 1800, 9 * 10**9, 4,
        {
            "lora": ArmSpeed(sizes[0], Timing(2, (0.25, 0.5, 9.0), 10**9), Timing(16, (4.0, 4.0), 4 * 10**9)),
            "full": ArmSpeed(sizes[1], Timing(2, (1.0, 1.0, 1.0), 2 * 10**9), full_best),
        },
    )  # fmt: skip


def test_the_report_computes_what_it_says() -> None:
    told = report(comparison())
    lora, full = told["arms"]["lora"], told["arms"]["full"]
    assert lora["step_seconds"] == 0.5 and full["step_seconds"] == 1.0  # medians
    assert lora["epochs_per_hour"] == 2 / 0.5 * 3600 / 1800
    assert (lora["best_examples_per_second"], full["best_examples_per_second"]) == (4.0, 2.0)
    assert (lora["best_epochs_per_hour"], full["best_epochs_per_hour"]) == (8.0, 4.0)
    assert told["ratios"] == {
        "step": 2.0, "throughput": 2.0, "epochs_per_hour": 2.0, "peak_memory": 2.0, "optimizer": 10.0,
    }  # fmt: skip
    published = told["published"]
    rates = published["epochs_per_hour"]
    assert published["ratio"] == pytest.approx(rates["lora"] / rates["full"], abs=5e-4)
    assert published["comparable"] is False


def test_the_table_shows_ratios_beside_the_published_row() -> None:
    shown = table(comparison())
    rows = {line.split("  ")[0]: line.split() for line in shown.splitlines()}
    assert rows["step, batch 2"][-5:] == ["500", "ms", "1", "s", "2×"]
    assert rows["epochs/hour, best batch"][-3:] == ["8", "4", "2×"]
    assert rows["epochs/hour, published*"][-3:] == ["1.9375", "0.9", "2.153×"]
    assert "Li, Liu and Mehra" in shown and "Not comparable" in shown
    assert "batch of 4 does not fit for both" in shown


def test_an_arm_that_does_not_fit_has_no_figures_and_no_ratio() -> None:
    shown, told = table(comparison(None)), report(comparison(None))
    assert told["arms"]["full"]["best_epochs_per_hour"] is None
    assert told["ratios"]["epochs_per_hour"] is None
    assert "full: not even one example fits" in shown
