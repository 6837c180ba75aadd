"""LoRA adapters on top of a network: checked against it, then put in.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import MissingError, TunebenchError, UsageError
from models import checkpoint
from models.adapter_files import CONFIG, AdapterFile, Layer, read_adapter, weight_file

if TYPE_CHECKING:
    import torch

Module = TypeVar("Module", bound="torch.nn.Module")

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def identity(path: Path) -> dict[str, str]:
    """What identifies an adapter: the hash of its weights and, in peft's format, of its configuration. Needs no torch.

    Raises:
        UsageError: there is no adapter.
    """
    file = weight_file(path.expanduser())
    found = {"weights": checkpoint.hash_file(file)}
    config = file.parent / CONFIG
    if file.name.startswith("adapter_model") and config.is_file():
        found["config"] = checkpoint.hash_file(config)
    return found


def load_adapter(module: Module, path: Path, scale: float, base_identity: Mapping[str, str]) -> Module:
    """Put an adapter into a network, in place, and return the network.

    The factors stay apart from the weights, in float32 even where the network computes in half precision. Everything
    is checked before anything is changed; with scale 0 nothing is changed at all.

    Args:
        module: the network that the adapter was trained on: a transformer, a UNet, a decoder.
        path: the adapter's folder or file, as `models.adapter_files.read_adapter` reads it.
        scale: factor on the adapter's contribution, beside its own α/rank; 1 is as trained.
        base_identity: as `models.checkpoint.identity` gives it for the network's checkpoint.

    Raises:
        UsageError: there is no adapter, or it was trained on another base or for other shapes.
        DataError: the adapter is damaged.
        MissingError: peft is not installed.
    """
    adapter = read_adapter(path.expanduser())
    _check_base(adapter, base_identity)
    _check_shapes(adapter, module)
    config = _config(adapter)
    if scale == 0:
        return module
    from peft import inject_adapter_in_model, set_peft_model_state_dict
    from peft.tuners.lora import LoraLayer

    inject_adapter_in_model(config, module)
    set_peft_model_state_dict(module, _peft_weights(adapter))
    for part in module.modules():
        if isinstance(part, LoraLayer):
            part.set_scale("default", scale)
    return module.eval().requires_grad_(False)


def _check_base(adapter: AdapterFile, base: Mapping[str, str]) -> None:
    """Compare what the adapter says of its base with the base, where both can be known."""
    named = adapter.base
    if named is None:
        return
    folder = Path(named).expanduser()
    try:
        if folder.is_dir() and "weights" in base:
            whole = folder if (folder / "model_index.json").is_file() else folder.parent
            known = folder if not (whole / "model_index.json").is_file() else whole
            other = checkpoint.identity(str(known), None)["weights"] != base["weights"]
        elif "repo" in base and not folder.exists():
            other = bool(_HUB_ID.fullmatch(named)) and named != base["repo"]
        else:
            return
    except TunebenchError:
        return
    if other:
        raise UsageError(
            f"adapter '{adapter.path}' was trained on '{named}', not on this checkpoint; give `checkpoint: {named}`"
        )


def _check_shapes(adapter: AdapterFile, module: torch.nn.Module) -> None:
    network = dict(module.named_modules())
    for name, layer in adapter.layers.items():
        target = network.get(name)
        weight = getattr(target, "weight", None)
        if weight is None:
            raise UsageError(
                f"adapter '{adapter.path}' does not fit: {type(module).__name__} has no layer '{name}'; "
                "it was trained on another architecture"
            )
        assert layer.up is not None and layer.down is not None
        given, wanted = (layer.up.shape[0], *layer.down.shape[1:]), tuple(weight.shape)
        if given != wanted:
            raise UsageError(
                f"adapter '{adapter.path}' does not fit: layer '{name}' is {_size(wanted)} here and {_size(given)} in "
                "the adapter; it was trained on a model of another size"
            )


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _config(adapter: AdapterFile) -> Any:
    """The adapter's settings for peft, spelt out for each layer.

    Raises:
        UsageError: a rank is not the one that the settings name.
        MissingError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingError("peft is not installed: pip install 'tunebench[diffusion]'") from None
    known = {field.name for field in fields(LoraConfig)}
    settings = {key: value for key, value in adapter.settings.items() if key in known}
    saved = LoraConfig(**settings) if "r" in settings else None
    ranks = {name: _rank(layer) for name, layer in adapter.layers.items()}
    if saved is not None:
        for name, rank in ranks.items():
            if rank != (promised := _matching(saved.rank_pattern, name, saved.r)):
                raise UsageError(
                    f"adapter '{adapter.path}': layer '{name}' has rank {rank}, but its settings say {promised}"
                )
    alphas = {
        name: layer.alpha
        if layer.alpha is not None
        else _matching(saved.alpha_pattern, name, saved.lora_alpha)
        if saved
        else ranks[name]
        for name, layer in adapter.layers.items()
    }
    return LoraConfig(
        r=max(ranks.values()),
        lora_alpha=1,
        target_modules=list(ranks),
        rank_pattern={f"^{re.escape(name)}": rank for name, rank in ranks.items()},
        alpha_pattern={f"^{re.escape(name)}": alpha for name, alpha in alphas.items()},
        use_rslora=bool(saved and saved.use_rslora),
        use_dora=any(layer.magnitude is not None for layer in adapter.layers.values()),
        lora_dropout=0.0,
        inference_mode=True,
    )


def _rank(layer: Layer) -> int:
    assert layer.down is not None
    return int(layer.down.shape[0])


def _matching(pattern: Mapping[str, Any] | None, name: str, otherwise: Any) -> Any:
    """The setting of one layer; a pattern names the end of layers' names, as in peft."""
    for key, value in (pattern or {}).items():
        if re.search(rf"(^|\.){key.removeprefix('^')}$" if not key.startswith("^") else rf"{key}$", name):
            return value
    return otherwise


def _peft_weights(adapter: AdapterFile) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for name, layer in adapter.layers.items():
        assert layer.up is not None and layer.down is not None
        weights[f"{name}.lora_A.weight"] = layer.down.float()
        weights[f"{name}.lora_B.weight"] = layer.up.float()
        if layer.magnitude is not None:
            weights[f"{name}.lora_magnitude_vector"] = layer.magnitude.float().flatten()
    return weights
