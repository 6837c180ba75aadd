"""LoRA and LoKr adapters on top of a network: checked against it, then inserted.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; Liu et al., "DoRA: Weight-Decomposed
Low-Rank Adaptation", ICML 2024.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import MissingError
from bench.weights_file import hash_weights, read_object
from models.adapter_files import PEFT_ALPHA, config_file, read_adapter, weight_file
from models.adapter_fit import Fitted, fit, fit_kronecker, in_order

if TYPE_CHECKING:
    import torch

    from models.kronecker import KroneckerFactors

Module = TypeVar("Module", bound="torch.nn.Module")


def identity(path: Path) -> dict[str, Any]:
    """Return what identifies an adapter: the hash of its weights and, in peft's format, of its configuration.

    An α that the configuration does not state is part of it, since tunebench assumes it. Needs no torch.

    Raises:
        UsageError: there is no adapter.
        DataError: one of its files cannot be read.
    """
    file = weight_file(path.expanduser())
    found: dict[str, Any] = {"weights": hash_weights(file)}
    if config := config_file(file):
        found["config"] = hash_weights(config)
        if "lora_alpha" not in read_object(config):
            found["alpha"] = PEFT_ALPHA
    return found


def load_adapter(
    module: Module,
    path: Path,
    scale: float,
    base_identity: Mapping[str, str],
    beside: Mapping[str, torch.nn.Module] | None = None,
) -> Module:
    """Put one adapter into a network, in place, and return the network; see `load_adapters`.

    Args:
        module: the network that the adapter was trained on: a transformer, a UNet, a decoder.
        path: the adapter's folder or file.
        scale: factor on the adapter's contribution, beside its own α/rank; 1 is as trained.
        base_identity: as `models.base_checkpoint.identity` gives it for the network's checkpoint.
        beside: other parts of the model that the adapter may change, such as ``text_encoder``, by their names.
    """
    load_adapters({"network": module, **(beside or {})}, [(path, scale)], base_identity)
    return module


def load_adapters(
    parts: Mapping[str, torch.nn.Module], adapters: Sequence[tuple[Path, float]], base_identity: Mapping[str, str]
) -> None:
    """Put adapters into the parts of a model, in place: their contributions add up.

    The factors stay apart from the weights, in float32 even where the network computes in half precision. Everything
    is checked before anything is changed; an adapter of scale 0 changes nothing at all.

    Args:
        parts: of the model, by name; the first is the network that adapters are for, whatever they call it.
        adapters: folder or file, as `models.adapter_files.read_adapter` reads it, with the factor on its contribution.
        base_identity: as `models.base_checkpoint.identity` gives it for the checkpoint.

    Raises:
        UsageError: there is no adapter, or it was trained on another base or for other shapes.
        DataError: an adapter is damaged.
        MissingError: peft is not installed.
    """
    try:
        import peft  # noqa: F401
    except ImportError:
        raise MissingError("peft is not installed: pip install 'tunebench[diffusion]'") from None
    fitted, products = {}, []
    for number, (path, scale) in enumerate(adapters):
        adapter = read_adapter(path.expanduser())
        layers, own = fit(adapter, parts, base_identity), fit_kronecker(adapter, parts)
        if scale != 0:
            fitted[number] = layers
            products += [(place, factors, scale) for place, factors in own]
    active: dict[str, list[str]] = {}
    for number, part, chosen in list(in_order(fitted)):
        names = active.setdefault(part, [])
        names.append(f"adapter_{len(names)}" if names else "default")
        _inject(parts[part], names[-1], chosen, adapters[number][1])
    for part, names in active.items():
        _activate(parts[part], names)
    for place, factors, scale in products:  # last, since a DoRA scales everything that is in a layer before it
        _add_product(parts[place.part], place.layer, factors, scale)


def _add_product(module: torch.nn.Module, name: str, factors: KroneckerFactors, scale: float) -> None:
    from models.kronecker import KroneckerLayer

    layer = module.get_submodule(name)
    if not isinstance(layer, KroneckerLayer):
        layer = KroneckerLayer(layer).eval()
        module.set_submodule(name, layer)
    layer.add(factors, scale)


def _inject(module: torch.nn.Module, name: str, layers: Sequence[Fitted], scale: float) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    ranks = {one.name: one.factors.rank for one in layers}
    config = LoraConfig(
        r=max(ranks.values()),
        target_modules="|".join(re.escape(layer) for layer in ranks),
        rank_pattern={f"^{re.escape(layer)}": rank for layer, rank in ranks.items()},
        alpha_pattern={f"^{re.escape(one.name)}": one.alpha for one in layers},
        use_rslora=layers[0].rslora,
        use_dora=layers[0].is_dora,
        lora_dropout=0.0,
        inference_mode=True,
    )
    with warnings.catch_warnings():
        # peft warns that there are several adapters, and that it inspects layers to see how their weights are stored.
        warnings.simplefilter("ignore")
        inject_adapter_in_model(config, module, adapter_name=name)
    for one in layers:
        target: Any = module.get_submodule(one.name)
        _fill(target, name, one)
        target.set_scale(name, scale)
        if one.factors.scales_bias and one.is_dora:
            _scale_bias(target, one)
        if one.is_dora:
            _keep_empty_rows(target, name, one, scale)


def _fill(target: Any, name: str, one: Fitted) -> None:
    """Give the factors of a layer their values, in float32 and where the layer is."""
    factors = one.factors
    assert factors.down is not None and factors.up is not None
    if factors.embedding:
        target.lora_embedding_A[name].data = factors.down.float().to(target.weight.device)
        target.lora_embedding_B[name].data = factors.up.float().to(target.weight.device)
    else:
        target.lora_A[name].weight.data = factors.down.float().to(target.weight.device)
        target.lora_B[name].weight.data = factors.up.float().to(target.weight.device)
    if factors.magnitude is not None:
        own = target.lora_magnitude_vector[name].weight
        own.data = factors.magnitude.float().to(own.device).reshape(own.shape)


def _keep_empty_rows(target: Any, name: str, one: Fitted, scale: float) -> None:
    """Keep outputs whose weights are all 0, which have no direction, at 0: peft divides by their norm.

    Trainers add a small number to the norm, so that such a row of the sum stays 0 whatever its magnitude.
    """
    import torch

    factors, weight = one.factors, target.get_base_layer().weight
    assert factors.down is not None and factors.up is not None
    strength = scale * one.alpha / (factors.rank**0.5 if one.rslora else factors.rank)
    product = factors.up.float().flatten(1) @ factors.down.float().flatten(1)
    own = weight.float().flatten(1).cpu()
    if own.shape != product.shape:  # a table, or a matrix that is stored transposed
        return
    empty = (torch.linalg.norm(own + strength * product, dim=1) == 0).to(weight.device)
    if not bool(empty.any()):
        return
    weight.data[empty] = torch.finfo(weight.dtype).tiny ** 0.25
    magnitude = target.lora_magnitude_vector[name].weight
    magnitude.data[empty.reshape(magnitude.shape)] = 0.0


def _scale_bias(target: Any, one: Fitted) -> None:
    """Scale a layer's bias too: LoRAW multiplies the whole output by magnitude / norm, peft all but the bias."""
    import torch

    base = target.get_base_layer()
    if base.bias is None:
        return
    factors = one.factors
    assert factors.down is not None and factors.up is not None and factors.magnitude is not None
    product = factors.up.float().flatten(1) @ factors.down.float().flatten(1)
    changed = base.weight.float().flatten(1).cpu() + one.alpha / factors.rank * product
    gain = factors.magnitude.float() / torch.linalg.norm(changed, dim=1)
    base.bias.data = (base.bias.float() * gain.to(base.bias.device)).to(base.bias.dtype)


def _activate(module: torch.nn.Module, names: Sequence[str]) -> None:
    from peft.tuners.lora import LoraLayer

    for part in module.modules():
        if isinstance(part, LoraLayer):
            part.set_adapter(list(names))
    module.eval().requires_grad_(False)
