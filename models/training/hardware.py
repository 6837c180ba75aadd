"""The machine of a training, for its card and for comparisons of speed: names, versions, and memory in use."""

from __future__ import annotations

import platform
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.environment import available_memory, package_version, proc_bytes, processor, total_memory, usable_cores

if TYPE_CHECKING:
    import torch

_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "accelerate")


def machine(device: str) -> dict[str, Any]:
    """Return what a training runs on: the device and the processor by name, and the versions of what computes."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return {
        "device": name,
        "cpu": processor() or platform.machine(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{library: package_version(library) for library in _LIBRARIES},
    }


def usable_memory(device: torch.device) -> int:
    """Return the bytes that a training may use: of a CUDA device all, of the computer what is free now."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    free = available_memory()
    return (total_memory() or 0) // 2 if free is None else free


def forget_peak(device: torch.device) -> None:
    """Reset the peak to what a CUDA device holds now; a process cannot reset its peak."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Return the most bytes in use so far, and where: by the tensors on a CUDA device, or else by the whole process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "cuda"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process"


def restart_peak(device: torch.device) -> None:
    """Reset the peak to what a device or this process holds now; only Linux can do so for a process."""
    forget_peak(device)
    if device.type != "cuda":
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def recent_peak(device: torch.device) -> int:
    """Return the most bytes in use since `restart_peak`."""
    if device.type != "cuda" and (now := proc_bytes(Path("/proc/self/status"), "VmHWM")) is not None:
        return now
    return peak_memory(device)[0]
