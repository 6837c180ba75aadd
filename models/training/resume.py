"""Which checkpoint a training resumes from, and whether it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.contracts.identity import without_none
from bench.errors import DataError, UsageError
from bench.hashing import fingerprint, first_difference
from bench.progress import Progress
from models.training.base import Trainee
from models.training.checkpoint import Checkpoint, checkpoints, read
from models.training.config import TrainConfig
from models.training.dataset import Dataset, Split
from models.training.schedule import depends_on_total


def identity(config: TrainConfig, trainee: Trainee, dataset: Dataset, split: Split, total: int) -> dict[str, Any]:
    """Return what has to be the same for a training to be the same: settings, base, data, and which of it is held out.

    The number of steps is part of it where the learning rate depends on it from the first step on.
    """
    settings = config.deciding
    if depends_on_total(config.schedule):
        settings["steps in all"] = total
    parts = [[dataset.hashes[example.id] for example in part] for part in (split.train, split.held_out)]
    return {
        "base": dict(trainee.fingerprint),
        "condition": dict(trainee.condition_fingerprint),
        "data": dataset.fingerprint,
        "settings": settings,
        "split": fingerprint(parts),  # in order: batches are drawn by place
    }


def newest(folder: Path, wanted: dict[str, Any], total: int, progress: Progress) -> Checkpoint | None:
    """Return the last intact checkpoint in a folder; None if there is none.

    Args:
        folder: of the checkpoints.
        wanted: `identity` of this training.
        total: steps of the whole training.
        progress: gets a note for each damaged checkpoint.

    Raises:
        UsageError: it belongs to another training, or is beyond ``total`` steps.
    """
    for path in sorted(checkpoints(folder), reverse=True):
        try:
            found = read(path)
        except DataError as error:
            progress.note(f"{error}; going back to the one before")
            continue
        _check(found, wanted, total)
        return found
    return None


def _check(found: Checkpoint, wanted: dict[str, Any], total: int) -> None:
    # A setting that was added later and is not used does not count.
    saved, wanted = without_none(found.state["identity"]), without_none(wanted)
    if saved != wanted:
        place, then, now = first_difference(saved, wanted)
        raise UsageError(
            f"checkpoint {found.path} is of another training: {place} was {then} and is now {now}; "
            "set it back, or name another folder with --out"
        )
    if found.step > total:
        raise UsageError(
            f"checkpoint {found.path} is past the {total} steps of the configuration; set more steps, or name another "
            "folder with --out"
        )
