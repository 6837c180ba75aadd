"""The description of a training: the values of its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.contracts.prompt import text_hash
from models.card import Card, ScoredOn, TrainedOn
from models.training.hardware import machine

if TYPE_CHECKING:
    from models.training.config import TrainConfig
    from models.training.dataset import Dataset, Example, Split
    from models.training.history import History

from models.training.kinds import KINDS


@dataclass(frozen=True)
class Effort:
    """How long a training took, including all resumed parts, and what it needed.

    Attributes:
        steps, epochs, seconds: how much was trained, and how long.
        step: the step whose weights are kept.
        epochs_per_hour: while training, without encoding and validation.
        peak_memory: bytes, and of what: ``cuda`` or ``process``.
    """

    steps: int
    step: int
    epochs: float
    seconds: float
    epochs_per_hour: float | None
    peak_memory: tuple[int, str] | None


def describe(
    config: TrainConfig,
    identity: Mapping[str, str],
    dataset: Dataset,
    split: Split,
    network: Any,
    history: History,
    effort: Effort,
) -> Card:
    """Return the card of a training.

    Args:
        config: of the training.
        identity: of the base, as `models.base_checkpoint.identity` gives it.
        dataset, split: what it was trained on.
        network: the network as it was trained; its weights are counted, and its device is named.
        history: how it went.
        effort: its duration and its memory.
    """
    weights = list(network.parameters())
    return Card(
        base={"kind": config.base.kind, "checkpoint": config.base.checkpoint, **identity},
        objective=KINDS[config.base.kind].objective,
        method=config.method,
        **_lora_fields(config),
        step=effort.step,
        steps=effort.steps,
        epochs=effort.epochs,
        batch=config.batch,
        accumulation=config.accumulation,
        precision=config.precision,
        optimizer={"kind": "adamw", **config.optimizer.model_dump(mode="json")},
        schedule=config.schedule.model_dump(mode="json"),
        crop=config.crop,
        clip_norm=config.clip_norm,
        guidance_dropout=config.guidance_dropout,
        condition=config.condition,
        ema=config.ema,
        seed=config.seed,
        data=trained_on(config, dataset, split),
        losses=history.losses(),
        scored_on=history.scored_on,
        epochs_per_hour=effort.epochs_per_hour,
        seconds=effort.seconds,
        peak_memory_bytes=effort.peak_memory[0] if effort.peak_memory else None,
        peak_memory_of=effort.peak_memory[1] if effort.peak_memory else None,
        trainable=sum(w.numel() for w in weights if w.requires_grad),
        parameters=sum(w.numel() for w in weights),
        machine=machine(str(weights[0].device)),
    )


def _lora_fields(config: TrainConfig) -> dict[str, Any]:
    """Return the values of a card that only a training with LoRA has."""
    if config.method != "lora":
        return {"rank": None, "alpha": None, "targets": [], "init": None, "dropout": None, "dora": None}
    lora, targets = config.lora, config.targets
    return {
        "rank": lora.rank, "alpha": config.alpha, "targets": targets if isinstance(targets, str) else list(targets),
        "init": lora.init, "dropout": lora.dropout, "dora": lora.dora,
    }  # fmt: skip


def judged_on(dataset: Dataset, examples: Sequence[Example]) -> ScoredOn:
    """Return the captions of held-out music that a checkpoint is chosen by, in the card's form.

    Args:
        dataset: the dataset.
        examples: those of it that the validation uses.
    """
    texts = {example.id: text_hash(example.caption) for example in examples}
    return ScoredOn(dataset.name, dataset.fingerprint, "", "validation loss", texts)


def trained_on(config: TrainConfig, dataset: Dataset, split: Split) -> TrainedOn:
    """Describe the data of a training, for its card."""

    def hashes(examples: Sequence[Any]) -> list[str]:
        return sorted({dataset.hashes[example.id] for example in examples})

    return TrainedOn(
        name=dataset.name,
        format=str(dataset.about.get("format", config.data.format)),
        fingerprint=dataset.fingerprint,
        train=hashes(split.train),
        held_out=hashes(split.held_out),
        train_recordings=len({example.recording for example in split.train}),
        held_out_recordings=len({example.recording for example in split.held_out}),
        skipped=len(dataset.skipped),
        about=json.loads(json.dumps(dict(dataset.about), default=str)),
        captions=sorted({text_hash(example.caption) for example in split.train}),
    )
