"""Which class trains which architecture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, MissingError, TunebenchError, one_line
from models.base_checkpoint import identity, locate
from models.training.kinds import KINDS

if TYPE_CHECKING:
    from models.training.base import Trainee
    from models.training.config import TrainConfig


def open_trainee(config: TrainConfig) -> Trainee:
    """Open the checkpoint that a configuration names, on the CPU, for training.

    Its network's weights are in float32, or in bfloat16 if they stay frozen and that is the precision.

    Raises:
        UsageError: there is no such checkpoint, or it is of another kind or objective.
        MissingError: a checkpoint is missing, or software is not installed.
        DataError: a damaged checkpoint.
    """
    base = config.base
    try:
        import torch

        from bench.quiet import quiet_libraries

        trainee: Any = resolve_name(KINDS[base.kind].trainee)
    except ImportError as error:
        raise MissingError(f"{error.name} is not installed: pip install 'tunebench[diffusion]'") from None
    folder = locate(base.checkpoint, base.revision, base.kind)
    who = identity(base.checkpoint, base.revision)
    frozen = config.method == "lora"
    # What a kind is opened with in addition.
    more: Mapping[str, Mapping[str, Any]] = {"audioldm": {"clap": config.clap}, "ace-step": {"crop": config.crop}}
    dtype = torch.bfloat16 if frozen and config.precision == "bf16" else torch.float32
    try:
        with quiet_libraries(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about names that older versions of the libraries need
            opened: Trainee = trainee(folder, who, dtype, **more.get(base.kind, {}))
            return opened
    except TunebenchError:
        raise
    except Exception as error:  # the libraries raise a dozen classes for a damaged checkpoint
        raise DataError(
            f"checkpoint '{base.checkpoint}' cannot be loaded ({one_line(error)[:200]}); {folder} is damaged, "
            "or not of these libraries' versions: download it again"
        ) from error
