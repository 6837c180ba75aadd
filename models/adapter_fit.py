"""An adapter's file against a network: every layer found, every shape and setting checked, nothing changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, MissingError, UsageError
from models import base_checkpoint
from models.adapter_files import AdapterFile, Layer
from models.adapter_names import LayerNames, Match, Place
from models.hub import HUB_ID
from models.piece_order import reordered
from models.shipped import local_path
from models.size_mismatch import size_mismatch

if TYPE_CHECKING:
    import torch

    from models.kronecker import KroneckerFactors

_PEFT_WRAPPER = re.compile(r"^(base_model\.model\.|module\.|_orig_mod\.)*")


@dataclass(frozen=True)
class Fitted:
    """What LoRA does to one layer of a network: its factors, and the α that was meant.

    ``factors`` has its magnitude as a vector of the outputs.
    """

    part: str
    name: str
    factors: Layer
    alpha: float
    rslora: bool

    @property
    def is_dora(self) -> bool:
        """Whether the weight's direction and magnitude are separate."""
        return self.factors.magnitude is not None


def fit(adapter: AdapterFile, parts: Mapping[str, torch.nn.Module], base: Mapping[str, str]) -> list[Fitted]:
    """Find the layer of each pair of factors, and check everything that could change their meaning.

    Args:
        adapter: as it was read.
        parts: of the model, by name; the first is the one that adapters are for.
        base: as `models.base_checkpoint.identity` gives it for the network's checkpoint.

    Returns:
        What is inserted: one for each layer of the model that the adapter changes.

    Raises:
        UsageError: it was trained on another base or for other shapes, or lacks layers that its settings name.
        DataError: its settings are invalid.
        MissingError: peft is not installed.
    """
    _check_base(adapter, base)
    _check_network(adapter, next(iter(parts.values())))
    names = LayerNames(parts)
    matches = {name: _found(adapter, names, name, parts) for name in adapter.layers}
    fitted: dict[tuple[str, str], Fitted] = {}
    for name, match in matches.items():
        settings = adapter.settings_of(match.part)
        for place in match.places:
            one = _fitted(adapter, name, place, names.layer(place), settings)
            if (one.part, one.name) in fitted:
                raise UsageError(f"adapter '{adapter.path}' has two pairs of factors for layer '{one.name}'")
            fitted[one.part, one.name] = one
    _check_dora(adapter, matches)
    _check_none_absent(adapter, names, matches, fitted)
    _check_rest(adapter, names)
    return list(fitted.values())


def fit_kronecker(adapter: AdapterFile, parts: Mapping[str, torch.nn.Module]) -> list[tuple[Place, KroneckerFactors]]:
    """Find the layer of each pair of LoKr's factors, as `fit` does for LoRA.

    Args:
        adapter: as it was read.
        parts: of the model, by name.

    Returns:
        Each layer's place, and its factors in the shape of the layer's weight; empty if there is no LoKr.

    Raises:
        UsageError: it was trained for other shapes, or has factors for a layer that does not exist.
    """
    if not adapter.kronecker:
        return []
    from models.kronecker import fitted

    names = LayerNames(parts)
    found: dict[tuple[str, str], tuple[Place, KroneckerFactors]] = {}
    for name, factors in adapter.kronecker.items():
        for place in _found(adapter, names, name, parts).places:
            if (place.part, place.layer) in found:
                raise UsageError(f"adapter '{adapter.path}' has two pairs of factors for layer '{place.layer}'")
            own = fitted(adapter.path, name, factors, names.layer(place), place.piece)
            found[place.part, place.layer] = (place, own)
    return list(found.values())


def _found(adapter: AdapterFile, names: LayerNames, name: str, parts: Mapping[str, torch.nn.Module]) -> Match:
    if match := names.find(name):
        return match
    part = names.part_of(name)
    if part not in parts:
        raise UsageError(
            f"adapter '{adapter.path}' changes the part {part} too (its layer '{name}'), which is not adapted here; "
            "take the layers of that part out of the file, or use a model that has it"
        )
    raise UsageError(
        f"adapter '{adapter.path}' does not fit: {type(parts[part]).__name__} has no layer '{name}' under any of "
        "the names that known trainers give it; it was trained on another architecture, or by an unknown tool"
    )


def _check_base(adapter: AdapterFile, base: Mapping[str, str]) -> None:
    """Compare the base that the adapter names with the given one, where both are known."""
    named = adapter.base
    if named is None:
        return
    try:
        folder = local_path(named)
        here = folder.is_dir()
    except (OSError, RuntimeError, ValueError):  # not a possible name of a folder
        here = False
    if here:
        # peft records the folder of the network itself, which is a part of a pipeline's folder.
        whole = folder.parent if (folder.parent / "model_index.json").is_file() else folder
        other = base.get("weights", "") not in ("", base_checkpoint.identity(str(whole), None)["weights"])
    else:
        other = bool(HUB_ID.fullmatch(named)) and base.get("repo", named) != named
    if other:
        raise UsageError(
            f"adapter '{adapter.path}' was trained on '{named}', not on this checkpoint; give `checkpoint: {named}`"
        )


def _check_network(adapter: AdapterFile, network: torch.nn.Module) -> None:
    """Refuse a format that belongs to one architecture for any other, however similar their layers' names are."""
    if adapter.network not in (None, type(network).__name__):
        raise UsageError(
            f"adapter '{adapter.path}' is in the format of Stable Audio 3's trainer, which a {type(network).__name__} "
            "cannot load; use the model 'stable-audio-3' with the checkpoint that it was trained on"
        )


def _fitted(
    adapter: AdapterFile, name: str, place: Place, target: torch.nn.Module, settings: Mapping[str, Any]
) -> Fitted:
    """Return one layer's factors, with rank and α from the settings.

    Raises:
        UsageError: they are of another shape or rank.
    """
    whole = adapter.layers[name]
    factors = _cut(adapter, name, whole, place, target)
    key = _PEFT_WRAPPER.sub("", name)
    promised = _matching(settings.get("rank_pattern"), key, settings.get("r"))
    if promised is not None and promised != whole.rank:
        raise UsageError(
            f"adapter '{adapter.path}': layer '{name}' has rank {whole.rank}, but its settings say {promised}"
        )
    untold = adapter.default_alpha is None or (adapter.settings and not settings)
    without = settings.get("lora_alpha", whole.rank if untold else adapter.default_alpha)
    alpha = _matching(settings.get("alpha_pattern"), key, without) if whole.alpha is None else whole.alpha
    return Fitted(place.part, place.layer, factors, float(alpha), bool(settings.get("use_rslora")))


def _cut(adapter: AdapterFile, name: str, layer: Layer, place: Place, target: Any) -> Layer:
    """Return the factors of one layer of the network, which may be a piece of a fused one in the file."""
    number, count = place.piece
    assert layer.up is not None and layer.down is not None
    wanted, kind = tuple(target.weight.shape), type(target).__name__
    if kind == "Conv1D":  # a linear layer of GPT-2, which holds its weight transposed
        wanted = wanted[::-1]
    is_table = kind == "Embedding"
    outputs = layer.up.shape[0]
    down, up = (_kernel(factor, len(wanted)) for factor in (layer.down, layer.up))
    given = (down.shape[1], outputs // count) if is_table else (outputs // count, *down.shape[1:])
    if is_table != layer.embedding:
        raise UsageError(
            f"adapter '{adapter.path}' does not fit: layer '{name}' is {'an' if is_table else 'not an'} embedding "
            f"here, but {'one' if layer.embedding else 'not'} in the adapter; it was trained on another architecture"
        )
    if given != wanted or outputs % count or any(size != 1 for size in up.shape[2:]):
        here = (wanted[0] * count, *wanted[1:])
        given = (outputs, *layer.down.shape[1:])
        raise size_mismatch(adapter.path, name, here, given)
    magnitude = layer.magnitude
    if magnitude is not None and magnitude.numel() != outputs:
        raise UsageError(
            f"adapter '{adapter.path}': layer '{name}' has {magnitude.numel()} magnitudes for {outputs} outputs; only "
            "DoRA with one magnitude an output is read"
        )
    cut = None if magnitude is None else reordered(magnitude.flatten().chunk(count)[number], place.order)
    return replace(layer, down=down, up=reordered(up.chunk(count)[number], place.order), magnitude=cut)


def _kernel(factor: torch.Tensor, dimensions: int) -> torch.Tensor:
    """Return a factor with as many dimensions as the weight: a matrix is a kernel of width 1, and the reverse."""
    while factor.ndim > max(dimensions, 2) and factor.shape[-1] == 1:
        factor = factor[..., 0]
    return factor.reshape(*factor.shape, *[1] * (dimensions - factor.ndim))


def _check_dora(adapter: AdapterFile, matches: Mapping[str, Match]) -> None:
    """Check that settings and magnitudes agree: peft itself draws, or drops, what one of them lacks."""
    for name, match in matches.items():
        settings = adapter.settings_of(match.part)
        has = adapter.layers[name].magnitude is not None
        if settings and has != bool(settings.get("use_dora")):
            raise DataError(
                f"adapter '{adapter.path}' has DoRA magnitudes, such as of layer '{name}', but its settings do not set "
                "use_dora; set it there if the adapter was trained with DoRA"
                if has
                else f"adapter '{adapter.path}' says use_dora, but has no magnitudes of layer '{name}'; it is "
                "incomplete, copy it again from its training"
            )


def _check_none_absent(
    adapter: AdapterFile, names: LayerNames, matches: Mapping[str, Match], fitted: Mapping[tuple[str, str], Fitted]
) -> None:
    """Refuse a file that lacks layers that its settings name: the training changed them."""
    ways = {(match.part, match.naming, match.wrapper): match for match in matches.values()}
    absent: dict[str, None] = {}
    for match in ways.values():
        settings = adapter.settings_of(match.part)
        for name, place, module in names.siblings(match) if settings.get("target_modules") else ():
            if (place.part, place.layer) not in fitted and _is_target(settings, _PEFT_WRAPPER.sub("", name), module):
                absent[place.layer] = None
    if absent:
        raise DataError(
            f"adapter '{adapter.path}' lacks layers that its settings name, {len(absent)} of them, such as "
            f"'{next(iter(absent))}'; it is incomplete, copy it again from its training"
        )


def _is_target(settings: Mapping[str, Any], key: str, module: torch.nn.Module) -> bool:
    """Return whether peft would put factors beside this layer."""
    from peft import LoraConfig
    from peft.tuners.tuners_utils import check_target_module_exists

    kind = type(module).__name__
    if settings["target_modules"] == "all-linear":
        return kind == "Linear" and "lm_head" not in key
    if kind not in ("Linear", "Conv1D", "Conv1d", "Conv2d", "Conv3d", "Embedding"):
        return False
    chosen = {
        name: settings.get(name)
        for name in ("target_modules", "exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern")
    }
    try:
        found: Any = check_target_module_exists(LoraConfig(**chosen), key)
    except (ValueError, TypeError, re.error):  # settings that peft itself refuses say nothing
        return False
    return bool(found) and type(found).__name__ != "_ExcludedModule"


def _check_rest(adapter: AdapterFile, names: LayerNames) -> None:
    """Check that the base has what a file holds beside the factors."""
    for key, value in adapter.rest.items():
        own = names.weight(key)
        if own is None:
            raise UsageError(f"adapter '{adapter.path}' holds weights that are not LoRA, such as '{key[:200]}'")
        value = value.to(own.device)
        if own.shape != value.shape or not (own.to(value.dtype).equal(value) or value.to(own.dtype).equal(own)):
            raise UsageError(
                f"adapter '{adapter.path}' holds weights of its own beside LoRA, '{key[:200]}', which are not those of "
                "this checkpoint: it was trained on another base, or trained these too, which is not supported"
            )


def _matching(pattern: Mapping[str, Any] | None, name: str, otherwise: Any) -> Any:
    """Return the setting of one layer, where a pattern has one for it."""
    if not pattern:
        return otherwise
    try:
        from peft.utils.other import get_pattern_key
    except ImportError:
        raise MissingError("peft is not installed: pip install 'tunebench[diffusion]'") from None
    return pattern.get(get_pattern_key(list(pattern), name), otherwise)


def in_order(fitted: Mapping[int, list[Fitted]]) -> Iterator[tuple[int, str, list[Fitted]]]:
    """Yield the layers of several adapters in the groups that peft takes at once: those with magnitudes come first.

    peft scales the output of the layers before by a magnitude, so that a DoRA comes before what is added to it.

    Yields:
        The adapter's number, the part, and its layers there.

    Raises:
        UsageError: two adapters have magnitudes of one layer.
    """
    every = [one for layers in fitted.values() for one in layers if one.is_dora]
    if len({(one.part, one.name) for one in every}) < len(every):
        raise UsageError("two adapters with DoRA magnitudes of the same layers do not add up; merge one into the base")
    for dora in (True, False):
        for number, layers in fitted.items():
            chosen = [one for one in layers if one.is_dora is dora]
            for part in dict.fromkeys(one.part for one in chosen):
                yield number, part, [one for one in chosen if one.part == part]
