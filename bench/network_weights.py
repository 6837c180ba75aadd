"""Networks of transformers and diffusers, loaded whole: every weight from the checkpoint, and finite, or an error.

Both libraries silently fill missing weights with new random values in every process.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.quiet import quiet_libraries
from bench.weights_file import AGAIN, load_weights

# Constants that a network computes itself; checkpoints hold them or not, depending on the library's version.
_COMPUTED = re.compile(
    r"(^|\.)(position_ids|token_type_ids|relative_position_index|num_batches_tracked|embed_positions\.weights)$"
)
_NAMED = 3  # tensors in one message


def load_network(kind: Any, folder: Path, **options: Any) -> Any:
    """Load a network from a folder by its class's ``from_pretrained``, without network access, and check it.

    Args:
        kind: a model class of transformers or diffusers.
        folder: of the network itself, with ``config.json`` and the weights.
        options: for ``from_pretrained``, such as ``torch_dtype``.

    Raises:
        DataError: the checkpoint lacks a tensor, holds an unknown one, or one of another shape
            or of whole numbers, or one with NaN or infinities; the message names the tensor.
    """
    with quiet_libraries():
        warnings.filterwarnings("ignore", "Casting complex values")  # these are refused below
        network, report = kind.from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    stored = _stored(folder)
    # Constants that older versions saved and newer ones compute are still buffers.
    unexpected = set(report["unexpected_keys"]) - {name for name, _ in network.named_buffers()}
    unexpected |= _overlooked(stored, network)
    _check_names(network, report["missing_keys"], unexpected, report["mismatched_keys"], folder)
    _check_types(stored, network.state_dict(), folder)
    check_finite(network, folder)
    return network


def fill_network(network: Any, state: Mapping[str, Any], where: Path) -> None:
    """Put the tensors of a checkpoint into a PyTorch network, in place.

    Args:
        network: any module.
        state: tensors of the checkpoint, by name.
        where: the checkpoint, for messages.

    Raises:
        DataError: as `load_network`, or a value is not a tensor.
    """
    import torch

    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise DataError(f"{where}: '{name}' is a {type(value).__name__} and not a tensor; {AGAIN}")
    own = network.state_dict()
    shapes = [(name, state[name].shape, own[name].shape) for name in own.keys() & state.keys()]
    mismatched = [(name, here, wanted) for name, here, wanted in shapes if here != wanted]
    _check_names(network, own.keys() - state.keys(), state.keys() - own.keys(), mismatched, where)
    _check_types(state, own, where)
    network.load_state_dict(state, strict=False)
    check_finite(network, where)


def check_finite(network: Any, where: Path) -> None:
    """Check that no weight of a network is NaN or infinite, in one pass over them.

    Args:
        network: any module.
        where: its checkpoint, for the message.

    Raises:
        DataError: one is not finite; the message names the tensor.
    """
    import torch

    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        if all(torch.isfinite(extreme) for extreme in torch.aminmax(tensor.detach())):
            continue
        half = tensor.dtype == torch.float16 and not torch.isnan(tensor).any()
        advice = "try dtype: float32, or " if half else ""
        what = "infinities as float16" if half else "NaN or infinities"
        raise DataError(f"{where}: the weights '{name}' hold {what}; {advice}{AGAIN}")


def _check_names(network: Any, missing: Any, unexpected: Any, mismatched: Any, where: Path) -> None:
    """Raise DataError if a checkpoint's names or shapes are not the network's; ``mismatched`` holds the name, the shape
    in the checkpoint and that of the network."""
    lacking, foreign = (sorted(name for name in names if not _COMPUTED.search(name)) for names in (missing, unexpected))
    problems = [f"lacks {_listed(lacking)}"] if lacking else []
    problems += [f"holds {_listed(foreign)}, which the network does not have"] if foreign else []
    problems += [
        f"holds '{name}' as {_size(here)}, not {_size(wanted)}" for name, here, wanted in sorted(mismatched)[:1]
    ]
    if problems:
        raise DataError(
            f"{where}: does not fit {type(network).__name__}: it {' and '.join(problems)}; {AGAIN}, or give a "
            "checkpoint of this network"
        )


def _check_types(stored: Mapping[str, Any], tensors: Mapping[str, Any], where: Path) -> None:
    """Raise DataError if a weight is stored as whole or complex numbers, which the libraries would convert.

    ``tensors`` are the network's; the names in the checkpoint may have another prefix.
    """
    real = {_plain(name) for name, tensor in tensors.items() if tensor.is_floating_point()}
    for name, tensor in stored.items():
        if tensor.is_floating_point():
            continue
        plain, kind = _plain(name), str(tensor.dtype).removeprefix("torch.")
        if any(plain == own or plain.endswith(f".{own}") or own.endswith(f".{plain}") for own in real):
            raise DataError(f"{where}: the weights '{name}' are stored as {kind}, not in floating point; {AGAIN}")


def _overlooked(stored: Mapping[str, Any], network: Any) -> set[str]:
    """Return names in a checkpoint that transformers omits although the network needs them.

    Its filter for T5's encoder, all names with "decoder", also affects MusicGen's own decoder.
    """
    patterns = getattr(network, "_keys_to_ignore_on_load_unexpected", None) or ()
    own = {_plain(name) for name in (*network.state_dict(), *(name for name, _ in network.named_buffers()))}
    others = [name for name in stored if _plain(name) not in own]
    hidden = {name for name in others if any(re.search(pattern, name) for pattern in patterns)}
    if not hidden:
        return set()
    places = [(f"{place}." if place else "", module) for place, module in network.named_modules()]
    # A network saved without its head lacks the prefix that its names have with the head.
    places += [("", module) for place, module in places if place == f"{getattr(network, 'base_model_prefix', '')}."]
    for place, module in places:
        for pattern in getattr(type(module), "_keys_to_ignore_on_load_unexpected", None) or ():
            hidden -= {n for n in hidden if n.startswith(place) and re.search(pattern, n[len(place) :])}
    return hidden


def _stored(folder: Path) -> dict[str, Any]:
    """Return the tensors in a folder's files of weights as the libraries select the files, without their values."""
    files = [file for file in folder.glob("*.safetensors") if ".fp16." not in file.name]
    files = files or [file for file in folder.glob("*pytorch_model*.bin") if ".fp16." not in file.name]
    return {name: tensor for file in sorted(files) for name, tensor in load_weights(file, values=False)[0].items()}


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _plain(name: str) -> str:
    """Return one name for the old and the new names of the factors of weight normalization."""
    name = name.replace("parametrizations.weight.original0", "weight_g")
    return name.replace("parametrizations.weight.original1", "weight_v")


def _size(shape: Any) -> str:
    return "×".join(map(str, shape)) or "one number"
