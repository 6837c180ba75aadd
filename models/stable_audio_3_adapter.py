"""The adapter format of Stable Audio 3's own trainer: what files say, and how they are written.

A file holds, for each linear layer and convolution, ``….parametrizations.weight.0.lora_A`` and ``.lora_B``, and for
"dora-rows" a ``.magnitude`` for each output. Source: ``stable_audio_3/models/lora`` of Stability-AI/stable-audio-3.
Layers have the publisher's names, and of its differential attention the publisher's order: `models.adapter_names`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, UsageError
from models.adapter_names import NAMINGS, STABLE_AUDIO_TOOLS
from models.piece_order import piece_order, reordered, reverse

if TYPE_CHECKING:
    import torch

NETWORK = "StableAudio3DiTModel"  # the class of diffusers that these adapters are for, and no other
FILE = "stable_audio_3.safetensors"
CONFIG = "lora_config"
_DORA = ("dora-rows", "dora")
_WHAT = "only lora and dora-rows are read, train it again with --adapter_type dora-rows"


@dataclass(frozen=True)
class OwnSettings:
    """What a file says of its adapter.

    Attributes:
        rank: of every layer; None where it is not stated.
        alpha: None for the rank.
        kind: ``lora``, ``dora-rows``, or ``dora``, the former name of rows before there were columns.
    """

    rank: int | None
    alpha: float | None
    kind: str

    @property
    def dora(self) -> bool:
        """Whether each layer has magnitudes."""
        return self.kind in _DORA


def own_settings(path: Path, told: Any) -> OwnSettings:
    """Read a ``lora_config``, as text or as a table.

    Args:
        path: of the file, for messages.
        told: what the file holds under that name.

    Raises:
        UsageError: it is of a kind that is not supported; the message names it.
        DataError: it is damaged.
    """
    try:
        config = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError) as error:
        raise DataError(f"adapter '{path}': its {CONFIG} is not a JSON object") from error
    if not isinstance(config, Mapping):
        raise DataError(f"adapter '{path}': its {CONFIG} is not a table")
    kind = config.get("adapter_type", "lora")
    if kind not in ("lora", *_DORA):
        raise UsageError(f"adapter '{path}' is of Stable Audio 3's kind {kind!r:.40}; {_WHAT}")
    rank, alpha = config.get("rank"), config.get("alpha")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
        raise DataError(f"adapter '{path}': rank in its {CONFIG} is {rank!r:.80}, must be a whole number of at least 1")
    if alpha is not None and (isinstance(alpha, bool) or not isinstance(alpha, int | float) or not abs(alpha) < 1e9):
        raise DataError(f"adapter '{path}': alpha in its {CONFIG} is {alpha!r:.80}, must be a finite number")
    return OwnSettings(rank, None if alpha is None else float(alpha), kind)


def own_alpha(
    path: Path, name: str, rank: int, magnitude: torch.Tensor | None, own: OwnSettings | None
) -> float | None:
    """Check a layer of a file against what the file says of itself, and return its α; None for its rank.

    Args:
        path: of the file.
        name: of the layer.
        rank, magnitude: of its factors.
        own: what the file says; None where it says nothing.

    Raises:
        UsageError: its magnitudes do not belong to outputs, or nothing says what they belong to.
        DataError: it does not match the settings.
    """
    if magnitude is not None and own is None:
        raise UsageError(
            f"adapter '{path}' has magnitudes, but no {CONFIG} that says whether they are of rows; use the file that "
            "Stable Audio 3's trainer wrote"
        )
    if own is None:
        return None
    if magnitude is not None and own.kind == "dora" and magnitude.ndim == 2 and len(magnitude) == 1:
        raise UsageError(f"adapter '{path}' is of Stable Audio 3's kind dora-cols; {_WHAT}")
    if (magnitude is not None) != own.dora or own.rank not in (None, rank):
        held, said = ("no " if magnitude is None else ""), ("" if own.dora else "no ")
        raise DataError(
            f"adapter '{path}': layer '{name}' has rank {rank} and {held}magnitudes, and its {CONFIG} says rank "
            f"{own.rank} and {said}magnitudes; copy it again from its training"
        )
    return own.alpha


def own_file(network: Any) -> bytes:
    """Return the LoRA or DoRA that peft put into a network under the name ``default``, as a file of this format;
    float32.

    Args:
        network: a ``StableAudio3DiTModel``.
    """
    import torch
    from safetensors.torch import save

    settings = network.peft_config["default"]
    tensors = {
        name: value.detach().to("cpu", torch.float32).contiguous() for name, value in _own_tensors(network, settings)
    }
    config = {
        "rank": settings.r,
        "alpha": settings.lora_alpha,
        "adapter_type": _DORA[0] if settings.use_dora else "lora",
        "dropout": 0.0,
        "include": sorted({name.partition(".parametrizations.")[0] for name in tensors}),
        "exclude": None,
    }
    return save(tensors, metadata={CONFIG: json.dumps(config)})


def _own_tensors(network: Any, settings: Any) -> Iterator[tuple[str, torch.Tensor]]:
    from peft.tuners.lora import LoraLayer

    for name, layer in network.named_modules():
        if not isinstance(layer, LoraLayer):
            continue
        own, order = _own_name(name, layer.get_base_layer())
        key = f"{own}.parametrizations.weight.0"
        yield f"{key}.lora_A", layer.lora_A["default"].weight.flatten(1)
        yield f"{key}.lora_B", reordered(layer.lora_B["default"].weight.flatten(1), order)
        if settings.use_dora:
            yield f"{key}.magnitude", reordered(layer.lora_magnitude_vector["default"].weight.flatten(), order)


def _own_name(name: str, layer: Any) -> tuple[str, tuple[int, ...]]:
    """Return the trainer's name of a layer of diffusers' transformer, and the order of its equal pieces of outputs
    there."""
    written = next(iter(NAMINGS[STABLE_AUDIO_TOOLS](name)), (name,))[0]
    inner = name.startswith(("transformer_blocks.", "proj_", "global_cond_embedder."))
    return f"model.{'transformer.' if inner else ''}{written}", reverse(piece_order(name, layer))
