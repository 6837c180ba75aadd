"""What a training is described by: the values of its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.card import Card, Losses, TrainedOn
from models.training.hardware import machine

if TYPE_CHECKING:
    from models.training.config import TrainConfig
    from models.training.dataset import Dataset, Split

OBJECTIVES = {"stable-audio": "v-prediction", "audioldm": "epsilon-prediction"}


def describe(
    config: TrainConfig,
    identity: Mapping[str, str],
    dataset: Dataset,
    split: Split,
    network: Any,
    losses: Losses,
    *,
    steps: int,
    step: int,
    epochs: float,
    seconds: float,
    epochs_per_hour: float | None,
    peak_memory: tuple[int, str] | None,
) -> Card:
    """The card of a training.

    Args:
        config: of the training.
        identity: of the base, as `models.checkpoint.identity` gives it.
        dataset, split: what it was trained on.
        network: the network as it was trained; its weights are counted, and its device is named.
        losses: how it did.
        steps, epochs, seconds: how long it was trained, all resumed parts together.
        step: whose weights are kept.
        epochs_per_hour: while training, without encoding and validation.
        peak_memory: bytes, and of what: ``cuda`` or ``process``.
    """
    lora = config.method == "lora"
    weights = list(network.parameters())
    return Card(
        base={"kind": config.base.kind, "checkpoint": config.base.checkpoint, **identity},
        objective=OBJECTIVES[config.base.kind],
        method=config.method,
        rank=config.lora.rank if lora else None,
        alpha=config.alpha if lora else None,
        targets=list(config.targets) if lora else [],
        init=config.lora.init if lora else None,
        dropout=config.lora.dropout if lora else None,
        step=step,
        steps=steps,
        epochs=epochs,
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
        losses=losses,
        epochs_per_hour=epochs_per_hour,
        seconds=seconds,
        peak_memory_bytes=peak_memory[0] if peak_memory else None,
        peak_memory_of=peak_memory[1] if peak_memory else None,
        trainable=sum(w.numel() for w in weights if w.requires_grad),
        parameters=sum(w.numel() for w in weights),
        machine=machine(str(weights[0].device)),
    )


def trained_on(config: TrainConfig, dataset: Dataset, split: Split) -> TrainedOn:
    """The data of a training, for its card."""

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
    )
