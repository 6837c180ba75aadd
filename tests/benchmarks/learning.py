"""Does an adapter learn? A tiny base is trained on five genres of composed music, and LoRA on the sixth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderOobleck
from peft.tuners.tuners_utils import BaseTunerLayer

from bench.progress import Silent
from bench.quiet import quiet_libraries
from bench.stats.intervals import Interval, t_interval
from models import tiny
from models.card import read_card
from models.training.config import TrainConfig, parse_train_config
from models.training.data import load_dataset
from models.training.latents import LatentCache
from models.training.processes import accelerate
from models.training.registry import open_trainee
from models.training.split import split
from models.training.train import train
from models.training.trainer import Trainer

KNOWN = ("choral", "classical", "jazz", "pop", "rock")
NEW = "dance"
# All that are linear; of Stable Audio 3 what the publisher's trainer adapts, which is the default.
LAYERS = {"stable-audio": ("to_q", "to_k", "to_v", "to_out.0", "proj", "net.2", "proj_in", "proj_out")}
KINDS = ("stable-audio", "stable-audio-3")
SECONDS = 2.0
FRESH = (101, 102, 103, 104)  # the settings were chosen on other seeds
TIMES = [0.1, 0.3, 0.5, 0.7, 0.9]


@dataclass(frozen=True)
class Lesson:
    """Validation losses of one seed: music, split, crops, noise and first factors are all its own.

    Attributes:
        base, tuned: mean over held-out clips of the new genre and diffusion times, before and after.
        untouched: whether the trained network with its adapter switched off has the base's losses bit for bit.
    """

    base: float
    tuned: float
    untouched: bool

    @property
    def decrease(self) -> float:
        """Relative to the base."""
        return 1 - self.tuned / self.base


def make_base(kind: str, folder: Path, seed: int = 0) -> Path:
    """A tiny checkpoint whose posterior is narrow beside its means, as that of a trained autoencoder."""
    tiny.make(kind, folder, seed)
    if kind != "stable-audio":  # whose autoencoder has a posterior
        return folder
    vae = AutoencoderOobleck.from_pretrained(folder / "vae")
    vae.encoder.conv2.bias.data[8:] = -4
    with quiet_libraries():
        vae.save_pretrained(folder / "vae")
    return folder


def settings(kind: str, checkpoint: Path, genres: tuple[str, ...], seed: int, **changes: Any) -> TrainConfig:
    """Of a training on composed music; validation happens before the first step and after the last."""
    content = {
        "base": {"kind": kind, "checkpoint": str(checkpoint)},
        "data": {"path": "composer", "genres": genres, "seconds": SECONDS, "seed": seed, "validation": 0.25},
        "batch": 8,
        "validation": {"every": 10**6, "times": TIMES},
        "checkpoint": {"every": 10**6},
        "device": "cpu",
        "seed": seed,
        **changes,
    }
    content["data"]["clips"] = content.pop("clips")
    return parse_train_config(content)


def train_base(room: Path, kind: str = "stable-audio", clips: int = 50, steps: int = 200) -> Path:
    """A base trained from random weights on the five genres; its folder."""
    random = make_base(kind, room / "random")
    wanted = settings(kind, random, KNOWN, 0, method="full", clips=clips, steps=steps, ema=0.99, optimizer={"lr": 3e-3})
    return train(wanted, room / "base").folder


def base_losses(room: Path) -> tuple[float, float]:
    """Validation losses of the base on its own genres: as random weights, and as `train_base` left it."""
    losses = read_card(room / "base" / "checkpoint").losses
    assert losses.base is not None and losses.best is not None
    return losses.base, losses.best


def lesson(room: Path, base: Path, seed: int, kind: str = "stable-audio", clips: int = 32, steps: int = 120) -> Lesson:
    """LoRA on the new genre, whose music differs from seed to seed."""
    lora = {"rank": 8, "targets": LAYERS.get(kind, ())}
    wanted = settings(
        kind, base, (NEW,), seed, clips=clips, steps=steps, lora=lora, optimizer={"lr": 4e-3},
        schedule={"kind": "cosine"},
    )  # fmt: skip
    dataset = load_dataset(wanted.data)
    trainee = open_trainee(wanted)
    cache = LatentCache.build(trainee, dataset, room / "cache")
    parts = split(dataset, wanted.data, wanted.seed)
    run = Trainer(wanted, room / f"lesson-{seed}", trainee, cache, dataset, parts, accelerate(wanted), Silent())
    run.run()
    before, after = run.history.judgements
    assert run.validation is not None
    for layer in run.network.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.enable_adapters(False)
    off = run.validation.judge(run.network, before.step)
    return Lesson(before.loss, after.loss, off == before)


def lessons(
    room: Path, seeds: int = 4, short: bool = False, kind: str = "stable-audio"
) -> tuple[list[Lesson], Interval]:
    """Lessons of several seeds on one base, and the interval of their relative decrease.

    Args:
        room: the folder that the trainings are kept in.
        seeds: how many lessons, at most 4.
        short: about a third of the music and of the steps.
        kind: of the base.
    """
    torch.set_num_threads(1)
    base = train_base(room, kind, clips=20, steps=60) if short else train_base(room, kind)
    sizes = {"clips": 12, "steps": 40} if short else {}
    taken = [lesson(room, base, seed, kind, **sizes) for seed in FRESH[:seeds]]
    return taken, t_interval([one.decrease for one in taken])
