"""LoRA files of every format that trainers of these models write → the factors of each layer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, UsageError
from bench.weights_file import load_weights, read_object

if TYPE_CHECKING:
    import torch

# In the order in which a folder is searched.
NAMES = (
    "adapter_model.safetensors",
    "pytorch_lora_weights.safetensors",
    "adapter_model.bin",
    "pytorch_lora_weights.bin",
)
CONFIG = "adapter_config.json"

_PREFIX = re.compile(r"^(base_model\.model\.|unet\.|transformer\.(?=transformer_blocks))")
_FACTORS = (
    re.compile(r"(?P<layer>.+)\.lora_(?P<factor>[AB])(?:\.default)?\.weight"),  # peft; diffusers since 0.26
    re.compile(r"(?P<layer>.+)\.lora\.(?P<factor>down|up)\.weight"),  # diffusers before
    re.compile(r"(?P<layer>.+)\.processor\.(?P<leaf>to_[a-z]+)_lora\.(?P<factor>down|up)\.weight"),  # and before 0.18
    re.compile(r"(?P<layer>.+)/lora_(?P<factor>down|up)\.weight"),  # LoRAW
)
_MAGNITUDE = re.compile(r"(?P<layer>.+)\.lora_magnitude_vector(?:\.default)?(?:\.weight)?")
_ALPHA = re.compile(r"(?P<layer>.+)\.alpha")


@dataclass
class Layer:
    """What LoRA adds to one linear layer or convolution: α/rank · up · down.

    Attributes:
        down: shape (rank, inputs) or (rank, inputs, *kernel).
        up: shape (outputs, rank) or (outputs, rank, 1, …).
        magnitude: shape (outputs,), only of weight-decomposed adapters (DoRA).
        alpha: α, or None where the file leaves it to ``settings``.
    """

    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None
    alpha: float | None = None


@dataclass
class AdapterFile:
    """An adapter as it was saved: its layers by their names in the network, and its settings in peft's words."""

    path: Path
    layers: dict[str, Layer]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str | None:
        """Hub id or folder of the model it was trained on, where the file tells."""
        return self.settings.get("base_model_name_or_path") or None


def weight_file(path: Path) -> Path:
    """The file that holds the weights of an adapter, given as a folder or as the file itself.

    Raises:
        UsageError: there is none, or none of a format that is read.
    """
    if not path.exists():
        raise UsageError(f"adapter '{path}' does not exist; give the folder or file that the training wrote")
    if not path.is_dir():
        if path.suffix not in (".safetensors", ".bin", ".ckpt"):
            raise UsageError(f"adapter '{path}': a .safetensors, .bin or .ckpt file, or a folder with one, is needed")
        return path
    found = [path / name for name in NAMES if (path / name).exists()] or sorted(path.glob("*.ckpt"))
    if not found or (found[0].suffix == ".ckpt" and len(found) > 1):
        problem = f"holds {len(found)} .ckpt files, name one" if found else f"holds none of {', '.join(NAMES)}, *.ckpt"
        raise UsageError(f"adapter '{path}' {problem}")
    return found[0]


def read_adapter(path: Path) -> AdapterFile:
    """Read an adapter: peft's folder, a diffusers file, or LoRAW's checkpoint. Pickles are read as weights only.

    LoRAW's names are those of stable-audio-tools; fused projections are split into the layers that diffusers has.
    LoRAW does not save α, which is taken to be the rank, as in its example configuration; weigh others by the scale.

    Raises:
        UsageError: no such adapter, or not LoRA.
        DataError: the file is damaged.
    """
    file = weight_file(path)
    tensors, metadata = _read_tensors(file)
    settings = _settings(file, metadata)
    if (kind := str(settings.get("peft_type", "LORA"))) != "LORA":
        raise UsageError(f"adapter '{path}' is of peft's type {kind}; only LORA is supported")
    layers: dict[str, Layer] = {}
    foreign = [key for key, value in tensors.items() if not _place(key, value, layers)]
    if foreign or not layers:
        what = f"weights that are no LoRA, such as '{foreign[0]}'" if foreign else "no LoRA weights"
        raise UsageError(f"adapter '{path}' holds {what}")
    if any("/" in name for name in layers):
        layers = _diffusers_layers(layers)
    for name, layer in layers.items():
        if not all(map(_is_usable, (layer.down, layer.up, layer.magnitude))):
            raise DataError(f"adapter '{path}': layer '{name}' holds what is no finite floating-point number")
        down, up = layer.down, layer.up
        if down is None or up is None or min(down.ndim, up.ndim) < 2 or down.shape[0] != up.shape[1]:
            raise DataError(f"adapter '{path}': the two factors of layer '{name}' do not belong together")
    return AdapterFile(path, layers, settings)


def _read_tensors(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    import torch

    loaded, metadata = load_weights(file)
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise DataError(f"adapter '{file}' is not a table of weights")
    return loaded, metadata


def _settings(file: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    config = file.parent / CONFIG
    try:
        if file.name.startswith("adapter_model"):
            if not config.exists():
                raise UsageError(f"adapter '{file}' has no {CONFIG} beside it; copy it from where it was trained")
            settings: Any = read_object(config)
        else:
            settings = json.loads(metadata.get("lora_adapter_metadata", "{}"))
            # A pipeline's file holds the settings of each of its networks, prefixed by their names.
            settings = {re.sub(r"^(unet|transformer)\.", "", key): value for key, value in settings.items()}
    except (ValueError, RecursionError, AttributeError) as error:
        raise DataError(f"adapter '{file}': its configuration is not a JSON object") from error
    if not isinstance(settings, dict):
        raise DataError(f"adapter '{file}': its configuration is not a table")
    if wrong := next((name for name, fits in _SETTINGS.items() if not fits(settings.get(name))), None):
        raise DataError(f"adapter '{file}': {wrong} in its configuration is {settings[wrong]!r:.80}")
    return settings


def _is_usable(factor: torch.Tensor | None) -> bool:
    return factor is None or (factor.is_floating_point() and bool(factor.float().isfinite().all()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, dict) or not all(map(_is_number, value.values())):
        return False
    try:
        return all(re.compile(name) for name in value)
    except re.error:
        return False


# What is read of peft's configuration, and which values it takes where it is set.
_SETTINGS: Mapping[str, Callable[[Any], bool]] = {
    "r": lambda value: value is None or _is_number(value),
    "lora_alpha": lambda value: value is None or _is_number(value),
    "rank_pattern": lambda value: value is None or _is_pattern(value),
    "alpha_pattern": lambda value: value is None or _is_pattern(value),
    "base_model_name_or_path": lambda value: value is None or (isinstance(value, str) and value.isprintable()),
}


def _place(key: str, value: torch.Tensor, layers: dict[str, Layer]) -> bool:
    """Put a weight where it belongs; False if it belongs nowhere."""
    stripped = _PREFIX.sub("", key)
    for pattern in _FACTORS:
        if match := pattern.fullmatch(stripped):
            name = match["layer"]
            if leaf := match.groupdict().get("leaf"):
                name += f".{leaf}" + ".0" * (leaf == "to_out")
            layer = layers.setdefault(name, Layer())
            if match["factor"] in ("A", "down"):
                layer.down = value
            else:
                layer.up = value
            return True
    if match := _MAGNITUDE.fullmatch(stripped):
        layers.setdefault(match["layer"], Layer()).magnitude = value
        return True
    if (match := _ALPHA.fullmatch(stripped)) and value.numel() == 1:
        layers.setdefault(match["layer"].removesuffix(".lora"), Layer()).alpha = float(value)
        return True
    return False


def _diffusers_layers(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """Layers of stable-audio-tools' diffusion transformer under the names that diffusers gives them."""
    renamed: dict[str, Layer] = {}
    for path, layer in layers.items():
        name = path.replace("/", ".").removeprefix("model.model.").removeprefix("transformer.")
        for old, new in (("layers.", "transformer_blocks."), ("self_attn", "attn1"), ("cross_attn", "attn2")):
            name = name.replace(old, new)
        name = re.sub(r"\bff\.ff\.", "ff.net.", name)
        name = re.sub(r"\bto_out$", "to_out.0", name)
        name = name.replace("project_in", "proj_in").replace("project_out", "proj_out")
        fused = re.search(r"to_(qkv|kv)$", name)
        if fused and layer.up is not None:
            for letter, up in zip(fused[1], layer.up.chunk(len(fused[1])), strict=True):
                renamed[f"{name[: fused.start()]}to_{letter}"] = Layer(layer.down, up, None, layer.alpha)
        else:
            renamed[name] = layer
    return renamed
