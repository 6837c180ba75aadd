"""Does an adapter learn? A tiny base is trained on five genres of composed music, and LoRA on the sixth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
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
LAYERS = {
    "stable-audio": ("to_q", "to_k", "to_v", "to_out.0", "proj", "net.2", "proj_in", "proj_out"),  # all that are linear
    "stable-audio-3": (),  # those of the publisher's trainer
}
SECONDS = 2.0
FRESH = (101, 102, 103, 104)  # the settings were chosen on other seeds
TIMES = [0.1, 0.3, 0.5, 0.7, 0.9]


@dataclass(frozen=True)
class Course:
    """How long and how fast a kind learns; chosen on other seeds than those of its lessons.

    Attributes:
        base_clips, base_steps, base_rate: of the base.
        clips, steps, rate: of a lesson.
        known: what share of the random weights' loss the base has at most, once it is trained.
        seeds: of the lessons.
    """

    base_clips: int
    base_steps: int
    base_rate: float
    clips: int
    steps: int
    rate: float
    known: float = 0.7
    seeds: tuple[int, ...] = FRESH


COURSES = {
    "stable-audio": Course(50, 200, 3e-3, 32, 120, 4e-3),
    "stable-audio-3": Course(50, 200, 3e-3, 32, 120, 4e-3),
    "audioldm2": Course(20, 60, 3e-3, 24, 60, 8e-3),
    "ace-step": Course(20, 60, 3e-3, 24, 60, 8e-3),
    "musicgen": Course(30, 100, 3e-3, 32, 60, 4e-3, known=0.8, seeds=(201, 202, 203, 204)),
}
SHORT = {  # where that is not the long one
    "stable-audio": Course(20, 60, 3e-3, 12, 40, 4e-3),
    "stable-audio-3": Course(20, 60, 3e-3, 12, 40, 4e-3),
    "audioldm2": Course(10, 20, 3e-3, 8, 20, 8e-3, known=0.9),
    "ace-step": Course(10, 30, 3e-3, 16, 30, 8e-3, known=0.9),
    "musicgen": Course(10, 40, 3e-3, 16, 30, 4e-3, known=0.9, seeds=(201,)),
}


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


def make_base(folder: Path, kind: str = "stable-audio", seed: int = 0) -> Path:
    """A tiny checkpoint whose posterior is narrow beside its means, as that of a trained autoencoder."""
    tiny.make(kind, folder, seed)
    if kind in ("musicgen", "stable-audio-3"):  # whose tokens, or latents, have no posterior
        return folder
    classes = {"audioldm2": diffusers.AutoencoderKL}
    with quiet_libraries():
        vae = classes.get(kind, diffusers.AutoencoderOobleck).from_pretrained(folder / "vae")
        bias = (vae.quant_conv if kind == "audioldm2" else vae.encoder.conv2).bias.data
        bias[len(bias) // 2 :] = -4
        vae.save_pretrained(folder / "vae")
    return folder


def settings(checkpoint: Path, genres: tuple[str, ...], seed: int, **changes: Any) -> TrainConfig:
    """Of a training on composed music; validation happens before the first step and after the last."""
    content = {
        "base": {"kind": changes.pop("kind", "stable-audio"), "checkpoint": str(checkpoint)},
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


def train_base(room: Path, kind: str, course: Course) -> Path:
    """A base trained from random weights on the five genres; its folder."""
    wanted = settings(
        make_base(room / "random", kind), KNOWN, 0, kind=kind, method="full", clips=course.base_clips,
        steps=course.base_steps, ema=0.99 if kind in LAYERS else 0.9, optimizer={"lr": course.base_rate},
    )  # fmt: skip
    return train(wanted, room / "base").folder


def base_losses(room: Path) -> tuple[float, float]:
    """Validation losses of the base on its own genres: as random weights, and as `train_base` left it."""
    losses = read_card(room / "base" / "checkpoint").losses
    assert losses.base is not None and losses.best is not None
    return losses.base, losses.best


def lesson(room: Path, base: Path, seed: int, kind: str, course: Course) -> Lesson:
    """LoRA on the new genre, whose music differs from seed to seed."""
    wanted = settings(
        base, (NEW,), seed, kind=kind, clips=course.clips, steps=course.steps, optimizer={"lr": course.rate},
        lora={"rank": 8, "targets": LAYERS.get(kind, "all-linear")}, schedule={"kind": "cosine"},
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
) -> tuple[list[Lesson], Interval | None]:
    """Lessons of several seeds on one base, and the interval of their relative decrease.

    Args:
        room: the folder that the trainings are kept in.
        seeds: how many lessons, at most 4.
        short: less of the music and of the steps.
        kind: of the base, one of `COURSES`.

    Returns:
        The lessons, and the interval; None of fewer than two.
    """
    torch.set_num_threads(1)
    course = (SHORT if short else COURSES)[kind]
    base = train_base(room, kind, course)
    taken = [lesson(room, base, seed, kind, course) for seed in course.seeds[:seeds]]
    return taken, t_interval([one.decrease for one in taken]) if seeds > 1 else None
