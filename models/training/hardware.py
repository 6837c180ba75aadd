"""The machine of a training, for its card."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.environment import processor


def machine(device: str) -> dict[str, Any]:
    """What a training runs on: the device and the processor by name, and the versions of what computes."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return {
        "device": name,
        "cpu": processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{library: _version(library) for library in ("torch", "diffusers", "transformers", "peft", "accelerate")},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
