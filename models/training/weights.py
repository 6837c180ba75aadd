"""Weights in the forms that other tools load: a LoRA adapter for peft and for diffusers, or a whole checkpoint."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.atomic_write import replace_file
from bench.errors import UsageError
from bench.weights_file import read_object
from models import stable_audio_3_adapter
from models.adapter_files import CONFIG
from models.base_checkpoint import CARD
from models.card import Card
from models.shipped import lasting_name
from models.training.model_card import DIFFUSERS_WEIGHTS, page
from models.training.whole_checkpoint import is_whole, save_whole

if TYPE_CHECKING:
    import torch

PEFT_WEIGHTS = "adapter_model.safetensors"
_PEFT_PREFIX = "base_model.model."  # how peft names the network inside its wrapper
_WEIGHTS = re.compile(r"\.(safetensors|bin|pt|ckpt)(\.index\.json)?$")
_TEXTS = (".json", ".txt", ".md")
# For bases whose publisher's trainer has its own format: the file's name, and the function that writes a network's.
OWN_FORMATS = {"stable-audio-3": (stable_audio_3_adapter.FILE, stable_audio_3_adapter.own_file)}


def save_adapter(network: torch.nn.Module, folder: Path, card: Card) -> None:
    """Write the LoRA factors of a network, which peft put into it under the name ``default``.

    ``adapter_model.safetensors`` with ``adapter_config.json`` is what peft's ``save_pretrained`` writes, and
    ``pytorch_lora_weights.safetensors`` what diffusers' ``save_lora_adapter`` does; both hold the same factors, in
    float32, and the same settings, including the base's name. If the base's publisher has its own format, a
    file in that format is written beside them (`OWN_FORMATS`). The folder appears whole, or not at all.

    Args:
        network: the transformer or UNet itself.
        folder: replaced if it exists.
        card: of the training.
    """
    import torch
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save

    settings = _settings(network, card.base)
    factors = {
        name: value.detach().to("cpu", torch.float32).contiguous()
        for name, value in get_peft_model_state_dict(network, save_embedding_layers=False).items()
    }
    with replaced(folder) as part:
        peft = {f"{_PEFT_PREFIX}{name}": value for name, value in factors.items()}
        (part / PEFT_WEIGHTS).write_bytes(save(peft, metadata={"format": "pt"}))
        told = json.dumps(settings, indent=2, sort_keys=True)
        (part / CONFIG).write_text(told, encoding="utf-8")
        metadata = {"format": "pt", "lora_adapter_metadata": told}
        (part / DIFFUSERS_WEIGHTS).write_bytes(save(factors, metadata=metadata))
        if card.base["kind"] in OWN_FORMATS:
            name, own = OWN_FORMATS[card.base["kind"]]
            (part / name).write_bytes(own(network))
        write_card(part, card)


def save_checkpoint(
    network: Any, base: Path, folder: Path, card: Card | None, beside: Mapping[str, Any] | None = None
) -> None:
    """Write a pipeline's folder with this network in place of the base's own, to be named as ``checkpoint:``.

    Weights of the other parts are hard links to the base's files where the disk allows it, and copies elsewhere.
    The folder appears whole, or not at all.

    Args:
        network: the tuned transformer or UNet, without adapters; saved in the precision that it has.
        base: the folder of the checkpoint that it is a tuning of.
        folder: replaced if it exists.
        card: of the training; None if nothing is known about it.
        beside: further parts that were tuned, by their names in the pipeline.
    """
    from bench.quiet import quiet_libraries

    whole_one = is_whole(base)
    tuned = {"" if whole_one else part_name(base): network, **(beside or {})}
    with replaced(folder) as whole:
        for source in sorted(base.rglob("*")):
            place = source.relative_to(base)
            if source.is_dir() or place.parts[0] in tuned or any(name.startswith(".") for name in place.parts):
                continue
            if place.name in (CARD, "README.md"):  # of the base
                continue
            if whole_one and _WEIGHTS.search(place.name):
                continue
            (whole / place).parent.mkdir(parents=True, exist_ok=True)
            _link(source, whole / place)
        for own, part in tuned.items():
            if whole_one:
                save_whole(part, base, whole)
            else:
                with quiet_libraries():
                    part.save_pretrained(whole / own, safe_serialization=True)
            # The network's own, except for the base's path in it: equal results shall have one identity.
            shutil.copyfile(base / own / "config.json", whole / own / "config.json")
        if card is not None:
            write_card(whole, card)


def part_name(base: Path) -> str:
    """Return the name of the tuned network in a pipeline's folder: ``transformer`` or ``unet``.

    Raises:
        UsageError: the folder is not a pipeline that has one.
    """
    index = base / "model_index.json"
    parts = read_object(index) if index.is_file() else {}
    for name in ("transformer", "unet"):
        if name in parts:
            return name
    raise UsageError(f"checkpoint '{base}' is not a pipeline with a transformer or a UNet that could be replaced")


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which replaces ``folder`` once the body has ended without an error."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for file in part.rglob("*"):
            if file.is_file():
                _flush(file)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)


def _settings(network: Any, base: Mapping[str, str]) -> dict[str, Any]:
    """Return the adapter's configuration as peft writes it: with the base, and how to find the network's class."""
    config: dict[str, Any] = network.peft_config["default"].to_dict()
    settings: dict[str, Any] = {n: sorted(value) if isinstance(value, set) else value for n, value in config.items()}
    for name in ("peft_type", "task_type"):
        settings[name] = getattr(settings[name], "value", settings[name])
    if float(settings["lora_alpha"]).is_integer():  # as peft's own files have it
        settings["lora_alpha"] = int(settings["lora_alpha"])
    if "repo" in base:
        named = {"base_model_name_or_path": base["repo"], "revision": base["revision"]}
    else:
        named = {"base_model_name_or_path": lasting_name(base["checkpoint"])}
    kind = type(network)
    mapping = {"base_model_class": kind.__name__, "parent_library": kind.__module__}
    return {**settings, **named, "inference_mode": True, "auto_mapping": mapping}


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy a text, so that editing it does not edit the base's."""
    source = source.resolve()  # the hub's cache is made of links
    if source.suffix not in _TEXTS:
        try:
            target.hardlink_to(source)
            return
        except OSError:  # another disk, or one without links
            pass
    shutil.copyfile(source, target)


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def write_card(folder: Path, card: Card) -> None:
    """Write ``card.json`` and, in words, ``README.md``; a reader sees either the whole new file or the one before."""
    replace_file(folder / CARD, card.as_json())
    replace_file(folder / "README.md", page(card))
