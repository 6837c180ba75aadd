"""The loop's parts: what is drawn, by which rate, with which gradients, whatever the way it is run."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from re import findall
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from peft.tuners.tuners_utils import BaseTunerLayer

from bench.errors import MissingError, UsageError
from bench.progress import Silent
from bench.quiet import quiet_libraries
from models import tiny
from models.training.base import Latent
from models.training.batches import Batches, epoch_order
from models.training.checkpoint import checkpoints, read
from models.training.config import ScheduleConfig, TrainConfig, parse_train_config
from models.training.data import load_dataset
from models.training.dataset import Example
from models.training.ema import Ema
from models.training.latents import LatentCache
from models.training.lora import prepare, trainable
from models.training.processes import accelerate
from models.training.registry import open_trainee
from models.training.rng import generator
from models.training.schedule import factor
from models.training.split import split
from models.training.train import train
from models.training.trainer import Trainer
from tests.models.training.conftest import write_tones

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and recordings of unequal length with captions."""
    room = tmp_path_factory.mktemp("room")
    tiny.make("stable-audio", room / "base")
    tiny.make("audioldm", room / "audioldm")
    write_tones(room / "data", 10)
    return room


def config(room: Path, **changes: Any) -> TrainConfig:
    content = {
        "base": {"kind": "stable-audio", "checkpoint": str(room / "base")},
        "data": {"path": str(room / "data"), "validation": 0.2},
        "lora": {"rank": 2},
        "steps": 3,
        "batch": 4,
        "optimizer": {"lr": 1e-2},
        "validation": {"every": 3, "times": [0.3, 0.7]},
        "device": "cpu",
        **changes,
    }
    return parse_train_config(content)


def training(room: Path, out: Path, wanted: TrainConfig) -> Trainer:
    """A training that has not begun."""
    dataset = load_dataset(wanted.data)
    trainee = open_trainee(wanted)
    cache = LatentCache.build(trainee, dataset, room / "cache")
    parts = split(dataset, wanted.data, wanted.seed)
    return Trainer(wanted, out, trainee, cache, dataset, parts, accelerate(wanted), Silent())


def logged(out: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


# The learning rate


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["constant", "linear", "cosine", "polynomial"]),
    warmup=st.integers(0, 12),
    rest=st.integers(1, 30),
    power=st.floats(0.3, 3),
)
def test_schedules_are_those_of_diffusers(kind: str, warmup: int, rest: int, power: float) -> None:
    total = warmup + rest
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if kind == "constant" else kind
    extra = {"power": power, "lr_end": 1e-30} if kind == "polynomial" else {}
    with quiet_libraries():
        theirs = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total)
        if extra:
            from diffusers.optimization import get_polynomial_decay_schedule_with_warmup

            theirs = get_polynomial_decay_schedule_with_warmup(optimizer, warmup, total, **extra)
    ours = ScheduleConfig(kind=cast("Any", kind), warmup=warmup, power=power)
    for step in range(total + 1):
        assert factor(step, ours, total) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


@given(step=st.integers(0, 10**6), gamma=st.floats(1, 1e7), power=st.floats(0.1, 2), warmup=st.integers(0, 1000))
def test_the_inverse_schedule_follows_its_formula(step: int, gamma: float, power: float, warmup: int) -> None:
    schedule = ScheduleConfig(kind="inverse", warmup=warmup, power=power, inverse_gamma=gamma)
    rise = 1 if step >= warmup else step / warmup
    assert math.isclose(factor(step, schedule, 10), rise / (1 + step / gamma) ** power, rel_tol=1e-12, abs_tol=1e-300)
    assert 0 <= factor(step + 1, schedule, 10) <= 1


def test_the_rate_that_is_applied_is_that_of_the_schedule(room: Path, tmp_path: Path) -> None:
    train(config(room, steps=4, schedule={"kind": "linear", "warmup": 2}), tmp_path)
    assert [line["lr"] for line in logged(tmp_path, "train")] == pytest.approx([0, 0.005, 0.01, 0.005])


def test_averaged_weights_are_those_of_diffusers() -> None:
    rng = torch.Generator().manual_seed(0)
    weights = {str(i): torch.nn.Parameter(torch.randn(5, generator=rng)) for i in range(3)}
    ours, theirs = Ema(weights, 0.8), EMAModel(list(weights.values()), decay=0.8)
    for _ in range(40):  # the rise of the decay ends at the 32nd
        for weight in weights.values():
            weight.data += torch.randn(5, generator=rng)
        ours.update()
        theirs.step(list(weights.values()))
    trained = [weight.detach().clone() for weight in weights.values()]
    for mine, other in zip(ours.average.values(), theirs.shadow_params, strict=True):
        torch.testing.assert_close(mine, other)
    averages = [average.clone() for average in ours.average.values()]
    with ours.applied():
        assert all(torch.equal(weight, a) for weight, a in zip(weights.values(), averages, strict=True))
    assert all(torch.equal(weight, before) for weight, before in zip(weights.values(), trained, strict=True))


# What is drawn


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    batch=st.integers(1, 7),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_epoch_visits_every_example_once(lengths: list[int], batch: int, seed: int) -> None:
    for epoch in range(3):
        order = epoch_order(lengths, batch, epoch, seed)
        assert sorted(order) == list(range(len(lengths)))
        assert order == epoch_order(lengths, batch, epoch, seed)


def test_passes_are_of_like_lengths_and_orders_differ() -> None:
    """With two lengths, half of the examples each, nearly every pass is of one length."""
    lengths = [3, 9] * 64
    stream = [epoch_order(lengths, 5, epoch, 0) for epoch in range(10)]
    visits = np.concatenate(stream)
    passes = [Counter(lengths[example] for example in part) for part in np.split(visits, len(visits) // 5)]
    mixed = sum(len(part) > 1 for part in passes)
    assert mixed <= 2 * 10 + 1 < len(passes) / 10  # at most one where lengths meet and one where epochs meet
    assert len({tuple(order) for order in stream}) == 10
    short_first = [lengths[order[10]] for order in stream]
    assert len(set(short_first)) == 2  # the sorting does not put short ones first


class Ramp:
    """Latents that tell their own place: the mean of frame k is k in every channel, and there is no deviation."""

    def __init__(self, frames: dict[str, int]) -> None:
        self._frames = frames

    def latent(self, example: Example) -> Latent:
        frames = self._frames[example.id]
        mean = torch.arange(frames, dtype=torch.float32).expand(4, frames).contiguous()
        return Latent(mean, torch.zeros_like(mean), frames * 0.5 - 0.1)

    def condition(self, example: Example) -> dict[str, torch.Tensor]:
        return {"text": torch.full((1, 2, 3), float(example.id))}


@given(frames=st.lists(st.integers(1, 12), min_size=1, max_size=9), batch=st.integers(1, 5), crop=st.integers(1, 12))
def test_crops_know_where_they_begin(frames: list[int], batch: int, crop: int) -> None:
    examples = [Example(str(i), str(i), Path("none"), "x") for i in range(len(frames))]
    cache: Any = Ramp({example.id: count for example, count in zip(examples, frames, strict=True)})
    trainee: Any = SimpleNamespace(
        longest=10,
        frame_seconds=0.5,
        time=lambda quantile, _: quantile,
        joined=lambda conditions: {"text": torch.cat([condition["text"] for condition in conditions])},
    )
    wanted = parse_train_config(
        {
            "base": {"kind": "stable-audio", "checkpoint": "x"},
            "data": {"path": "x"},
            "epochs": 1,
            "batch": batch,
            "crop": crop * 0.5,
            "guidance_dropout": 0.5,
        }
    )
    batches = Batches(trainee, cache, examples, wanted)
    visited: list[int] = []
    for step in range(3 * batches.steps(1)):
        (visits,) = batches.passes(step)
        drawn = batches.batch(visits, "cpu")
        longest = min(min(frames[visit.example], crop, 10) for visit in visits)
        assert drawn.latents.shape == drawn.noise.shape == (batch, 4, longest)
        assert torch.equal(drawn.latents[:, 0, 0], drawn.starts / 0.5)
        assert torch.equal(drawn.latents[:, 0].diff(dim=1), torch.ones(batch, longest - 1))
        assert drawn.totals.tolist() == pytest.approx([frames[visit.example] * 0.5 - 0.1 for visit in visits])
        assert drawn.condition["text"][:, 0, 0].tolist() == [visit.example for visit in visits]
        assert bool(((drawn.times > 0) & (drawn.times < 1)).all())
        visited += [visit.example for visit in visits]
        alone = [batches.batch([visit], "cpu") for visit in visits]  # a visit does not depend on its pass
        for name in ("latents", "starts", "times", "noise", "dropped"):
            assert torch.equal(getattr(drawn, name), torch.cat([getattr(one, name) for one in alone]))
    for begin in range(0, len(visited) - len(frames) + 1, len(frames)):
        assert sorted(visited[begin : begin + len(frames)]) == list(range(len(frames)))


def test_times_noise_and_dropout_have_their_distributions() -> None:
    example = [Example(str(i), str(i), Path("none"), "x") for i in range(2000)]
    cache: Any = Ramp({one.id: 12 for one in example})
    trainee: Any = SimpleNamespace(
        longest=8, frame_seconds=0.5, time=lambda quantile, _: quantile, joined=lambda c: {"text": c[0]["text"]}
    )
    base = {"kind": "stable-audio", "checkpoint": "x"}
    wanted = parse_train_config({"base": base, "data": {"path": "x"}, "epochs": 1, "batch": 2000})
    batches = Batches(trainee, cache, example, wanted)
    drawn = batches.batch(batches.passes(0)[0], "cpu")
    from scipy.stats import chisquare, kstest

    assert kstest(drawn.times.numpy(), "uniform").pvalue > 1e-3
    assert kstest(drawn.noise.numpy().ravel(), "norm").pvalue > 1e-3
    assert abs(float(drawn.dropped.float().mean()) - 0.1) < 4 * (0.09 / 2000) ** 0.5
    assert chisquare(np.bincount((drawn.starts * 2).int().numpy(), minlength=5)).pvalue > 1e-3
    again = batches.batch(batches.passes(1)[0], "cpu")
    assert not torch.equal(again.noise, drawn.noise)  # each epoch draws anew


# The adapter


@pytest.mark.parametrize("kind", ["stable-audio", "audioldm"])
@pytest.mark.parametrize("init", ["default", "gaussian"])
def test_a_zero_initialised_adapter_is_the_base_bit_for_bit(room: Path, kind: str, init: str) -> None:
    checkpoint = str(room / ("base" if kind == "stable-audio" else kind))
    wanted = config(room, base={"kind": kind, "checkpoint": checkpoint}, lora={"rank": 3, "init": init})
    trainee = open_trainee(wanted)
    batch = _batch(room, trainee, wanted)
    with torch.no_grad():
        before = trainee.losses(trainee.network, batch)
        prepare(trainee, wanted)
        assert torch.equal(trainee.losses(trainee.network, batch), before)
    factors = trainable(trainee.network)
    assert factors and all("lora_" in name and weight.dtype == torch.float32 for name, weight in factors.items())
    assert all(bool((weight == 0).all()) == ("lora_B" in name) for name, weight in factors.items())
    prepare(again := open_trainee(wanted), wanted)  # the first factor comes from the seed
    assert all(torch.equal(weight, factors[name]) for name, weight in trainable(again.network).items())
    for name, weight in factors.items():  # and once it has learnt something, it can be switched off
        weight.data += 0.1 * ("lora_B" in name)
    with torch.no_grad():
        assert not torch.equal(trainee.losses(trainee.network, batch), before)
        for layer in trainee.network.modules():
            if isinstance(layer, BaseTunerLayer):
                layer.enable_adapters(False)
        assert torch.equal(trainee.losses(trainee.network, batch), before)


def test_half_precision_freezes_a_half_precision_base_below_a_float32_adapter(room: Path, tmp_path: Path) -> None:
    wanted = config(room, precision="bf16")
    run = training(room, tmp_path, wanted)
    run.run()
    for name, weight in run.network.named_parameters():
        assert weight.dtype == (torch.float32 if "lora_" in name else torch.bfloat16)
    exact = training(room, tmp_path / "exact", config(room))
    exact.run()
    ours, theirs = (logged(out, "train") for out in (tmp_path, tmp_path / "exact"))
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs], rel=0.02)


def test_targets_that_no_layer_has_are_refused(room: Path) -> None:
    wanted = config(room, lora={"targets": ["to_queue"]})
    with pytest.raises(UsageError, match=r"lora\.targets: .*to_queue; .*to_q\b"):
        prepare(open_trainee(wanted), wanted)


def test_float16_is_for_cuda(room: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fp16.*cpu"):
        train(config(room, precision="fp16"), tmp_path)


# Gradients


@contextmanager
def watched(look: Callable[[list[torch.Tensor]], object]) -> Iterator[None]:
    """See the gradients that an optimizer is about to use."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    def hook(optimizer: torch.optim.Optimizer, *_: object) -> None:
        look([weight.grad.clone() for group in optimizer.param_groups for weight in group["params"]])

    handle = register_optimizer_step_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_gradients_are_bounded(room: Path, tmp_path: Path, method: str) -> None:
    norms: list[float] = []
    with watched(lambda grads: norms.append(float(torch.cat([g.ravel() for g in grads]).norm()))):
        train(config(room, method=method, clip_norm=1e-3, optimizer={"lr": 1e-3}), tmp_path / "bounded")
        train(config(room, method=method, clip_norm=1e3, optimizer={"lr": 1e-3}), tmp_path / "free")
    bounded, free = norms[:3], norms[3:]
    before = [line["norm"] for line in logged(tmp_path / "bounded", "train")]
    assert all(norm <= 1e-3 * (1 + 1e-5) for norm in bounded)
    assert min(before) > 1e-3  # there was something to bound
    assert free == pytest.approx([line["norm"] for line in logged(tmp_path / "free", "train")])


def test_accumulated_gradients_are_those_of_all_examples_at_once(room: Path, tmp_path: Path) -> None:
    wanted = config(room, batch=2, accumulation=3, clip_norm=1e6, crop=1.0)
    run = training(room, tmp_path, wanted)
    visits = [visit for part in run.batches.passes(0) for visit in part]
    assert len(visits) == 6
    batch = run.batches.batch([replace(visit, frames=min(v.frames for v in visits)) for visit in visits], "cpu")
    run.network.train()
    loss = run.trainee.losses(run.network, batch).mean()
    loss.backward()
    wished = [weight.grad.clone() for weight in run.weights.values() if weight.grad is not None]
    seen: list[list[torch.Tensor]] = []
    with watched(seen.append):
        update = run.optimization.step(0)
    for ours, theirs in zip(seen[0], wished, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert update.loss == pytest.approx(loss.item(), rel=1e-5)


def test_gradient_checkpointing_changes_nothing(room: Path, tmp_path: Path) -> None:
    for name, kept in (("kept", False), ("again", True)):
        train(config(room, gradient_checkpointing=kept), tmp_path / name)
    assert logged(tmp_path / "kept", "train") == logged(tmp_path / "again", "train")


# What goes wrong


class Narrow:
    """Lets no more than so many examples through a network at a time, as a device with little memory does."""

    def __init__(self, room_for: int) -> None:
        self.room_for = room_for

    def __call__(self, _: torch.nn.Module, inputs: Any, keywords: dict[str, Any]) -> None:
        count = len(inputs[0] if inputs else keywords["hidden_states"])
        if count > self.room_for:
            raise torch.OutOfMemoryError(f"no room for {count}")


def test_out_of_memory_cuts_passes_and_keeps_the_gradients(room: Path, tmp_path: Path) -> None:
    wanted = config(room, batch=6)
    training(room, tmp_path / "wide", wanted).run()
    narrow = training(room, tmp_path / "narrow", wanted)
    narrow.network.register_forward_pre_hook(Narrow(2), with_kwargs=True)
    narrow.run()
    assert [line["loss"] for line in logged(tmp_path / "narrow", "train")] == pytest.approx(
        [line["loss"] for line in logged(tmp_path / "wide", "train")], rel=1e-4
    )
    (recovery,) = logged(tmp_path / "narrow", "recovery")
    assert findall(r"\d+", recovery["why"]) == ["2", "6"]
    assert read(max(checkpoints(tmp_path / "narrow" / "checkpoints"))).state["optimization"]["at_once"] == 2
    hopeless = training(room, tmp_path / "hopeless", config(room, data={"path": str(room / "data"), "validation": 0}))
    hopeless.network.register_forward_pre_hook(Narrow(0), with_kwargs=True)
    with pytest.raises(MissingError, match=r"single example.* cpu; .*crop"):
        hopeless.run()


def test_a_loss_that_is_not_finite_ends_the_training_and_names_what_is_left(room: Path, tmp_path: Path) -> None:
    wanted = config(room, steps=9, optimizer={"lr": 1e-2}, checkpoint={"every": 2})
    run = training(room, tmp_path, wanted)

    class Ruin(Silent):
        def advance(self, _: int) -> None:
            if run.history.step == 5:
                next(iter(run.weights.values())).data.fill_(math.inf)

    run.progress = Ruin()
    with pytest.raises(UsageError, match=r"step 6: .*\bnan\b.*optimizer\.lr.*step-00000004"):
        run.run()
    found = read(max(checkpoints(tmp_path / "checkpoints")))
    assert found.step == 4 and all(bool(value.isfinite().all()) for value in found.tables["weights"].values())


def test_weights_that_are_not_finite_are_not_saved(room: Path, tmp_path: Path) -> None:
    wanted = config(room, optimizer={"lr": 1e37}, checkpoint={"every": 1}, validation={"every": 1, "times": [0.5]})
    with pytest.raises(UsageError, match=r"step 1: .*validation loss.*\bnan\b.*optimizer\.lr"):
        train(wanted, tmp_path)
    run = training(room, tmp_path, config(room))
    next(iter(run.weights.values())).data.fill_(math.inf)
    with pytest.raises(UsageError, match=r"step 0: .*weights.*finite"):
        run.save()
    assert not list(checkpoints(tmp_path / "checkpoints"))


# Judging


def test_validation_depends_on_the_network_only(room: Path, tmp_path: Path) -> None:
    """Not on when it is asked, nor on torch's generator, nor on how many examples share a pass."""
    wanted = config(room, data={"path": str(room / "data"), "validation": 0.5})
    run = training(room, tmp_path, wanted)
    assert run.validation is not None
    run.network.train()
    first = run.validation.judge(run.network, 0)
    torch.rand(100)
    assert run.validation.judge(run.network, 0) == first and run.network.training
    assert list(first.by_time) == [0.3, 0.7] and first.loss == pytest.approx(np.mean(list(first.by_time.values())))
    singly = training(room, tmp_path / "singly", wanted.model_copy(update={"batch": 1}))
    assert singly.validation is not None
    assert singly.validation.judge(singly.network, 0).loss == pytest.approx(first.loss, rel=1e-5)
    narrow = Narrow(1)
    run.network.register_forward_pre_hook(narrow, with_kwargs=True)
    assert run.validation.judge(run.network, 0).loss == pytest.approx(first.loss, rel=1e-5)
    next(iter(run.weights.values())).data.add_(0)
    for name, weight in run.weights.items():
        weight.data += 0.1 * ("lora_B" in name)
    assert run.validation.judge(run.network, 0).loss != first.loss


def test_clips_are_heard_while_training(room: Path, tmp_path: Path) -> None:
    clips = {"every": 2, "prompts": 1, "duration": 1.0, "params": {"steps": 2}, "metrics": ["harmonic-accuracy"]}
    heard = config(room, steps=3, validation={"every": 3, "times": [0.5], "clips": clips})
    train(heard, tmp_path / "heard")
    (told,) = logged(tmp_path / "heard", "clips")
    assert told["step"] == 2 and list(told["scores"]) == ["harmonic-accuracy@2"]
    assert len(list((tmp_path / "heard" / "clips" / "step-00000002").glob("*.flac"))) == 1
    train(config(room, steps=3, validation={"every": 3, "times": [0.5]}), tmp_path / "unheard")
    assert logged(tmp_path / "heard", "train") == logged(tmp_path / "unheard", "train")


def test_curves_are_written_for_tensorboard(room: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    train(config(room), str(tmp_path))
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"train/loss", "train/lr", "validation/loss", "validation/by_time/0.3"} <= set(curves.Tags()["scalars"])
    points = [(point.step, point.value) for point in curves.Scalars("train/loss")]
    assert points == [(line["step"], pytest.approx(line["loss"], rel=1e-6)) for line in logged(tmp_path, "train")]


# Several processes


PROGRAM = """
import sys
from pathlib import Path

import torch

torch.set_num_threads(1)
from models.training.config import load_train_config
from models.training.train import train

train(load_train_config(Path(sys.argv[1])), Path(sys.argv[2]))
group = f"{torch.distributed.get_backend()} {torch.distributed.get_world_size()}"
Path(f"group-{torch.distributed.get_rank()}").write_text(group)  # not printed: two processes' lines can mingle
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow(15)
def test_two_processes_give_the_losses_of_one(room: Path, tmp_path: Path) -> None:
    wanted = config(room, steps=4, batch=4, accumulation=2)
    (tmp_path / "train.yaml").write_text(wanted.as_yaml())
    (tmp_path / "program.py").write_text(PROGRAM)
    # `accelerate launch --cpu` starts one process whatever it is asked for; on GPUs it uses this launcher, too.
    launcher = "torch.distributed.run --standalone --nproc_per_node 2"
    files = [str(tmp_path / name) for name in ("program.py", "train.yaml", "two")]
    launched = subprocess.run(
        [sys.executable, "-m", *launcher.split(), *files],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    assert [(tmp_path / f"group-{rank}").read_text() for rank in (0, 1)] == ["gloo 2"] * 2
    train(wanted, tmp_path / "one")
    for event in ("train", "validation"):
        one, two = logged(tmp_path / "one", event), logged(tmp_path / "two", event)
        assert [line["step"] for line in one] == [line["step"] for line in two]
        assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=1e-6)
    ours, theirs = (read(max(checkpoints(tmp_path / name / "checkpoints"))) for name in ("one", "two"))
    for name, weight in ours.tables["weights"].items():
        torch.testing.assert_close(theirs.tables["weights"][name], weight, rtol=1e-4, atol=1e-6)


def test_a_pass_that_cannot_be_shared_is_refused(room: Path, tmp_path: Path) -> None:
    from models.training.optimizer_step import Optimization

    run = training(room, tmp_path, config(room, batch=5))
    two: Any = SimpleNamespace(num_processes=2)
    with pytest.raises(UsageError, match=r"batch: 5 .*\b2 processes"):
        Optimization(run.trainee, run.weights, run.batches, run.config, two, run.total)


def _batch(room: Path, trainee: Any, wanted: TrainConfig) -> Any:
    dataset = load_dataset(wanted.data)
    cache = LatentCache.build(trainee, dataset, room / f"cache-{trainee.kind}")
    batches = Batches(trainee, cache, dataset.examples, wanted)
    return batches.batch(batches.passes(0)[0], "cpu")


def test_named_generators_are_independent_and_repeatable() -> None:
    draws = {(what, place): generator(7, what, place).integers(2**62) for what in ("a", "b") for place in range(50)}
    assert len(set(draws.values())) == len(draws)
    assert all(generator(7, *key).integers(2**62) == value for key, value in draws.items())
