"""What training costs and brings: kept latents, LoRA beside full fine-tuning, and whether an adapter learns."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderOobleck, AutoencoderSAME, StableAudio3DiTModel, StableAudioDiTModel
from learning import COURSES, NEW, lessons
from row import Row
from torch.utils.flop_counter import FlopCounterMode

from bench.contracts.audio import read_audio
from bench.quiet import quiet_libraries
from models.tiny import stable_audio as tiny_stable_audio
from models.tiny import stable_audio_3 as tiny_stable_audio_3
from models.tiny.weights import fill_module
from models.training import lora
from models.training.base import Latent, Trainee
from models.training.batches import Batches
from models.training.config import TrainConfig, parse_train_config
from models.training.data import load_dataset
from models.training.dataset import Example
from models.training.latents import LatentCache
from models.training.optimizer_step import Optimization
from models.training.processes import accelerate
from models.training.registry import open_trainee
from models.training.speed import compare_speed

ROUNDS = 7
BATCH = 4
SECONDS = 5.0  # 108 latent frames
LIMIT = 2_000_000_000  # bytes that an arm's process may use
PAPER = 1.9375 / 0.9  # epochs/hour of LoRA against full fine-tuning in the paper whose speed is the yardstick


def measure() -> Iterable[Row]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, chdir(temporary):  # composed music is kept in the working folder
        room = Path(temporary)
        base = proportional_base(room / "base")
        yield from _encoding(room, base)
        yield from _steps(room, base)
        yield from _throughput(room, base)
        base = proportional_base_3(room / "base-3")
        yield from _encoding(room, base, "stable-audio-3", ratios(base))
        yield from _steps(room, base, "stable-audio-3", 1.2)  # whose adapter is on more layers
        for kind in COURSES:
            yield from _learning(room / kind, kind)


def proportional_base(folder: Path) -> Path:
    """Stable Audio Open with a transformer of 50 million parameters and an encoder smaller by the same factor.

    The published transformer has 1.05 billion. The encoder keeps its strides and the doubling of its channels, from 28
    instead of 128, since its work goes with the square of its width.
    """
    pipeline = next(tiny_stable_audio.build(0))
    width = 28
    pipeline.vae = AutoencoderOobleck(
        encoder_hidden_size=width,
        downsampling_ratios=[2, 4, 4, 8, 8],
        channel_multiples=[1, 2, 4, 8, 16],
        decoder_channels=8,  # never used
        decoder_input_channels=width // 2,
        audio_channels=2,
        sampling_rate=44_100,
    )
    pipeline.transformer = StableAudioDiTModel(
        sample_size=1024,
        in_channels=width // 2,
        out_channels=width // 2,
        num_layers=10,
        attention_head_dim=64,
        num_attention_heads=8,
        num_key_value_attention_heads=4,
        cross_attention_dim=256,
        cross_attention_input_dim=32,
        global_states_input_dim=64,
        time_proj_dim=256,
    )
    for part in (pipeline.vae, pipeline.transformer):
        fill_module(part, 0)
    pipeline.vae.encoder.conv2.weight_g.data.mul_(0.05)
    with quiet_libraries():
        pipeline.save_pretrained(folder)
    return folder


def proportional_base_3(folder: Path) -> Path:
    """Stable Audio 3 medium, narrower, whose encoder's work is to its network's as that of the published one.

    The published network has 1.45 billion parameters, its encoder 426 million.
    """
    pipeline = tiny_stable_audio_3.pipeline(0)
    pipeline.vae = AutoencoderSAME(encoder_channels=64, encoder_transformer_depths=[2], decoder_sinusoidal_blocks=[1])
    pipeline.transformer = StableAudio3DiTModel(
        embed_dim=384, depth=5, num_heads=6, cond_token_dim=32, global_cond_dim=32
    )
    for part in (pipeline.vae, pipeline.transformer):
        fill_module(part, 0)
    with quiet_libraries():
        pipeline.save_pretrained(folder)
    return folder


def ratios(base: Path) -> tuple[float, float]:
    """FLOP of encoding to FLOP of the network's forward pass, at `SECONDS`: as published, and of a base here."""
    with torch.device("meta"):
        published = AutoencoderSAME(encoder_channels=256, encoder_transformer_depths=[12]), StableAudio3DiTModel()
    vae, network = published
    ours = AutoencoderSAME.from_pretrained(base / "vae"), StableAudio3DiTModel.from_pretrained(base / "transformer")
    return _ratio(vae, network), _ratio(ours[0].to("meta"), ours[1].to("meta"))


def _ratio(vae: AutoencoderSAME, network: StableAudio3DiTModel) -> float:
    frames = math.ceil(SECONDS * vae.config.sampling_rate / vae.downsampling_ratio)
    with torch.device("meta"), torch.no_grad():
        with FlopCounterMode(display=False) as encoding:
            vae.encode(torch.empty(1, 2, frames * vae.downsampling_ratio))
        text, duration = (
            torch.empty(1, 257, network.config.cond_token_dim),
            torch.empty(1, network.config.global_cond_dim),
        )
        with FlopCounterMode(display=False) as forward:
            network(torch.empty(1, network.config.io_channels, frames), torch.empty(1), text, duration)
    return encoding.get_total_flops() / forward.get_total_flops()


def config(base: Path, kind: str = "stable-audio", **changes: Any) -> TrainConfig:
    return parse_train_config(
        {
            "base": {"kind": kind, "checkpoint": str(base)},
            "data": {"path": "composer", "clips": 12, "seconds": SECONDS, "validation": 0},
            "steps": 10**6,
            "batch": BATCH,
            "device": "cpu",
            **changes,
        }
    )


class Encoding:
    """What `LatentCache` gives, computed each time it is asked for."""

    def __init__(self, trainee: Trainee) -> None:
        self._trainee = trainee

    def latent(self, example: Example) -> Latent:
        return self._trainee.encode(read_audio(example.path))

    def condition(self, example: Example) -> Any:
        return self._trainee.condition(example.caption)


def _encoding(
    room: Path, base: Path, kind: str = "stable-audio", flop: tuple[float, float] | None = None
) -> Iterator[Row]:
    wanted = config(base, kind)
    kept = _arm(room, wanted)
    encoded = _arm(room, wanted, keep=False)
    fast, slow = _in_turn(kept, encoded)
    note = f"LoRA, encoder in proportion, batch {BATCH} of {SECONDS:g} s, 1 thread, {_busy()}"
    yield Row(f"{kind}: training, each step encodes its audio", 1 / slow, "steps/s", note=note)
    yield Row(f"{kind}: training, latents kept", 1 / fast, "steps/s", note=note)
    note, least = f"medians of {ROUNDS} steps, in turn", 3.0
    if flop is not None:
        published, ours = flop
        note += f"; encoding is {ours:.2f} forward passes of the network here, {published:.2f} as published"
        least = 1.5
    yield Row(f"{kind}: kept latents against encoding", slow / fast, "×", least, note=note)


def _steps(room: Path, base: Path, kind: str = "stable-audio", least: float = 1.3) -> Iterator[Row]:
    ours, full = (_arm(room, config(base, kind, method=method, optimizer={"lr": 1e-12})) for method in ("lora", "full"))
    fast, slow = _in_turn(ours, full)
    counts = [sum(weight.numel() for weight in arm.weights.values()) / 1e6 for arm in (ours, full)]
    note = f"{counts[0]:.1f} M of {counts[1]:.0f} M parameters trained, {fast:.2f} s against {slow:.2f} s a step, "
    note += f"batch {BATCH} of {SECONDS:g} s, latents kept, medians of {ROUNDS} in turn, 1 thread, {_busy()}"
    yield Row(f"{kind}: LoRA's steps against full fine-tuning's", slow / fast, "×", least, note=note)


def _arm(room: Path, wanted: TrainConfig, keep: bool = True) -> Optimization:
    """A training ready to do steps, from kept latents or from what each step encodes."""
    dataset = load_dataset(wanted.data)
    trainee = open_trainee(wanted)
    source: Any = LatentCache.build(trainee, dataset, room / "cache") if keep else Encoding(trainee)
    lora.prepare(trainee, wanted)
    trainee.network.train()
    batches = Batches(trainee, source, dataset.examples, wanted)
    return Optimization(trainee, lora.trainable(trainee.network), batches, wanted, accelerate(wanted), 10**6)


def _in_turn(*arms: Optimization) -> list[float]:
    """Median seconds of each arm's steps, which take turns, so that whatever else the machine does slows all."""
    rounds = [[_seconds(arm, turn) for arm in arms] for turn in range(ROUNDS + 1)]
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


def _seconds(arm: Optimization, step: int) -> float:
    begin = time.perf_counter()
    arm.step(step)
    return time.perf_counter() - begin


def _throughput(room: Path, base: Path) -> Iterator[Row]:
    found = compare_speed(config(base, crop=SECONDS / 2), limit=LIMIT, cache=room / "cache", steps=2)
    ours, full = found.arms["lora"], found.arms["full"]
    if ours.best is not None and full.best is not None:
        both = f"batch {ours.best.batch} against {full.best.batch} of {SECONDS / 2:g} s"
        within = f"each its best within {LIMIT / 1e9:g} GB of a process"
        note = f"{both}, {within}, 1 thread, {_busy()}; the paper has {PAPER:.2f}×"
        yield Row("LoRA's epochs/hour against full fine-tuning's", ours.best.rate / full.best.rate, "×", note=note)
    yield Row("full optimizer state against LoRA's", full.size.optimizer / ours.size.optimizer, "× bytes")


def _learning(room: Path, kind: str) -> Iterator[Row]:
    taken, decrease = lessons(room, kind=kind)
    assert decrease is not None
    losses = ", ".join(f"{one.base:.3f} → {one.tuned:.3f}" for one in taken)
    spread = f"95 % interval {100 * decrease.low:.1f} to {100 * decrease.high:.1f} over {len(taken)} seeds"
    what = f"{kind}: LoRA on {NEW} lowers its validation loss below a base that never heard it by"
    yield Row(what, 100 * decrease.mean, "%", note=f"{spread}; {losses}")
    yield Row(f"{kind}: … lower end of the interval over {len(taken)} seeds", 100 * decrease.low, "%", 0.0)
    untouched = sum(one.untouched for one in taken)
    note = "the trained network with its adapter switched off"
    yield Row(f"{kind}: base losses unchanged bit for bit", untouched, "of the seeds", len(taken), note=note)


def _busy() -> str:
    return f"load {os.getloadavg()[0]:.1f}"
