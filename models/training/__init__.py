"""Training: LoRA adapters and full fine-tuning of the models that are benchmarked.

A configuration → captioned recordings (`data`) → split by recording → latents and text conditions, computed once
(`latents`) → optimizer steps with validation and checkpoints (`trainer`) → a folder that a
run names as ``adapter:`` (`outputs`). `train` runs all of these steps.

The names below are the public interface for scripts; each is imported when first used:

    from models.training import load_train_config, train_model

    trained = train_model(load_train_config("train.yaml"), "trained", progress=True)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.training.choices import record_choice
    from models.training.config import (
        BaseConfig,
        CheckpointConfig,
        DataConfig,
        ListeningConfig,
        LoraConfig,
        OptimizerConfig,
        ScheduleConfig,
        TrainConfig,
        ValidationConfig,
        load_train_config,
        parse_train_config,
    )
    from models.training.memorisation import AuditRecord, AuditRequest, audit_memorisation
    from models.training.merging import merge as merge_adapter
    from models.training.outputs import Trained
    from models.training.speed import ArmSpeed, SpeedComparison, compare_speed
    from models.training.speed_arm import Size, Timing
    from models.training.train import train as train_model

# Where each name is defined: its module here, and after a colon its name there, if it differs.
_HOMES = {
    "ArmSpeed": "speed",
    "AuditRecord": "memorisation",
    "AuditRequest": "memorisation",
    "BaseConfig": "config",
    "CheckpointConfig": "config",
    "DataConfig": "config",
    "ListeningConfig": "config",
    "LoraConfig": "config",
    "OptimizerConfig": "config",
    "ScheduleConfig": "config",
    "Size": "speed_arm",
    "SpeedComparison": "speed",
    "Timing": "speed_arm",
    "TrainConfig": "config",
    "Trained": "outputs",
    "ValidationConfig": "config",
    "audit_memorisation": "memorisation",
    "compare_speed": "speed",
    "load_train_config": "config",
    "merge_adapter": "merging:merge",
    "parse_train_config": "config",
    "record_choice": "choices",
    "train_model": "train:train",
}

__all__ = [
    "ArmSpeed",
    "AuditRecord",
    "AuditRequest",
    "BaseConfig",
    "CheckpointConfig",
    "DataConfig",
    "ListeningConfig",
    "LoraConfig",
    "OptimizerConfig",
    "ScheduleConfig",
    "Size",
    "SpeedComparison",
    "Timing",
    "TrainConfig",
    "Trained",
    "ValidationConfig",
    "audit_memorisation",
    "compare_speed",
    "load_train_config",
    "merge_adapter",
    "parse_train_config",
    "record_choice",
    "train_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'models.training' has no attribute {name!r}")
    module, _, own_name = _HOMES[name].partition(":")
    return getattr(import_module(f"models.training.{module}"), own_name or name)


def __dir__() -> list[str]:
    return sorted(__all__)
