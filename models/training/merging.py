"""Merge an adapter into its base: W + scale · α/rank · B·A, as a checkpoint that no longer needs the adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import MissingError, UsageError
from bench.network_weights import load_network
from bench.paths import StrPath
from bench.weights_file import read_object
from models import adapters
from models.adapter_files import read_adapter
from models.base_checkpoint import ARCHITECTURES, CARD, identity, locate
from models.card import Card, read_card, with_tuning_of
from models.pipeline_parts import network_classes
from models.shipped import local_path
from models.training.weights import part_name, save_checkpoint
from models.training.whole_checkpoint import PART, is_whole, tuned_part

if TYPE_CHECKING:
    import torch

_BESIDE = ("duration_embedder",)  # parts that an adapter may change in addition to the network
_NEEDS = ("torch", "diffusers", "transformers", "peft")


def merge(
    adapter: StrPath, out: StrPath, checkpoint: str | None = None, revision: str | None = None, scale: float = 1.0
) -> Path:
    """Write the base of an adapter with the adapter merged into it, and return the folder.

    Computed and saved in float32. The base's other parts are linked, or copied where that is impossible; a card beside
    the adapter is copied, with a note of the merging.

    Args:
        adapter: folder or file, in any of the formats that `models.adapter_files.read_adapter` reads.
        out: must be new or empty.
        checkpoint: the base, a hub id or a local folder; by default what the adapter itself names.
        revision: commit, tag or branch of the hub; by default what the adapter names.
        scale: factor on the adapter's contribution, finite, ≥ 0; 1 is as trained.

    Raises:
        UsageError: no base is named, the adapter was trained on another one or does not fit, or ``out`` is not empty.
        DataError: the adapter or its card is damaged.
        MissingError: the diffusion extra or the base is missing.
    """
    if missing := [name for name in _NEEDS if find_spec(name) is None]:
        raise MissingError(f"merging needs {', '.join(missing)}: pip install 'tunebench[diffusion]'")
    if not 0 <= scale < float("inf"):
        raise UsageError(f"scale is {scale}, must be a finite number of at least 0")
    from peft.tuners.lora import LoraLayer

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"'{out}' exists and is not an empty folder; choose another")
    adapter = local_path(str(adapter))
    found, card = read_adapter(adapter), _card(adapter)
    if checkpoint is None and found.base is None:
        raise UsageError(f"adapter '{adapter}' does not name its base; give it with --checkpoint")
    if revision is None and checkpoint in (None, found.base):
        revision = found.settings.get("revision")
    checkpoint = _pipeline(checkpoint or str(found.base))
    base, named = _located(checkpoint, revision), identity(checkpoint, revision)
    if card is not None:
        _check_base(adapter, card, named)
    main, *others = parts = _parts(base)
    adapters.load_adapters(parts, [(adapter, scale)], named)
    changed = [name for name in others if any(isinstance(layer, LoraLayer) for layer in parts[name].modules())]
    for part in parts.values():
        _fold(part)
    merged = {"scale": scale, **adapters.identity(adapter)}
    beside = {name: parts[name] for name in changed}
    known = with_tuning_of(replace(card, merged=merged), _card(base)) if card else None
    save_checkpoint(parts[main], base, out, known, beside)
    return out


def _card(adapter: Path) -> Card | None:
    """Return the card of an adapter that tunebench trained."""
    file = (adapter if adapter.is_dir() else adapter.parent) / CARD
    return read_card(file) if file.is_file() else None


def _pipeline(checkpoint: str) -> str:
    """Return the pipeline's folder: peft records the network's own folder, which is a part of it."""
    folder = local_path(checkpoint)
    return str(folder.parent) if (folder.parent / "model_index.json").is_file() else checkpoint


def _located(checkpoint: str, revision: str | None) -> Path:
    refusals = []
    for kind in ARCHITECTURES:
        try:
            return locate(checkpoint, revision, kind)
        except UsageError as error:
            refusals.append(error)
    raise refusals[0]


def _check_base(adapter: Path, card: Card, named: Mapping[str, str]) -> None:
    """Check the base: a path or a name may refer to other weights now than when the adapter was trained."""
    for key in ("repo", "revision", "weights"):
        if key in named and card.base.get(key, named[key]) != named[key]:
            raise UsageError(
                f"adapter '{adapter}' was trained on '{card.base['checkpoint']}' with {key} {card.base[key]}, "
                f"and this checkpoint has {key} {named[key]}; give its own base with --checkpoint"
            )


def _parts(base: Path) -> dict[str, torch.nn.Module]:
    """Return the parts of a pipeline that adapters change, in float32; first the transformer or UNet."""
    import diffusers
    import torch

    if is_whole(base):
        return {PART: tuned_part(base)}
    main = part_name(base)
    classes = network_classes(getattr(diffusers, read_object(base / "model_index.json")["_class_name"]), base)
    names = (main, *(name for name in _BESIDE if name in classes))
    return {name: load_network(classes[name], base / name, torch_dtype=torch.float32) for name in names}


def _fold(network: torch.nn.Module) -> None:
    """Add each adapter to the weights that it adapts, and leave the plain layers in its place."""
    from peft.tuners.lora import LoraLayer

    from models.kronecker import KroneckerLayer

    adapted = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, LoraLayer)]
    for name, layer in adapted:
        layer.merge()
        network.set_submodule(name, layer.get_base_layer())
    for name, product in [(name, part) for name, part in network.named_modules() if isinstance(part, KroneckerLayer)]:
        product.fold()
        network.set_submodule(name, product.get_base_layer())
    if hasattr(network, "peft_config"):
        del network.peft_config
