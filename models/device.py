"""Where a neural model runs and in which precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bench.errors import MissingError, UsageError, suggestion

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
_SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def choose_device(device: str | None) -> str:
    """Return ``device`` if it is present; for None the fastest that is: ``cuda``, ``mps`` or ``cpu``.

    Args:
        device: ``cpu``, ``mps``, ``cuda`` or ``cuda:1``.

    Raises:
        UsageError: an unknown device, or one that is not present.
        MissingError: torch is not installed.
    """
    torch = _torch()
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device is None:
        return next(kind for kind, here in present.items() if here)
    kind, _, index = device.partition(":")
    if kind not in present:
        raise UsageError(f"unknown device '{device}'{suggestion(kind, present)}; known: cuda, cuda:1, mps, cpu")
    if not present[kind]:
        raise UsageError(f"device '{device}' is not present here, or this torch was built without it; try device: cpu")
    if index and not (kind == "cuda" and index.isdigit() and int(index) < torch.cuda.device_count()):
        raise UsageError(f"device '{device}' is not present here; {kind} has {max(1, torch.cuda.device_count())}")
    return device


def choose_dtype(device: str, dtype: str | None) -> torch.dtype:
    """Return the floating-point type named ``dtype``; for None, what suits the device.

    That is bfloat16 on a CUDA device that computes in it, float16 on an older one, and float32 elsewhere: on CPUs half
    precision is slower, and on Apple's GPUs audio decoders overflow in float16.

    Args:
        device: as `choose_device` returns it.
        dtype: a name, or None.

    Raises:
        UsageError: a name other than float32, bfloat16, float16 (or fp32, bf16, fp16).
        MissingError: torch is not installed.
    """
    torch_module = _torch()
    if dtype is None and device.startswith("cuda"):
        dtype = "bfloat16" if torch_module.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return cast("torch.dtype", getattr(torch_module, check_dtype(dtype or "float32")))


def check_dtype(dtype: str) -> str:
    """Return the full name of a floating-point type; works without torch.

    Raises:
        UsageError: it is not one that models compute in.
    """
    name = _SHORT.get(dtype, dtype)
    if name not in DTYPES:
        raise UsageError(f"unknown dtype '{dtype}'{suggestion(dtype, DTYPES)}; known: {', '.join(DTYPES)}")
    return name


def dtype_name(device: str | None, dtype: str | None) -> str:
    """Return the name of the type that a model with these parameters computes in; it is part of a clip's identity.

    Args:
        device: None for the fastest present.
        dtype: None for what suits the device.

    Raises:
        UsageError: as `choose_device` and `choose_dtype`.
        MissingError: it depends on the device, and torch is not installed.
    """
    if dtype is not None:
        return check_dtype(dtype)
    return str(choose_dtype(choose_device(device), None)).removeprefix("torch.")


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingError("torch is not installed: pip install 'tunebench[diffusion]'") from None
    return torch
