"""Each format's names and numbers against W + scale · α/rank · B·A, and DoRA's m · W'/‖W'‖, written out here."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from safetensors.torch import save_file

from bench.errors import UsageError
from models import tiny
from models.adapters import load_adapter, load_adapters

torch.set_num_threads(1)

RANK, ALPHA = 5, 7.0


@dataclass
class Pair:
    """The factors of one layer of the network, and the magnitudes of its outputs."""

    down: torch.Tensor
    up: torch.Tensor
    magnitude: torch.Tensor


Pairs = Mapping[str, Pair]
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Of each kind the network that adapters are for, with biases other than 0."""
    from transformers import MusicgenForConditionalGeneration

    folder = tmp_path_factory.mktemp("networks")
    found: dict[str, Any] = {}
    for kind in ("stable-audio", "audioldm", "musicgen"):
        tiny.make(kind, folder / kind)
        found[kind] = tiny.network(kind, folder / kind)
    found["musicgen"] = MusicgenForConditionalGeneration.from_pretrained(folder / "musicgen")
    rng = torch.Generator().manual_seed(3)
    for network in found.values():
        for name, weight in network.named_parameters():
            if name.endswith(".bias"):
                weight.data = torch.randn(weight.shape, generator=rng) / 4
        network.eval().requires_grad_(False)
    return found


def drawn(network: Any, *endings: str, alike: Mapping[str, str] | None = None) -> Pairs:
    """Factors for the layers with these endings; layers of which ``alike`` names another take its first factor."""
    rng = torch.Generator().manual_seed(1)
    pairs: dict[str, Pair] = {}
    for name, layer in network.named_modules():
        if not name.endswith(endings) or getattr(layer, "weight", None) is None:
            continue
        weight = layer.weight
        down = torch.randn((RANK, *weight.shape[1:]), generator=rng) / weight[0].numel() ** 0.5
        up = torch.randn((len(weight), RANK, *[1] * (weight.ndim - 2)), generator=rng) / RANK**0.5
        for ending, other in (alike or {}).items():
            if name.endswith(ending):
                down = pairs[name.removesuffix(ending) + other].down
        norm = weight.flatten(1).norm(dim=1)
        pairs[name] = Pair(down, up, norm * (0.5 + torch.rand(len(weight), generator=rng)))
    assert pairs
    return pairs


def tuned(weight: torch.Tensor, pair: Pair, factor: float, dora: bool) -> torch.Tensor:
    """What the definitions make of a layer's weight."""
    changed = weight + factor * (pair.up.flatten(1) @ pair.down.flatten(1)).reshape(weight.shape)
    if not dora:
        return changed
    gain = pair.magnitude / changed.flatten(1).norm(dim=1)
    return changed * gain.reshape(-1, *[1] * (weight.ndim - 1))


def answers(layer: Any, weight: torch.Tensor) -> torch.Tensor:
    """A layer's outputs for fixed inputs."""
    rng = torch.Generator().manual_seed(2)
    with torch.inference_mode():
        if weight.ndim == 2:
            return layer(torch.randn((6, weight.shape[1]), generator=rng))
        return layer(torch.randn((2, weight.shape[1], *[9] * (weight.ndim - 2)), generator=rng))


def assert_is_sum(base: Any, path: Path, pairs: Pairs, factor: float, dora: bool = False, scale: float = 1.0) -> None:
    """Every layer of the loaded network answers as one whose weight is written out, and the others as before."""
    adapted = load_adapter(copy.deepcopy(base), path, scale, {})
    for name, layer in base.named_modules():
        if name not in pairs:
            assert not hasattr(adapted.get_submodule(name), "lora_A"), name
            continue
        weight = layer.weight
        plain = copy.deepcopy(layer)
        plain.weight.data = tuned(weight, pairs[name], factor * scale, dora)
        found = answers(adapted.get_submodule(name), weight)
        torch.testing.assert_close(found, answers(plain, weight), atol=1e-5, rtol=1e-5, msg=name)
        assert (found - answers(layer, weight)).abs().max() > 1e-3


def peft_names(pairs: Pairs, prefix: str = "base_model.model.") -> Tensors:
    return {
        f"{prefix}{name}.lora_{letter}.weight": value
        for name, pair in pairs.items()
        for letter, value in (("A", pair.down), ("B", pair.up))
    }


def underscored(pairs: Pairs, dora: bool, prefix: str = "lora_unet_") -> Tensors:
    """kohya's, and LyCORIS' magnitudes."""
    found: Tensors = {}
    for name, pair in pairs.items():
        key = prefix + name.replace(".", "_")
        found |= {f"{key}.lora_down.weight": pair.down, f"{key}.lora_up.weight": pair.up}
        found[f"{key}.alpha"] = torch.tensor(ALPHA)
        if dora:
            found[f"{key}.dora_scale"] = pair.magnitude.reshape(-1, *[1] * (pair.down.ndim - 1))
    return found


FUSED = {
    "to_qkv": ("self_attn", ("attn1.to_q", "attn1.to_k", "attn1.to_v")),
    "to_kv": ("cross_attn", ("attn2.to_k", "attn2.to_v")),
}
SHARED_INPUT = {"attn1.to_k": "attn1.to_q", "attn1.to_v": "attn1.to_q", "attn2.to_v": "attn2.to_k"}


def stable_audio_tools(pairs: Pairs) -> dict[str, Pair]:
    """Pairs by the names of that library, spelt out, with its fused projections."""
    found: dict[str, Pair] = {}
    for block in (0, 1):
        new, old = f"transformer_blocks.{block}.", f"transformer.layers.{block}."
        for name, (attention, layers) in FUSED.items():
            parts = [pairs[new + layer] for layer in layers]
            ups, magnitudes = [part.up for part in parts], [part.magnitude for part in parts]
            found[f"{old}{attention}.{name}"] = Pair(parts[0].down, torch.cat(ups), torch.cat(magnitudes))
        found[f"{old}self_attn.to_out"] = pairs[new + "attn1.to_out.0"]
        found[f"{old}cross_attn.to_q"] = pairs[new + "attn2.to_q"]
        found[f"{old}cross_attn.to_out"] = pairs[new + "attn2.to_out.0"]
        found[f"{old}ff.ff.0.proj"] = pairs[new + "ff.net.0.proj"]
        found[f"{old}ff.ff.2"] = pairs[new + "ff.net.2"]
    found["transformer.project_in"], found["transformer.project_out"] = pairs["proj_in"], pairs["proj_out"]
    return found


@pytest.fixture(scope="module")
def of_transformer(networks: Mapping[str, Any]) -> Pairs:
    endings = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
    return drawn(networks["stable-audio"], *endings, alike=SHARED_INPUT)


def config(folder: Path, **settings: object) -> None:
    given = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(given))


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_comfyui_names_for_stable_audio(
    networks: Mapping[str, Any], of_transformer: Pairs, tmp_path: Path, dora: bool, scale: float
) -> None:
    save_file(underscored(stable_audio_tools(of_transformer), dora), tmp_path / "comfy.safetensors")
    assert_is_sum(networks["stable-audio"], tmp_path, of_transformer, ALPHA / RANK, dora, scale)


def test_comfyui_writes_dots_too(networks: Mapping[str, Any], of_transformer: Pairs, tmp_path: Path) -> None:
    dotted = {
        f"diffusion_model.{name}.lora_{side}.weight": value
        for name, pair in stable_audio_tools(of_transformer).items()
        for side, value in (("down", pair.down), ("up", pair.up))
    }
    save_file(dotted, tmp_path / "comfy.safetensors")
    assert_is_sum(networks["stable-audio"], tmp_path, of_transformer, 1.0)


def test_loraw_with_weight_decompose_scales_the_biases_too(
    networks: Mapping[str, Any], of_transformer: Pairs, tmp_path: Path
) -> None:
    """LoRAW: (x·W + b + x·A·B) · m/‖W + BA‖, with the rank for α."""
    base = networks["stable-audio"]
    state: Tensors = {}
    for name, pair in stable_audio_tools(of_transformer).items():
        key = "model/model/" + name.replace(".", "/")
        state |= {f"{key}/lora_down.weight": pair.down, f"{key}/lora_up.weight": pair.up}
        state |= {f"{key}/dora_mag.weight": pair.magnitude[:, None], f"{key}/dora_mag.bias": pair.magnitude}
    torch.save(state, tmp_path / "loraw.ckpt")
    adapted = load_adapter(copy.deepcopy(base), tmp_path, 1.0, {})
    for name, pair in of_transformer.items():
        layer = base.get_submodule(name)
        plain = copy.deepcopy(layer)
        plain.weight.data = tuned(layer.weight, pair, 1.0, True)
        if layer.bias is not None:
            plain.bias.data = layer.bias * pair.magnitude / (layer.weight + pair.up @ pair.down).norm(dim=1)
        found = answers(adapted.get_submodule(name), layer.weight)
        torch.testing.assert_close(found, answers(plain, layer.weight), atol=1e-5, rtol=1e-5, msg=name)


def test_stable_audio_tools_names_in_a_peft_folder(
    networks: Mapping[str, Any], of_transformer: Pairs, tmp_path: Path
) -> None:
    named = stable_audio_tools(of_transformer)
    save_file(peft_names(named, "base_model.model.model."), tmp_path / "adapter_model.safetensors")
    targets = ["to_qkv", "to_q", "to_kv", "to_out", "ff.0.proj", "ff.2", "project_in", "project_out"]
    config(tmp_path, target_modules=targets, alpha_pattern={"to_qkv": 2 * ALPHA})
    doubled = {
        name: Pair(pair.down, pair.up * (2 if "attn1" in name and "to_out" not in name else 1), pair.magnitude)
        for name, pair in of_transformer.items()
    }
    assert_is_sum(networks["stable-audio"], tmp_path, doubled, ALPHA / RANK)


@pytest.mark.parametrize("dora", [False, True])
def test_kohya_names_of_a_unet(networks: Mapping[str, Any], tmp_path: Path, dora: bool) -> None:
    """Attentions, feed-forward layers and convolutions, of which kohya saves factors of width 1 as matrices."""
    base = networks["audioldm"]
    pairs = drawn(base, "to_q", "to_out.0", "ff.net.2", "proj_in", "conv_shortcut", "conv1", "time_emb_proj")
    tensors = underscored(pairs, dora)
    for key, value in tensors.items():
        if value.ndim == 4 and value.shape[2:] == (1, 1) and "lora" in key and "proj_in" in key:
            tensors[key] = value[..., 0, 0]
    save_file(tensors, tmp_path / "kohya.safetensors")
    assert_is_sum(base, tmp_path / "kohya.safetensors", pairs, ALPHA / RANK, dora)


@pytest.mark.parametrize("dora", [False, True])
def test_a_training_state_of_accelerate(networks: Mapping[str, Any], tmp_path: Path, dora: bool) -> None:
    """All of the network with peft's layers in it; α is in none of its files, and peft's default 8 is taken."""
    from accelerate import Accelerator
    from peft import LoraConfig

    network = copy.deepcopy(networks["audioldm"])
    network.add_adapter(LoraConfig(r=RANK, target_modules=["to_q", "to_v"], use_dora=dora, init_lora_weights=False))
    if dora:
        for name, value in network.named_parameters():
            if "magnitude" in name:
                value.data *= 1.25
    accelerator = Accelerator(cpu=True)
    accelerator.save_state(str(tmp_path / "checkpoint-7"))
    accelerator.save_model(accelerator.prepare(network), str(tmp_path / "checkpoint-7"))
    assert (tmp_path / "checkpoint-7" / "model.safetensors").is_file()
    weights = network.state_dict()
    pairs = {
        name.removesuffix(".base_layer.weight"): Pair(
            weights[name.replace("base_layer", "lora_A.default")],
            weights[name.replace("base_layer", "lora_B.default")],
            weights.get(name.replace("base_layer", "lora_magnitude_vector.default"), torch.empty(0)),
        )
        for name in weights
        if name.endswith("base_layer.weight")
    }
    assert_is_sum(networks["audioldm"], tmp_path / "checkpoint-7", pairs, 8 / RANK, dora)
    other = copy.deepcopy(networks["audioldm"])
    other.conv_in.weight.data += 1e-3
    with pytest.raises(UsageError, match=r"conv_in\.weight"):
        load_adapter(other, tmp_path / "checkpoint-7", 1.0, {})


MUSICGEN = {
    "the whole model": ("", ["enc_to_dec_proj", "q_proj", "fc1", "lm_heads.0", "lm_heads.3", "embed_tokens.1"]),
    "its language model": ("decoder", ["k_proj", "out_proj", "lm_heads.2", "embed_tokens.0"]),
    "its decoder": ("decoder.model.decoder", ["v_proj", "fc2", "embed_tokens.3"]),
}


@pytest.mark.parametrize("trained_on", MUSICGEN)
@pytest.mark.parametrize("dora", [False, True])
def test_musicgen_adapters_are_what_peft_itself_loads(
    networks: Mapping[str, Any], tmp_path: Path, trained_on: str, dora: bool
) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    root, targets = MUSICGEN[trained_on]
    base = networks["musicgen"]
    settings = LoraConfig(r=3, lora_alpha=9, target_modules=targets, use_dora=dora, init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on embeddings among the targets, and on the base's name
        get_peft_model(copy.deepcopy(base).get_submodule(root), settings).save_pretrained(tmp_path / "saved")
    theirs = copy.deepcopy(base)
    part = PeftModel.from_pretrained(theirs.get_submodule(root), tmp_path / "saved").eval()
    ours = load_adapter(copy.deepcopy(base), tmp_path / "saved", 1.0, {})
    adapted = [name for name, layer in theirs.named_modules() if hasattr(layer, "lora_A")]
    assert len(adapted) > 4
    assert adapted == [name for name, layer in ours.named_modules() if hasattr(layer, "lora_A")]
    tokens = torch.arange(6)
    for name in adapted:
        layers = [model.get_submodule(name) for model in (base, ours, theirs)]
        weight = layers[0].weight
        heard = [layer(tokens) if "embed_tokens" in name else answers(layer, weight) for layer in layers]
        torch.testing.assert_close(heard[1], heard[2], atol=1e-5, rtol=1e-5, msg=name)
        assert (heard[1] - heard[0]).abs().max() > 1e-3
    del part


WRITE_PARTS: Mapping[str, Callable[[Pairs], Tensors]] = {
    "diffusers": lambda pairs: peft_names(pairs, "text_encoder."),
    "peft": lambda pairs: peft_names(pairs, "base_model.model.text_encoder."),
    "kohya": lambda pairs: underscored(pairs, False, "lora_te_"),
    "kohya, several encoders": lambda pairs: underscored(pairs, False, "lora_te1_"),
}


@pytest.mark.parametrize("format", WRITE_PARTS)
def test_layers_of_a_text_encoder_beside_the_network(networks: Mapping[str, Any], tmp_path: Path, format: str) -> None:
    unet, encoder = networks["audioldm"], networks["musicgen"].text_encoder
    of_unet, of_encoder = drawn(unet, "to_v"), drawn(encoder, "SelfAttention.v", "wo")
    tensors = WRITE_PARTS[format](of_encoder) | peft_names(of_unet, "unet.")
    save_file(tensors, tmp_path / "pytorch_lora_weights.safetensors")
    parts = {"unet": copy.deepcopy(unet), "text_encoder": copy.deepcopy(encoder)}
    load_adapters(parts, [(tmp_path, 1.0)], {})
    for base, part, pairs in ((unet, "unet", of_unet), (encoder, "text_encoder", of_encoder)):
        factor = ALPHA / RANK if "kohya" in format and part == "text_encoder" else 1.0
        for name, pair in pairs.items():
            layer = base.get_submodule(name)
            plain = copy.deepcopy(layer)
            plain.weight.data = tuned(layer.weight, pair, factor, False)
            found = answers(parts[part].get_submodule(name), layer.weight)
            torch.testing.assert_close(found, answers(plain, layer.weight), atol=1e-5, rtol=1e-5, msg=name)
    untouched = copy.deepcopy(unet)
    with pytest.raises(UsageError, match="text_encoder"):
        load_adapter(untouched, tmp_path, 1.0, {})
    assert not any("lora_" in name for name, _ in untouched.named_parameters())


@pytest.mark.parametrize("dora", [False, True])
def test_a_language_model_whose_weights_lie_the_other_way(tmp_path: Path, dora: bool) -> None:
    """GPT-2's, of AudioLDM 2."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import GPT2LMHeadModel

    tiny.make("audioldm2", tmp_path / "base")
    base = GPT2LMHeadModel.from_pretrained(tmp_path / "base" / "language_model").eval()
    settings = LoraConfig(r=3, target_modules=["c_attn", "c_fc"], use_dora=dora, init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the layers' kind, and on the base's name
        get_peft_model(copy.deepcopy(base), settings).save_pretrained(tmp_path / "saved")
        theirs = PeftModel.from_pretrained(copy.deepcopy(base), tmp_path / "saved").base_model.model
    ours = load_adapter(copy.deepcopy(base), tmp_path / "saved", 1.0, {})
    inputs = torch.arange(6)[None]
    with torch.inference_mode():
        plain, found, expected = (model(inputs).logits for model in (base, ours, theirs))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found - plain).abs().max() > 1e-3
