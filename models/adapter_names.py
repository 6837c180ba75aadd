"""The names that trainers give to the layers of a network, and the network's own: one table, a row per format.

Every name that a format gives to a layer is derived from the network's own names, so that a name in a file either is
known exactly or belongs to no layer. Sources: huggingface/peft, huggingface/diffusers, NeuralNotW0rk/LoRAW,
kohya-ss/sd-scripts, Comfy-Org/ComfyUI (``comfy/lora.py``), ace-step/ACE-Step-1.5, Stability-AI/stable-audio-tools and
stable-audio-3, whose names and order are those of diffusers' ``scripts/convert_stable_audio_3_to_diffusers.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.piece_order import piece_order

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Place:
    """Where a layer of a file goes.

    Attributes:
        part: the part of the model, such as ``transformer``.
        layer: the layer's name in it.
        piece: which of so many equal pieces of the file's outputs is this layer's: (0, 1) for all of them, (1, 3) for
            the keys of a fused projection of queries, keys and values.
        order: which of the file's equal pieces of outputs stands first here, second, and so on; empty for as they are.
    """

    part: str
    layer: str
    piece: tuple[int, int] = (0, 1)
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Match:
    """A recognized layer of a file: ``wrapper`` + the name that the format ``naming`` has for the layer."""

    places: tuple[Place, ...]
    part: str
    naming: str
    wrapper: str


@dataclass(frozen=True)
class Factors:
    """How a format names the tensors of a layer: regular expressions for what follows the layer's name."""

    format: str
    down: str
    up: str
    magnitude: str = r"(?!)"
    ignored: str = r"(?!)"


_PEFT_NAME = r"(?:\.[^.]+)?"  # a training's state has the adapter's name, "default" mostly; peft's own files have not
FORMATS = (
    Factors(
        "peft",
        rf"\.lora_A{_PEFT_NAME}\.weight",
        rf"\.lora_B{_PEFT_NAME}\.weight",
        rf"\.lora_magnitude_vector{_PEFT_NAME}(?:\.weight)?",
    ),
    Factors("peft, embeddings", rf"\.lora_embedding_A{_PEFT_NAME}", rf"\.lora_embedding_B{_PEFT_NAME}"),
    Factors("diffusers before 0.26", r"\.lora\.down\.weight", r"\.lora\.up\.weight"),
    Factors("diffusers' text encoders", r"\.lora_linear_layer\.down\.weight", r"\.lora_linear_layer\.up\.weight"),
    # The layer's own name ends in _lora, see `models.adapter_names`.
    Factors("diffusers before 0.18", r"(?<=_lora)\.down\.weight", r"(?<=_lora)\.up\.weight"),
    Factors("kohya and ComfyUI", r"\.lora_down\.weight", r"\.lora_up\.weight", r"\.dora_scale"),
    # LoRAW multiplies by the weight of `dora_mag` alone, its bias has no effect.
    Factors("LoRAW", r"/lora_down\.weight", r"/lora_up\.weight", r"/dora_mag\.weight", r"/dora_mag\.bias"),
    Factors(
        "Stable Audio 3's trainer",
        *(rf"\.parametrizations\.weight\.\d+\.{role}" for role in ("lora_A", "lora_B", "magnitude")),
    ),
)
LORAW, STABLE_AUDIO_3 = FORMATS[-2:]
# Kinds of adapters other than LoRA, recognized by a part of their names.
OTHER_KINDS = {
    "hada_": "LoHa",
    "lokr_t2": "LoKr with a core between its factors (Tucker)",
    ".lokr_": "LoKr of a kind that is not known",
    "lora_mid": "LoCon with a core between its factors",
    "oft_": "OFT",
    "boft_": "BOFT",
    "ia3": "IA3",
    "vera_": "VeRA",
    "lora_diag": "KaSA",
    "M_xs": "LoRA-XS",
    ".magnitude_r": "BoRA",
    ".magnitude_c": "BoRA",
    "lora_B.bias": "biases of LoRA factors (lora_bias)",
    "lora_B.default.bias": "biases of LoRA factors (lora_bias)",
    "modules_to_save": "whole layers (modules_to_save)",
    ".diff": "differences of whole weights",
}


Naming = Callable[[str], Iterator[tuple[str, tuple[int, int]]]]

_WHOLE = (0, 1)
_BLOCK = re.compile(r"transformer_blocks\.(?P<block>\d+)\.(?P<rest>.+)")
_FUSED: Mapping[str, tuple[str, tuple[int, int]]] = {
    "attn1.to_q": ("self_attn.to_qkv", (0, 3)),
    "attn1.to_k": ("self_attn.to_qkv", (1, 3)),
    "attn1.to_v": ("self_attn.to_qkv", (2, 3)),
    "attn1.to_out.0": ("self_attn.to_out", _WHOLE),
    "attn2.to_q": ("cross_attn.to_q", _WHOLE),
    "attn2.to_k": ("cross_attn.to_kv", (0, 2)),
    "attn2.to_v": ("cross_attn.to_kv", (1, 2)),
    "attn2.to_out.0": ("cross_attn.to_out", _WHOLE),
}
# In Stable Audio 3 the names inside a block are the same except for these, and projections are fused here too.
_FEED_FORWARD: Mapping[str, str] = {"ff.proj_in": "ff.ff.0.proj", "ff.proj_out": "ff.ff.2"}
_OUTSIDE_BLOCKS: Mapping[str, str] = {
    "proj_in": "project_in",
    "proj_out": "project_out",
    "timestep_proj": "to_timestep_embed",
    "global_proj": "to_global_embed",
    "cross_attention_proj": "to_cond_embed",
    "preprocess_conv": "preprocess_conv",
    "postprocess_conv": "postprocess_conv",
}


def _own(name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    yield name, _WHOLE


def _processor(name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name before diffusers 0.18, where factors were the processor's: ``attn1.processor.to_out_lora``."""
    if match := re.fullmatch(r"(?P<attention>.+)\.(?P<leaf>to_q|to_k|to_v|to_out)(\.0)?", name):
        yield f"{match['attention']}.processor.{match['leaf']}_lora", _WHOLE


def _stable_audio_tools(name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name in stable-audio-tools, where projections of one input are one layer, and so are their factors."""
    if match := _BLOCK.fullmatch(name):
        plain = _FEED_FORWARD.get(match["rest"], match["rest"].replace("ff.net.", "ff.ff."))
        rest, piece = _FUSED.get(match["rest"], (plain, _WHOLE))
        yield f"layers.{match['block']}.{rest}", piece
        return
    first, dot, rest = name.partition(".")
    if first in _OUTSIDE_BLOCKS:
        yield f"{_OUTSIDE_BLOCKS[first]}{dot}{rest}", _WHOLE


def _conditioner(name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name in Stable Audio 3's conditioner, where the projection of the length follows its features."""
    if name == "linear":
        yield "embedding.1", _WHOLE


_ACE_STEP_ATTENTION = re.compile(r"(?P<attention>layers\.\d+\.(self|cross)_attn)\.to_(?P<leaf>q|k|v|out\.0)")
_ACE_STEP_OTHERS = re.compile(r"layers\.\d+\.mlp\..+|proj_(?P<side>in|out)_conv")


def _ace_step(name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name in ACE-Step's own decoder, which names its attention differently and lists its convolutions."""
    if match := _ACE_STEP_ATTENTION.fullmatch(name):
        yield f"{match['attention']}.{match['leaf'][0]}_proj", _WHOLE
    elif match := _ACE_STEP_OTHERS.fullmatch(name):
        yield f"proj_{match['side']}.1" if match["side"] else name, _WHOLE


def _inside(root: str) -> Naming:
    """Return the naming of an adapter that was trained on a part of the network."""

    def naming(name: str) -> Iterator[tuple[str, tuple[int, int]]]:
        if name.startswith(root):
            yield name.removeprefix(root), _WHOLE

    return naming


# Parts of a network that adapters are trained on as if they were the network: for MusicGen its language model
# without its heads, and the decoder in it.
ROOTS = ("", "decoder.", "decoder.model.", "decoder.model.decoder.")

# In the order in which a name is searched for.
STABLE_AUDIO_TOOLS = "stable-audio-tools"
NAMINGS: Mapping[str, Naming] = {
    "the network's own": _own,
    "diffusers' attention processors": _processor,
    STABLE_AUDIO_TOOLS: _stable_audio_tools,
    "Stable Audio 3's conditioner": _conditioner,
    "ACE-Step": _ace_step,
    **{f"inside {root}": _inside(root) for root in ROOTS if root},
}

# What may precede a layer's name, in any combination: wrappers of peft, of torch and of trainers, and the network's
# name in its pipeline.
WRAPPERS = (
    "base_model.model.",
    "base_model.",
    "module.",
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "model.",
    "diffusion_model.",
    "transformer.",
    "unet.",
    "dit.",
    "decoder.",
    "lora_unet_",
    "lora_transformer_",
    "lycoris_",
)
# The same for the other parts of a model: a name after it is searched for in that part only.
OTHER_PARTS: Mapping[str, str] = {
    "text_encoder.": "text_encoder",
    "text_encoder_2.": "text_encoder_2",
    "text_encoders.": "text_encoder",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "conditioner.": "conditioner",
    "conditioners.seconds_total.embedder.": "duration_embedder",
    "duration_embedder.": "duration_embedder",
    "language_model.": "language_model",
    "vae.": "vae",
}


class LayerNames:
    """All names that the layers of a model's parts may have in a file.

    Args:
        parts: the parts of the model, by their names in its pipeline; the first is the one that adapters are for.
    """

    def __init__(self, parts: Mapping[str, torch.nn.Module]) -> None:
        self.main = next(iter(parts))
        self._weights: dict[str, dict[str, torch.Tensor]] = {
            part: module.state_dict() for part, module in parts.items()
        }
        self._layers = {part: _adaptable(module) for part, module in parts.items()}
        self._tables = {part: list(_tables(part, layers)) for part, layers in self._layers.items()}

    def find(self, name: str) -> Match | None:
        """Return the layer with this name in a file; None where no part has one, or where it could be either of two."""
        for wrapper, part, rest in _unwrapped(name, self.main):
            for naming, dotted, flat in self._tables.get(part, ()):
                if places := dotted.get(rest) or flat.get(rest):
                    return Match(places, part, naming, wrapper)
        return None

    def part_of(self, name: str) -> str:
        """Return the part that a name refers to, whether the model has it or not."""
        return next((part for _, part, _ in _unwrapped(name, self.main) if part != self.main), self.main)

    def siblings(self, match: Match) -> Iterator[tuple[str, Place, torch.nn.Module]]:
        """Yield every layer that the format names in the same way: the name in the file, the place, the layer."""
        for layer, module in self._layers[match.part].items():
            for name, piece in NAMINGS[match.naming](layer):
                yield match.wrapper + name, Place(match.part, layer, piece), module

    def layer(self, place: Place) -> torch.nn.Module:
        """Return the layer itself."""
        return self._layers[place.part][place.layer]

    def weight(self, name: str) -> torch.Tensor | None:
        """Return the parameter or buffer with this name in a training's state, in which peft's layers wrap the
        network's."""
        for _, part, rest in _unwrapped(name.replace(".base_layer.", "."), self.main):
            for root in ROOTS:
                if root + rest in self._weights.get(part, ()):
                    return self._weights[part][root + rest]
        return None


def _adaptable(module: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return the layers with a matrix or a kernel, by name."""
    return {
        name: layer
        for name, layer in module.named_modules()
        if name and getattr(getattr(layer, "weight", None), "ndim", 0) >= 2
    }


def _tables(
    part: str, layers: Mapping[str, torch.nn.Module]
) -> Iterator[tuple[str, Mapping[str, tuple[Place, ...]], Mapping[str, tuple[Place, ...]]]]:
    """Yield for each naming its names with their places, and the same with ``_`` for dots, as kohya writes them."""
    for naming, names_of in NAMINGS.items():
        dotted: dict[str, tuple[Place, ...]] = {}
        for layer, module in layers.items():
            order = piece_order(layer, module) if naming == STABLE_AUDIO_TOOLS else ()
            for name, piece in names_of(layer):
                dotted[name] = (*dotted.get(name, ()), Place(part, layer, piece, order))
        # A fused layer is not this network's if the network lacks one of its pieces.
        dotted = {name: places for name, places in dotted.items() if len(places) == places[0].piece[1]}
        flat: dict[str, tuple[Place, ...]] = {}
        for name, places in dotted.items():
            key = name.replace(".", "_")
            flat[key] = () if key in flat else places  # two layers with one flat name: it identifies neither
        if dotted:
            yield naming, dotted, flat


def _unwrapped(name: str, main: str) -> Iterator[tuple[str, str, str]]:
    """Yield what was removed, the part that is meant, and the rest of the name; the longest rest comes first."""
    taken, part, rest = "", main, name
    while True:
        yield taken, part, rest
        for prefix, other in _prefixes("." in rest, main):
            if rest.startswith(prefix) and len(rest) > len(prefix):
                taken, part, rest = taken + prefix, other or part, rest[len(prefix) :]
                break
        else:
            return


def _prefixes(dotted: bool, main: str) -> Iterator[tuple[str, str | None]]:
    for prefix, part in OTHER_PARTS.items():
        yield prefix, part
        if not dotted:
            yield prefix.replace(".", "_"), part
    for prefix in WRAPPERS:
        yield prefix, main if prefix.startswith("lora_") else None
        if not dotted:
            yield prefix.replace(".", "_"), None
