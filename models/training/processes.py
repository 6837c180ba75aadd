"""Where a training runs: the device, the precision, and the processes that share it, by accelerate."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bench.errors import MissingError, UsageError
from models.device import choose_device
from models.training.config import TrainConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = timedelta(days=2)  # while one process encodes a large dataset, the others wait


def accelerate(config: TrainConfig) -> Accelerator:
    """Create the accelerator of a training; ``accelerate launch`` decides how many processes there are.

    Raises:
        UsageError: a device that is not present, or cannot compute in the precision.
        MissingError: accelerate or torch is not installed.
    """
    device = choose_device(config.device)
    if config.precision == "fp16" and not device.startswith("cuda"):
        raise UsageError(f"precision: fp16 works only on cuda devices, not on {device}; use bf16 or fp32")
    try:
        import torch
        from accelerate import Accelerator, InitProcessGroupKwargs
        from accelerate.state import AcceleratorState
    except ImportError:
        raise MissingError("accelerate is not installed: pip install 'tunebench[diffusion]'") from None
    # accelerate keeps the first precision and device for the life of the process, unless it is told to forget them.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    if ":" in device:
        torch.cuda.set_device(device)
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision={"fp32": "no"}.get(config.precision, config.precision),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
