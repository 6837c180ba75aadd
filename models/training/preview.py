"""What a training would do, before it runs: nothing is decoded, loaded or written."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any, cast

from models.base_checkpoint import PINNED
from models.shipped import local_path
from models.training.base import Trainee
from models.training.composed import commissions
from models.training.config import BaseConfig, TrainConfig
from models.training.formats import list_examples
from models.training.kinds import KINDS


@dataclass(frozen=True)
class Weights:
    """The number of weights of a network with its adapter, and how many of them are trained."""

    trained: int
    of: int


@dataclass(frozen=True)
class TrainingPreview:
    """What a training would do.

    Attributes:
        examples: number that the dataset lists, before any is found to be unusable.
        steps: most optimizer steps: fewer if the length is given in epochs, and examples are held out.
        weights: None if the checkpoint is not on this computer.
    """

    examples: int
    steps: int
    weights: Weights | None


def preview(config: TrainConfig) -> TrainingPreview:
    """Return what `models.training.train.train` would do with a configuration.

    Raises:
        UsageError: there is no such dataset, or the composer does not know a genre.
        DataError: a mistake in the dataset's tables.
        MissingError: software is not installed.
    """
    if config.data.path == "composer" and config.data.format in ("auto", "composer"):
        examples = sum(1 for _ in commissions(config.data))
    else:
        examples = len(list_examples(config.data)[1].examples)
    steps = config.steps or -(-(config.epochs or 1) * examples // (config.batch * config.accumulation))
    return TrainingPreview(examples, steps, _weights(config))


def _weights(config: TrainConfig) -> Weights | None:
    """Count the weights of a network without values, created from the checkpoint's configuration."""
    import torch

    from bench.quiet import quiet_libraries
    from models.training.lora import prepare, trainable

    with quiet_libraries(), torch.device("meta"):
        network = _empty(config.base)
        if network is None:
            return None
        prepare(cast("Trainee", SimpleNamespace(network=network)), config)
    return Weights(_count(trainable(network).values()), _count(network.parameters()))


def _empty(base: BaseConfig) -> Any:
    local, kind = local_path(base.checkpoint), KINDS[base.kind]
    where = str(local) if local.is_dir() else base.checkpoint
    revision = base.revision or PINNED.get(base.checkpoint)
    try:
        if not kind.network_class:  # MusicGen
            from transformers import MusicgenConfig, MusicgenForCausalLM

            whole = MusicgenConfig.from_pretrained(where, revision=revision, local_files_only=True)
            return MusicgenForCausalLM(whole.decoder)
        network: Any = resolve_name(f"diffusers:{kind.network_class}")
        config = network.load_config(where, subfolder=kind.network, revision=revision, local_files_only=True)
    except OSError:
        return None
    return network.from_config(config)


def _count(weights: Any) -> int:
    return sum(weight.numel() for weight in weights)
