"""Networks of transformers and diffusers, loaded whole: every weight from the checkpoint, and finite, or an error.

Both libraries draw at random what a checkpoint lacks, in every process anew, and carry on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.weights_file import AGAIN, load_weights

# Constants that a network computes for itself; checkpoints hold them or not, as the library of their time had it.
_COMPUTED = re.compile(
    r"(^|\.)(position_ids|token_type_ids|relative_position_index|num_batches_tracked|embed_positions\.weights)$"
)
_NAMED = 3  # tensors in one message


def load_network(kind: Any, folder: Path, **options: Any) -> Any:
    """Load a network from a folder by its class's ``from_pretrained``, without asking a network, and check it.

    Args:
        kind: a model class of transformers or diffusers.
        folder: of the network itself, with ``config.json`` and the weights.
        options: for ``from_pretrained``, such as ``torch_dtype``.

    Raises:
        DataError: the checkpoint lacks a tensor, holds one that the network has no place for, or one of another shape
            or of whole numbers, or one with NaN or infinities; the message names the tensor.
    """
    network, report = kind.from_pretrained(
        str(folder), local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    lacking = _names(report["missing_keys"])
    # A buffer that is computed may have been saved by an older version.
    unexpected = _names(set(report["unexpected_keys"]) - {name for name, _ in network.named_buffers()})
    problems = [f"lacks {_listed(lacking)}"] if lacking else []
    problems += [f"holds {_listed(unexpected)}, for which there is no place"] if unexpected else []
    problems += [
        f"holds '{name}' in the shape {_size(here)}, not {_size(wanted)}"
        for name, here, wanted in sorted(report["mismatched_keys"])[:1]
    ]
    if problems:
        raise DataError(
            f"{folder}: the checkpoint of {kind.__name__} {' and '.join(problems)}; {AGAIN}, or use the version of the "
            "library that it was made with"
        )
    tensors = network.state_dict()
    check_stored(_stored(folder), tensors, folder)
    check_finite(tensors, folder)
    return network


def check_finite(tensors: Mapping[str, Any], where: Path) -> None:
    """Check that no weight is NaN or infinite, in one pass over them.

    Raises:
        DataError: one is; the message names the tensor.
    """
    import torch

    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        if all(torch.isfinite(extreme) for extreme in torch.aminmax(tensor.detach())):
            continue
        half = tensor.dtype == torch.float16 and not torch.isnan(tensor).any()
        advice = "set dtype: float32 if they are finite there, or " if half else ""
        what = "infinities as float16" if half else "NaN or infinities"
        raise DataError(f"{where}: the weights '{name}' hold {what}; {advice}{AGAIN}")


def check_stored(stored: Mapping[str, Any], tensors: Mapping[str, Any], where: Path) -> None:
    """Check that weights are stored as real numbers of a floating-point type; the libraries convert whatever it is.

    Args:
        stored: the checkpoint's tensors by name; their values are not read.
        tensors: of the network, by name; the checkpoint's names may have another prefix.
        where: for the message.

    Raises:
        DataError: one is of another type; the message names the tensor.
    """
    real = {_plain(name) for name, tensor in tensors.items() if tensor.is_floating_point()}
    for name, tensor in stored.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_floating_point():
            continue
        plain = _plain(name)
        if any(plain == own or plain.endswith(f".{own}") or own.endswith(f".{plain}") for own in real):
            raise DataError(f"{where}: the weights '{name}' are stored as {kind}, not in floating point; {AGAIN}")


def _stored(folder: Path) -> dict[str, Any]:
    """The tensors in a folder's files of weights as the libraries choose them, without their values."""
    files = [file for file in folder.glob("*.safetensors") if ".fp16." not in file.name]
    files = files or [file for file in folder.glob("*pytorch_model*.bin") if ".fp16." not in file.name]
    return {name: tensor for file in sorted(files) for name, tensor in load_weights(file, values=False)[0].items()}


def _names(keys: Any) -> list[str]:
    return sorted(name for name in keys if not _COMPUTED.search(name))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _plain(name: str) -> str:
    """One name for the two that the factors of weight normalization have had."""
    name = name.replace("parametrizations.weight.original0", "weight_g")
    return name.replace("parametrizations.weight.original1", "weight_v")


def _size(shape: Any) -> str:
    return "×".join(map(str, shape)) or "()"
