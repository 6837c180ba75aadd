"""LoRA adapters: every format gives the network that W + scale · α/rank · B·A says; what does not fit is refused."""

from __future__ import annotations

import copy
import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from bench.errors import DataError, UsageError
from models import tiny
from models.adapters import identity, load_adapter
from models.base_checkpoint import identity as base_identity

torch.set_num_threads(1)

Factors = dict[str, tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Path:
    return tiny.make_adapter("stable-audio", folder, folder.parent / "adapter", rank=3)


@pytest.fixture(scope="module")
def factors(adapter: Path) -> Factors:
    """(A, B) of each layer."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    names = [key.removesuffix(".lora_A.weight") for key in tensors if "lora_A" in key]
    return {
        name.removeprefix("base_model.model."): (tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"])
        for name in names
    }


def network(folder: Path) -> torch.nn.Module:
    from diffusers import StableAudioDiTModel

    model: torch.nn.Module = StableAudioDiTModel.from_pretrained(folder / "transformer")
    return model


def played(model: torch.nn.Module) -> torch.Tensor:
    """The network's answer to fixed random inputs."""
    from diffusers.models.embeddings import get_1d_rotary_pos_embed

    rng = torch.Generator().manual_seed(0)
    dtype = next(model.parameters()).dtype
    with torch.inference_mode():
        result: torch.Tensor = model(
            torch.randn((2, 8, 20), generator=rng).to(dtype),
            torch.tensor([0.5]),
            encoder_hidden_states=torch.randn((2, 6, 32), generator=rng).to(dtype),
            global_hidden_states=torch.randn((2, 1, 64), generator=rng).to(dtype),
            rotary_embedding=get_1d_rotary_pos_embed(8, 21, use_real=True, repeat_interleave_real=False),
            return_dict=False,
        )[0]
    return result


def merged(folder: Path, factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]], scale: float) -> torch.Tensor:
    """The answer of the network with W + scale · B·A, which is what LoRA is defined to be."""
    model = network(folder)
    for name, (down, up) in factors.items():
        model.get_submodule(name).get_parameter("weight").data += scale * (up @ down)
    return played(model)


def assert_adapted(folder: Path, path: Path, factors: Factors, scale: float = 1.0) -> None:
    base = network(folder)
    plain = played(base)
    answer = played(load_adapter(base, path, scale, base_identity(str(folder), None)))
    torch.testing.assert_close(answer, merged(folder, factors, scale), atol=1e-5, rtol=1e-5)
    assert (answer - plain).abs().max() > 1e-3


@pytest.mark.parametrize("scale", [0.25, 1.0, 1.5])
def test_peft_folder(folder: Path, adapter: Path, factors: Factors, scale: float) -> None:
    assert len(factors) == 2 * 2 * 4  # blocks, attentions, projections
    assert_adapted(folder, adapter, factors, scale)
    assert_adapted(folder, adapter / "adapter_model.safetensors", factors, scale)


def test_peft_alpha_patterns_and_rank_stabilisation(folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=2, lora_alpha=5, target_modules=["to_q", "to_v"], rank_pattern={"attn2.to_v": 4},
        alpha_pattern={"attn1.to_q": 3}, use_rslora=True, init_lora_weights=False,
    )  # fmt: skip
    reference = get_peft_model(network(folder), config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the base's name
        reference.save_pretrained(tmp_path / "saved", save_embedding_layers=False)
    reference.eval()
    answer = played(load_adapter(network(folder), tmp_path / "saved", 1.0, {}))
    torch.testing.assert_close(answer, played(reference.base_model.model))


def test_weight_decomposed_adapters(folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["to_q"], use_dora=True, init_lora_weights=False)
    reference = get_peft_model(network(folder), config).eval()
    for name, value in reference.named_parameters():
        if "magnitude" in name:
            value.data *= 1.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference.save_pretrained(tmp_path / "saved", save_embedding_layers=False)
    answer = played(load_adapter(network(folder), tmp_path / "saved", 1.0, {}))
    torch.testing.assert_close(answer, played(reference.base_model.model))


def test_peft_pickle(folder: Path, adapter: Path, factors: Factors, tmp_path: Path) -> None:
    torch.save(load_file(adapter / "adapter_model.safetensors"), tmp_path / "adapter_model.bin")
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    assert_adapted(folder, tmp_path, factors)


def test_diffusers_file_as_diffusers_writes_it(tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig

    base = tiny.make("audioldm", tmp_path / "audioldm")
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    asked = {
        "sample": torch.randn((1, 4, 8, 4), generator=torch.Generator().manual_seed(0)),
        "timestep": torch.tensor(10),
        "encoder_hidden_states": None,
        "class_labels": torch.ones((1, 32)),
    }
    ours = copy.deepcopy(unet)
    unet.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=["to_q", "to_v"], init_lora_weights=False))
    unet.save_lora_adapter(tmp_path / "saved")
    load_adapter(ours, tmp_path / "saved", 1.0, base_identity(str(base), None))
    with torch.inference_mode():
        torch.testing.assert_close(ours(**asked).sample, unet(**asked).sample)


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("names", [("lora_A", "lora_B"), ("lora.down", "lora.up")])
def test_diffusers_names_without_settings(
    folder: Path, factors: Factors, tmp_path: Path, prefix: str, names: tuple[str, str]
) -> None:
    tensors = {
        f"{prefix}{layer}.{name}.weight": value
        for layer, pair in factors.items()
        for name, value in zip(names, pair, strict=True)
    }
    tensors |= {f"{prefix}{layer}.alpha": torch.tensor(6.0) for layer in factors}  # rank 3
    save_file(tensors, tmp_path / "pytorch_lora_weights.safetensors")
    assert_adapted(folder, tmp_path, {name: (down, 2 * up) for name, (down, up) in factors.items()})


def test_attention_processors_of_old_diffusers(folder: Path, factors: Factors, tmp_path: Path) -> None:
    tensors = {}
    for layer, (down, up) in factors.items():
        attention, leaf = layer.removesuffix(".0").rsplit(".", 1)
        tensors[f"{attention}.processor.{leaf}_lora.down.weight"] = down
        tensors[f"{attention}.processor.{leaf}_lora.up.weight"] = up
    save_file(tensors, tmp_path / "old.safetensors")
    assert_adapted(folder, tmp_path / "old.safetensors", factors)


def test_loraw_checkpoint_with_fused_projections(folder: Path, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    expected: Factors = {}
    for block in (0, 1):
        old, new = f"model/model/transformer/layers/{block}", f"transformer_blocks.{block}"
        for path, layers, widths in (
            ("self_attn/to_qkv", ("attn1.to_q", "attn1.to_k", "attn1.to_v"), (32, 32, 32)),
            ("cross_attn/to_kv", ("attn2.to_k", "attn2.to_v"), (16, 16)),
            ("cross_attn/to_q", ("attn2.to_q",), (32,)),
            ("self_attn/to_out", ("attn1.to_out.0",), (32,)),
            ("ff/ff/0/proj", ("ff.net.0.proj",), (256,)),
        ):
            down = torch.randn((3, 32), generator=rng) / 6
            ups = [torch.randn((width, 3), generator=rng) / 6 for width in widths]
            state[f"{old}/{path}/lora_down.weight"] = down
            state[f"{old}/{path}/lora_up.weight"] = torch.cat(ups)
            expected |= {f"{new}.{layer}": (down, up) for layer, up in zip(layers, ups, strict=True)}
    torch.save(state, tmp_path / "loraw.ckpt")
    assert_adapted(folder, tmp_path / "loraw.ckpt", expected)
    assert_adapted(folder, tmp_path, expected)


def test_scale_zero_leaves_the_network_alone(folder: Path, adapter: Path) -> None:
    model = network(folder)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = played(model)
    assert torch.equal(played(load_adapter(model, adapter, 0.0, {})), plain)
    assert list(before) == list(model.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_factors_stay_in_float32_on_a_half_precision_network(folder: Path, adapter: Path, factors: Factors) -> None:
    model = load_adapter(network(folder).to(torch.bfloat16), adapter, 1.0, {})
    kept = {name: value for name, value in model.named_parameters() if "lora_" in name}
    assert {value.dtype for value in kept.values()} == {torch.float32}
    for name, (down, _) in factors.items():
        assert torch.equal(kept[f"{name}.lora_A.default.weight"], down)
    assert played(model).dtype == torch.bfloat16


def rewritten(adapter: Path, folder: Path, **settings: object) -> Path:
    """A copy of an adapter with other settings."""
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
    config = json.loads((adapter / "adapter_config.json").read_text()) | settings
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_an_adapter_of_another_base_is_refused(folder: Path, adapter: Path, tmp_path: Path) -> None:
    named = rewritten(adapter, tmp_path / "named", base_model_name_or_path="someone/another-base")
    hub = {"repo": "stabilityai/stable-audio-open-1.0", "revision": "0" * 40}
    with pytest.raises(UsageError, match=r"'someone/another-base'.*checkpoint: someone/another-base"):
        load_adapter(network(folder), named, 1.0, hub)
    load_adapter(network(folder), named, 1.0, hub | {"repo": "someone/another-base"})

    other = tiny.make("stable-audio", tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match=re.escape(f"'{folder}'")):
        load_adapter(network(other), adapter, 1.0, base_identity(str(other), None))


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_what_does_not_fit_is_refused_before_anything_changes(
    folder: Path, adapter: Path, factors: Factors, tmp_path: Path, scale: float
) -> None:
    model = network(folder)
    plain = played(model)
    down, up = factors["transformer_blocks.0.attn1.to_q"]
    wrong = {
        "'blocks.0.to_q'": {"blocks.0.to_q.lora_A.weight": down, "blocks.0.to_q.lora_B.weight": up},
        "32×32.*32×16": {
            "transformer_blocks.0.attn1.to_q.lora_A.weight": down[:, :16].contiguous(),
            "transformer_blocks.0.attn1.to_q.lora_B.weight": up,
        },
        "'proj_in.bias'": {"proj_in.bias": down},
    }
    for number, (message, tensors) in enumerate(wrong.items()):
        save_file(tensors, tmp_path / f"{number}.safetensors")
        with pytest.raises(UsageError, match=message):
            load_adapter(model, tmp_path / f"{number}.safetensors", scale, {})
    with pytest.raises(UsageError, match=r"rank 3\b.* 8$"):
        load_adapter(model, rewritten(adapter, tmp_path / "rank", r=8), scale, {})
    with pytest.raises(UsageError, match="IA3"):
        load_adapter(model, rewritten(adapter, tmp_path / "kind", peft_type="IA3"), scale, {})
    assert torch.equal(played(model), plain)


def test_damaged_files_are_refused(folder: Path, adapter: Path, factors: Factors, tmp_path: Path) -> None:
    cut = rewritten(adapter, tmp_path / "cut")
    os.truncate(cut / "adapter_model.safetensors", 2000)
    with pytest.raises(DataError, match=re.escape(str(cut / "adapter_model.safetensors"))):
        load_adapter(network(folder), cut, 1.0, {})
    down, _ = next(iter(factors.values()))
    save_file({"proj_in.lora_A.weight": down}, tmp_path / "half.safetensors")
    with pytest.raises(DataError, match="'proj_in'"):
        load_adapter(network(folder), tmp_path / "half.safetensors", 1.0, {})


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_pickles_are_never_executed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Hostile()}, tmp_path / "hostile.ckpt")
    with pytest.raises(DataError, match=r"hostile\.ckpt"):
        load_adapter(network(folder), tmp_path / "hostile.ckpt", 1.0, {})
    assert not (tmp_path / "executed").exists()


def test_identity_follows_weights_and_settings(adapter: Path, tmp_path: Path) -> None:
    same = rewritten(adapter, tmp_path / "same")
    (same / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    assert identity(same) == identity(adapter)
    assert identity(rewritten(adapter, tmp_path / "alpha", lora_alpha=99)) != identity(adapter)
    with pytest.raises(UsageError, match="nowhere"):
        identity(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"adapter_model\.safetensors"):
        identity(tmp_path)
