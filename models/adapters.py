"""LoRA adapters on top of a network: checked against it, then put in.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import MissingError, UsageError
from bench.weights_file import hash_weights
from models import base_checkpoint
from models.adapter_files import CONFIG, AdapterFile, Layer, read_adapter, weight_file
from models.hub import HUB_ID

if TYPE_CHECKING:
    import torch

Module = TypeVar("Module", bound="torch.nn.Module")


def identity(path: Path) -> dict[str, str]:
    """What identifies an adapter: the hash of its weights and, in peft's format, of its configuration. Needs no torch.

    Raises:
        UsageError: there is no adapter.
        DataError: one of its files cannot be read.
    """
    file = weight_file(path.expanduser())
    found = {"weights": hash_weights(file)}
    config = file.parent / CONFIG
    if file.name.startswith("adapter_model") and config.exists():
        found["config"] = hash_weights(config)
    return found


def load_adapter(module: Module, path: Path, scale: float, base_identity: Mapping[str, str]) -> Module:
    """Put an adapter into a network, in place, and return the network.

    The factors stay apart from the weights, in float32 even where the network computes in half precision. Everything
    is checked before anything is changed; with scale 0 nothing is changed at all.

    Args:
        module: the network that the adapter was trained on: a transformer, a UNet, a decoder.
        path: the adapter's folder or file, as `models.adapter_files.read_adapter` reads it.
        scale: factor on the adapter's contribution, beside its own α/rank; 1 is as trained.
        base_identity: as `models.base_checkpoint.identity` gives it for the network's checkpoint.

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
    for name, weight in module.named_parameters():
        if ".lora_" in name:
            weight.data = weight.data.float()
    outcome = set_peft_model_state_dict(module, _peft_weights(adapter))
    if outcome.unexpected_keys:
        raise UsageError(f"adapter '{path}': peft has no place for '{outcome.unexpected_keys[0]}'")
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
    if folder.is_dir():
        # peft notes the folder of the network itself, which in a pipeline's folder is a part.
        whole = folder.parent if (folder.parent / "model_index.json").is_file() else folder
        other = base.get("weights", "") not in ("", base_checkpoint.identity(str(whole), None)["weights"])
    else:
        other = bool(HUB_ID.fullmatch(named)) and base.get("repo", named) != named
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
    settings = adapter.settings
    ranks, alphas = {}, {}
    for name, layer in adapter.layers.items():
        rank = ranks[name] = _rank(layer)
        promised = _matching(settings.get("rank_pattern"), name, settings.get("r", rank))
        if rank != promised:
            raise UsageError(
                f"adapter '{adapter.path}': layer '{name}' has rank {rank}, but its settings say {promised}"
            )
        saved = _matching(settings.get("alpha_pattern"), name, settings.get("lora_alpha", rank))
        alphas[name] = saved if layer.alpha is None else layer.alpha
    return LoraConfig(
        r=max(ranks.values()),
        target_modules=list(ranks),
        rank_pattern={f"^{re.escape(name)}": rank for name, rank in ranks.items()},
        alpha_pattern={f"^{re.escape(name)}": alpha for name, alpha in alphas.items()},
        use_rslora=bool(settings.get("use_rslora")),
        use_dora=any(layer.magnitude is not None for layer in adapter.layers.values()),
        lora_dropout=0.0,
        inference_mode=True,
    )


def _rank(layer: Layer) -> int:
    assert layer.down is not None
    return int(layer.down.shape[0])


def _matching(pattern: Mapping[str, Any] | None, name: str, otherwise: Any) -> Any:
    """The setting of one layer, where a pattern has one for it."""
    from peft.utils.other import get_pattern_key

    return (pattern or {}).get(get_pattern_key(list(pattern or ()), name), otherwise)


def _peft_weights(adapter: AdapterFile) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for name, layer in adapter.layers.items():
        assert layer.up is not None and layer.down is not None
        weights[f"{name}.lora_A.weight"] = layer.down.float()
        weights[f"{name}.lora_B.weight"] = layer.up.float()
        if layer.magnitude is not None:
            weights[f"{name}.lora_magnitude_vector"] = layer.magnitude.float().flatten()
    return weights
