"""The end of a training: the folder that a run names, and the note that the training is finished."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.atomic_write import replace_file
from models.base_checkpoint import CARD, locate
from models.card import Card, read_card, with_tuning_of
from models.training.config import TrainConfig
from models.training.weights import save_adapter, save_checkpoint

_NAME = "finished.json"


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        folder: of the adapter, to be named as ``adapter:``, or with all weights of the checkpoint, as ``checkpoint:``.
        steps: number of optimizer steps done.
        step: the step whose weights are kept.
        base_loss, best_loss: validation losses before any step and at that one; None without validation.
        epochs_per_hour: of the steps alone.
    """

    folder: Path
    steps: int
    step: int
    base_loss: float | None
    best_loss: float | None
    epochs_per_hour: float | None


def finish(config: TrainConfig, out: Path, network: Any, card: Card) -> Trained:
    """Write what was trained, as it is in the network now, and that the training is finished.

    Args:
        network: with the adapter that is to be written, or with all weights trained.
        card: of the training.

    Raises:
        OSError, SafetensorError: the disk is full; nothing that existed is lost.
    """
    if config.method == "lora":
        folder = out / "adapter"
        save_adapter(network, folder, card)
    else:
        folder = out / "checkpoint"
        base = locate(config.base.checkpoint, config.base.revision, config.base.kind)
        card = with_tuning_of(card, read_card(base) if (base / CARD).is_file() else None)
        save_checkpoint(network, base, folder, card)
    losses = card.losses
    step = card.steps if card.step is None else card.step
    trained = Trained(folder, card.steps, step, losses.base, losses.best, card.epochs_per_hour)
    told = {**asdict(trained), "folder": folder.name}
    replace_file(out / _NAME, json.dumps({"config": config.model_dump(mode="json"), "trained": told}, indent=2) + "\n")
    return trained


def finished(config: TrainConfig, out: Path) -> Trained | None:
    """Return the result of a finished training with exactly this configuration; None if anything is left to do."""
    try:
        content: dict[str, Any] = json.loads((out / _NAME).read_bytes())
        trained = Trained(**{**content["trained"], "folder": Path(out / content["trained"]["folder"])})
        then = TrainConfig.model_validate(content["config"])  # settings that were added later have their defaults
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return trained if then == config and (trained.folder / CARD).is_file() else None
