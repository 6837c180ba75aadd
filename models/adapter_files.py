"""Read LoRA files of every format that trainers of these models write: the factors of each layer, by its name there.

`models.adapter_names` says which layer of a network a name means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, UsageError
from bench.file_names import looked_for
from bench.weights_file import load_weights, read_object
from models import stable_audio_3_adapter
from models.adapter_names import FORMATS, LORAW, OTHER_KINDS, OTHER_PARTS, STABLE_AUDIO_3, Factors
from models.adapter_settings import check_settings
from models.stable_audio_3_adapter import OwnSettings, own_alpha, own_settings

if TYPE_CHECKING:
    import torch

    from models.kronecker import KroneckerFactors

# In the order in which a folder is searched: peft's, diffusers', and what accelerate saves of a whole training.
NAMES = (
    "adapter_model.safetensors",
    "pytorch_lora_weights.safetensors",
    "adapter_model.bin",
    "pytorch_lora_weights.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
CONFIG = "adapter_config.json"
PEFT_ALPHA = 8.0  # of peft's LoraConfig, where nothing else is set
_STATE = re.compile(r"(pytorch_)?model\.(safetensors|bin)")
_ENDINGS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth")


_ALPHA = re.compile(r"(?P<layer>.+?)(?:\.lora)?\.alpha")
_PATTERNS = [
    (re.compile(rf"(?P<layer>.+?)(?:{ending})"), row, role)
    for row in FORMATS
    for role, ending in (("down", row.down), ("up", row.up), ("magnitude", row.magnitude), ("ignored", row.ignored))
]


@dataclass
class Layer:
    """What LoRA adds to one linear layer, convolution or embedding: α/rank · up · down.

    Attributes:
        down: shape (rank, inputs) or (rank, inputs, *kernel).
        up: shape (outputs, rank) or (outputs, rank, 1, …).
        magnitude: shape (outputs,), only of weight-decomposed adapters (DoRA).
        alpha: α, or None where the file leaves it to ``settings``.
        scales_bias: whether a magnitude scales the layer's bias as it does its weight.
        embedding: whether it belongs to an embedding, a table of shape (inputs, outputs).
    """

    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None
    alpha: float | None = None
    scales_bias: bool = False
    embedding: bool = False

    @property
    def rank(self) -> int:
        """Width between the two factors."""
        assert self.down is not None
        return int(self.down.shape[0])


@dataclass
class AdapterFile:
    """An adapter as it was saved.

    Attributes:
        path: its folder or file.
        layers: by their names in the file.
        kronecker: factors of LoKr, by the same names.
        settings: in peft's words; empty where the file has none.
        of_parts: those of further parts, where a pipeline's file keeps them separate; None where it does not.
        rest: what else the file holds, such as weights that were trained together with LoRA.
        default_alpha: α of a layer that has none in the file; None for its rank.
        assumed_alpha: whether that is a guess, because the trainer used an α and did not save it.
        network: class of the only network that it can be for; None where names and shapes decide.
    """

    path: Path
    layers: dict[str, Layer]
    settings: Mapping[str, Any] = field(default_factory=dict)
    of_parts: Mapping[str, Mapping[str, Any]] | None = None
    rest: Mapping[str, torch.Tensor] = field(default_factory=dict)
    default_alpha: float | None = None
    assumed_alpha: bool = False
    kronecker: Mapping[str, KroneckerFactors] = field(default_factory=dict)
    network: str | None = None

    @property
    def base(self) -> str | None:
        """Hub id or folder of the model it was trained on, where the file says it."""
        return self.settings.get("base_model_name_or_path") or None

    def settings_of(self, part: str) -> Mapping[str, Any]:
        """Return the settings of a part of the model, such as ``text_encoder``."""
        if self.of_parts is None or part not in OTHER_PARTS.values():
            return self.settings
        return self.of_parts.get(part, {})

    @property
    def changes_nothing(self) -> bool:
        """Whether it leaves a network unchanged, whatever the scale: all its products are 0."""
        return all(
            layer.magnitude is None
            and (layer.alpha == 0 or any(f is not None and not f.any() for f in (layer.up, layer.down)))
            for layer in self.layers.values()
        ) and not any(one.factor and one.left.any() and one.right.any() for one in self.kronecker.values())


def weight_file(path: Path) -> Path:
    """Return the file that holds the weights of an adapter, given as a folder or as the file itself.

    Raises:
        UsageError: there is none, none in a supported format, or several.
    """
    if not path.exists():
        raise UsageError(
            f"adapter '{path}' does not exist{looked_for(path)}; give the folder or file that the training wrote"
        )
    if not path.is_dir():
        if path.suffix not in _ENDINGS:
            raise UsageError(f"adapter '{path}' must be a .safetensors, .bin or .ckpt file, or a folder with one")
        return path
    found = [path / name for name in NAMES if (path / name).exists()][:1]
    if found and _STATE.fullmatch(found[0].name):
        found += sorted(path.glob(f"{found[0].stem}_[0-9]*{found[0].suffix}"))  # accelerate's, of further networks
    for ending in _ENDINGS if not found else ():
        found = found or sorted(path.glob(f"*{ending}"))
    if len(found) != 1:
        what = (
            f"holds {len(found)} files of weights; name one" if found else f"holds none of {', '.join(NAMES)}, *.ckpt"
        )
        raise UsageError(f"adapter '{path}' {what}")
    return found[0]


def config_file(file: Path) -> Path | None:
    """Return peft's configuration beside an adapter's file of weights, if there is one."""
    config = file.parent / CONFIG
    peft = any((file.parent / name).exists() for name in NAMES if name.startswith("adapter_model"))
    return config if config.exists() and (file.name.startswith("adapter_model") or not peft) else None


def read_adapter(path: Path) -> AdapterFile:
    """Read an adapter in any of `FORMATS`. Pickles are read as weights only.

    LoRAW does not save α, which is taken to be the rank, as in its example configuration; a training's state that
    accelerate saves has none either, and a file of peft without one means peft's default. kohya and diffusers mean
    the rank where they write none.

    Raises:
        UsageError: there is no such adapter, or it is neither LoRA nor LoKr.
        DataError: the file is damaged; the message names the tensor.
    """
    file = weight_file(path)
    tensors, metadata, own = _read_tensors(file)
    settings, of_parts = _split(_settings(file, metadata))
    for given in (settings, *(of_parts or {}).values()):
        check_settings(file, given)
    layers: dict[str, Layer] = {}
    rest: dict[str, torch.Tensor] = {}
    formats: set[str] = set()
    for key, value in tensors.items():
        _check_finite(path, key, value)
        if (row := _place(path, key, value, layers)) is None:
            rest[key] = value
        else:
            formats.add(row)
    kronecker, rest = _kronecker(path, rest, layers)
    refuse_others(path, rest)
    is_own = own is not None or STABLE_AUDIO_3.format in formats
    others = sorted({"LoKr"} if kronecker else formats - {STABLE_AUDIO_3.format})
    if is_own and others:
        raise UsageError(
            f"adapter '{path}' is in the format of Stable Audio 3's trainer and also holds names of another "
            f"({others[0]}); give each in a file of its own"
        )
    if not layers and not kronecker:
        such = f"weights that are not LoRA, such as '{next(iter(rest))}'" if rest else "no LoRA weights"
        raise UsageError(f"adapter '{path}' holds {such}")
    for name, layer in layers.items():
        down, up = layer.down, layer.up
        if down is None or up is None or min(down.ndim, up.ndim) < 2 or down.shape[0] != up.shape[1] or not len(down):
            raise DataError(f"adapter '{path}': the two factors of layer '{name}' do not match")
    if is_own:
        for name, layer in layers.items():
            layer.alpha = own_alpha(path, name, layer.rank, layer.magnitude, own)
        return AdapterFile(path, layers, rest=rest, assumed_alpha=own is None, network=stable_audio_3_adapter.NETWORK)
    by_peft = bool(settings) or bool(_STATE.fullmatch(file.name))
    alone = any(layer.alpha is None for layer in layers.values()) and "lora_alpha" not in settings
    assumed = alone and (by_peft or LORAW.format in formats)
    return AdapterFile(path, layers, settings, of_parts, rest, PEFT_ALPHA if by_peft else None, assumed, kronecker)


def _kronecker(
    path: Path, rest: dict[str, torch.Tensor], layers: dict[str, Layer]
) -> tuple[dict[str, KroneckerFactors], dict[str, torch.Tensor]]:
    """Return the factors of LoKr among the rest of a file, with the α that are stored among its layers."""
    if not any(".lokr_" in key for key in rest):
        return {}, rest
    from models.kronecker import take_kronecker

    found, left = take_kronecker(path, rest, {name: layer.alpha for name, layer in layers.items()})
    for name in found:
        layer = layers.pop(name, Layer())
        if layer.magnitude is not None:
            raise UsageError(f"adapter '{path}' holds LoKr with magnitudes, of layer '{name}'; only plain LoKr is read")
        if layer.down is not None or layer.up is not None:
            raise UsageError(f"adapter '{path}' holds both LoKr and LoRA of layer '{name}'")
    return found, left


def refuse_others(path: Path, tensors: Mapping[str, Any]) -> None:
    """Refuse names of other kinds of adapters, and say which kind it is.

    Raises:
        UsageError: a name is known to be another kind's.
    """
    for key in tensors:
        for mark, kind in OTHER_KINDS.items():
            if mark in key:
                raise UsageError(f"adapter '{path}' holds {kind}, such as '{key[:100]}'; LoRA, DoRA and LoKr are read")


def _read_tensors(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str], OwnSettings | None]:
    """Read the tensors, the header's texts, and the settings of Stable Audio 3's trainer if the file is one of its
    own."""
    import torch

    loaded, metadata = load_weights(file)
    told = metadata.get(stable_audio_3_adapter.CONFIG)
    if told is None and isinstance(loaded, dict) and not isinstance(loaded.get("lora_config"), torch.Tensor):
        told = loaded.get(stable_audio_3_adapter.CONFIG)
    own = None if told is None else own_settings(file, told)
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(loaded, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in loaded.items()
    ):
        raise DataError(f"adapter '{file}' is not a table of weights")
    if strange := next((key for key in loaded if not key.isprintable()), None):
        raise DataError(f"adapter '{file}' is damaged: it has a tensor named {strange!r:.100}")
    return loaded, metadata, own


def _settings(file: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    told = metadata.get("lora_adapter_metadata")
    config = config_file(file)
    if told is None and config is None:
        if file.name.startswith("adapter_model"):
            raise UsageError(f"adapter '{file}' has no {CONFIG} beside it; copy it from where it was trained")
        return {}
    try:
        settings: Any = read_object(config) if told is None and config else json.loads(told or "")
    except (ValueError, RecursionError) as error:
        raise DataError(f"adapter '{file}': its configuration is not a JSON object") from error
    if not isinstance(settings, dict):
        raise DataError(f"adapter '{file}': its configuration is not a table")
    return settings


def _split(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]] | None]:
    """Split the network's settings from those of further parts: a pipeline's file has them all, prefixed by the
    part."""
    parts: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        part, dot, name = key.partition(".")
        named = bool(dot) and part in {"unet", "transformer", *OTHER_PARTS.values()}
        parts.setdefault(part if named else "", {})[name if named else key] = value
    own = {**parts.pop("", {}), **parts.pop("unet", {}), **parts.pop("transformer", {})}
    return own, parts if any("." in key for key in settings) else None


def _check_finite(path: Path, key: str, value: torch.Tensor) -> None:
    """Raise DataError if a tensor, whether it is on a layer or not, holds a value that cannot be computed with."""
    if value.is_floating_point() and not bool(value.float().isfinite().all()):
        raise DataError(
            f"adapter '{path}': the tensor '{key[:200]}' holds NaN or infinity; its training went wrong, take an "
            "earlier checkpoint of it"
        )
    if not value.is_floating_point() and _matched(key) and not key.endswith("alpha"):
        raise DataError(f"adapter '{path}': the tensor '{key[:200]}' holds {value.dtype}, not floating-point numbers")


def _matched(key: str) -> bool:
    return any(pattern.fullmatch(key) for pattern, _, _ in _PATTERNS)


def _place(path: Path, key: str, value: torch.Tensor, layers: dict[str, Layer]) -> str | None:
    """Store a weight in its place and return its format; None if it has none."""
    for pattern, row, role in _PATTERNS:
        if match := pattern.fullmatch(key):
            layer = layers.setdefault(_name(match["layer"], row), Layer(scales_bias=row is LORAW))
            layer.embedding |= "embedding" in row.format
            of_inputs = value.ndim > 1 and value.shape[0] == 1 < value.shape[1]
            if role == "magnitude" and row.format.startswith("kohya") and of_inputs:
                raise UsageError(
                    f"adapter '{path}' has magnitudes of inputs ('{key[:100]}'), as LyCORIS wrote them once; only DoRA "
                    "with one magnitude an output is read"
                )
            if role != "ignored":
                if getattr(layer, role) is not None:
                    raise UsageError(f"adapter '{path}' has two tensors for one factor, one of them '{key[:200]}'")
                setattr(layer, role, value)
            return row.format
    if (match := _ALPHA.fullmatch(key)) and value.numel() == 1:
        layers.setdefault(match["layer"], Layer()).alpha = float(value)
        return "alpha"
    return None


def _name(written: str, row: Factors) -> str:
    """Return a layer's name with dots, since LoRAW writes it like a path."""
    return written.replace("/", ".") if row is LORAW else written
