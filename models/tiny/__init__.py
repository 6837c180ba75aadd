"""Checkpoints of a few hundred kilobytes: the published architectures with random weights.

They are made and loaded by the same libraries as the published ones, so that code that runs one also runs the other;
what they play is noise. The same seed gives the same weights, byte for byte, on every computer.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import MissingError, UsageError, suggestion

# kind → module with build(seed), which yields what is to be saved, and network(folder), as `network` below
_BUILDERS = {
    "stable-audio": "models.tiny.stable_audio",
    "stable-audio-3": "models.tiny.stable_audio_3",
    "audioldm": "models.tiny.audioldm",
    "audioldm2": "models.tiny.audioldm2",
    "musicgen": "models.tiny.musicgen",
    "ace-step": "models.tiny.ace_step",
    "longcat-audio": "models.tiny.longcat_audio",
}
KINDS = tuple(_BUILDERS)

# The layers that published adapters of these models train.
TARGETS = {
    "stable-audio": ("to_q", "to_k", "to_v", "to_out.0"),
    "stable-audio-3": ("to_qkv", "to_q", "to_kv", "to_out"),
    "audioldm": ("to_q", "to_v"),
    "audioldm2": ("to_q", "to_v"),
    "musicgen": ("q_proj", "v_proj"),
    "ace-step": ("to_q", "to_k", "to_v", "to_out.0"),
    "longcat-audio": ("to_q", "to_k", "to_v", "to_out.0"),
}


def make(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write a checkpoint of this kind, with the weights that the seed stands for, into a folder and return it.

    Args:
        kind: one of `KINDS`.
        folder: created if need be; must be empty.
        seed: ≥ 0.

    Raises:
        UsageError: an unknown kind, or a folder that holds something.
        MissingError: the diffusion extra is not installed.
    """
    _require_free(folder)  # before seconds of imports
    builder = _builder(kind)
    folder.mkdir(parents=True, exist_ok=True)
    with _unnoticed():
        for part in builder.build(seed):
            part.save_pretrained(folder, safe_serialization=True)
    return folder


def make_adapter(
    kind: str,
    folder: Path,
    adapter_folder: Path,
    seed: int = 0,
    rank: int = 4,
    scale: float = 1.0,
    targets: Sequence[str] | None = None,
    base: str | None = None,
) -> Path:
    """Write a LoRA adapter with random weights, in peft's format, for the checkpoint of this kind in ``folder``.

    Args:
        kind: as for `make`.
        folder: a checkpoint that `make` wrote.
        adapter_folder: created if need be; must be empty.
        seed: ≥ 0; the weights are the same, byte for byte, for the same seed.
        rank: of the factors, ≥ 1; α equals it.
        scale: standard deviation of the second factor, relative to that of a random linear layer; 0 for an adapter
            that changes nothing.
        targets: names of the linear layers to adapt; by default those that published adapters of the kind train.
        base: the base model named in the adapter; by default the folder.

    Raises:
        UsageError: an unknown kind, or a folder that holds something.
        MissingError: the diffusion extra is not installed.
    """
    _require_free(adapter_folder)
    _builder(kind)
    adapter_folder.mkdir(parents=True, exist_ok=True)
    from peft import LoraConfig, get_peft_model

    from models.tiny.weights import fill

    with _unnoticed():
        adapted_network = network(kind, folder)
        adapted_network.name_or_path = str(base or folder)  # peft notes it as the base
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets or TARGETS[kind]))
        adapted = get_peft_model(adapted_network, config)
        factors = {name: value for name, value in adapted.named_parameters() if "lora_" in name}
        fill(factors, seed)
        for name, value in factors.items():
            if "lora_B" in name:
                value.data *= scale
        adapted.save_pretrained(adapter_folder, safe_serialization=True, save_embedding_layers=False)
    return adapter_folder


def network(kind: str, folder: Path) -> Any:
    """Open the network that LoRA adapts, a torch module, of the checkpoint that `make` wrote into ``folder``.

    Raises:
        UsageError: an unknown kind.
        MissingError: the diffusion extra is not installed.
    """
    return _builder(kind).network(folder)


def _builder(kind: str) -> Any:
    if kind not in _BUILDERS:
        raise UsageError(f"no tiny checkpoint of kind '{kind}'{suggestion(kind, KINDS)}; known: {', '.join(KINDS)}")
    try:
        return importlib.import_module(_BUILDERS[kind])
    except ImportError as error:
        raise MissingError(f"{error.name} is not installed: pip install 'tunebench[diffusion]'") from None


def _require_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"'{folder}' exists and is not an empty folder; choose another")


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Print nothing, and restore torch's global generator."""
    import torch

    from bench.quiet import quiet_libraries

    with quiet_libraries(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about layers that the published architectures use
        yield
