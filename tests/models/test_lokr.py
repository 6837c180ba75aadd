"""Adapters of ACE-Step as people have them: LoKr, and LoRA under the names of its trainer, kohya's and ComfyUI's."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from bench import Audio, GenerationRequest, Prompt
from bench.errors import DataError, UsageError
from models import tiny
from models.ace_step import AceStep
from models.adapter_files import read_adapter
from models.adapters import load_adapter, load_adapters
from models.training.merging import merge

torch.set_num_threads(1)

Tensors = dict[str, torch.Tensor]
RENAMED = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out.0": "o_proj"}


def of_its_trainer(name: str) -> str:
    """What ACE-Step's own decoder calls a layer of the transformer."""
    for ours, theirs in RENAMED.items():
        name = name.replace(ours, theirs)
    return name.replace("_conv", ".1")


NAMES: dict[str, Callable[[str], str]] = {
    "lycoris": lambda name: "lycoris_" + of_its_trainer(name).replace(".", "_"),
    "lycoris, diffusers": lambda name: "lycoris_" + name.replace(".", "_"),
    "ComfyUI": lambda name: "diffusion_model.decoder." + of_its_trainer(name),
    "kohya": lambda name: "lora_unet_decoder_" + of_its_trainer(name).replace(".", "_"),
    "peft": lambda name: "base_model.model." + of_its_trainer(name),
    "diffusers": lambda name: "transformer." + name,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("ace-step", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def base(folder: Path) -> torch.nn.Module:
    return tiny.network("ace-step", folder).eval().requires_grad_(False)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)) / shape[-1] ** 0.5


def played(network: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = network(
            hidden_states=normal(2, 20, 4, seed=1),
            timestep=torch.tensor([0.3, 0.8]),
            timestep_r=torch.tensor([0.3, 0.8]),
            encoder_hidden_states=normal(2, 6, 16, seed=2),
            context_latents=normal(2, 20, 8, seed=3),
            return_dict=False,
        )[0]
    return answer


def changed(base: torch.nn.Module, deltas: Mapping[str, torch.Tensor], scale: float = 1.0) -> torch.Tensor:
    """The answer of the network with W + scale · ΔW."""
    network = copy.deepcopy(base)
    for name, delta in deltas.items():
        network.get_submodule(name).get_parameter("weight").data += scale * delta
    return played(network)


def written_out(left: torch.Tensor, right: torch.Tensor, factor: float) -> torch.Tensor:
    """The Kronecker product, element by element as it is defined."""
    (a, c), (b, d, *kernel) = left.shape, right.shape
    product = torch.zeros(a * b, c * d, *kernel)
    for i in range(a):
        for j in range(c):
            product[i * b : (i + 1) * b, j * d : (j + 1) * d] = left[i, j] * right
    return factor * product


def lokr(base: torch.nn.Module) -> tuple[Tensors, Tensors]:
    """Factors of each kind by ``layer|factor``, and what they do to the weights."""
    rank, alpha = 2, 3.0
    q, mlp, conv = "layers.0.self_attn.to_q", "layers.1.mlp.gate_proj", "proj_in_conv"
    both, out = "layers.1.cross_attn.to_out.0", "layers.0.cross_attn.to_v"
    factors: Tensors = {
        f"{q}|w1": normal(4, 4, seed=10), f"{q}|w2": normal(8, 8, seed=11), f"{q}|alpha": torch.tensor(9.0),
        f"{mlp}|w1": normal(8, 4, seed=12), f"{mlp}|w2_a": normal(8, rank, seed=13),
        f"{mlp}|w2_b": normal(rank, 8, seed=14), f"{mlp}|alpha": torch.tensor(alpha),
        f"{both}|w1_a": normal(4, rank, seed=15), f"{both}|w1_b": normal(rank, 4, seed=16),
        f"{both}|w2_a": normal(8, rank, seed=17), f"{both}|w2_b": normal(rank, 8, seed=18),
        f"{both}|alpha": torch.tensor(alpha),
        f"{out}|w1_a": normal(2, rank, seed=19), f"{out}|w1_b": normal(rank, 8, seed=20),
        f"{out}|w2": normal(8, 4, seed=21), f"{out}|alpha": torch.tensor(alpha),
        f"{conv}|w1": normal(4, 3, seed=22), f"{conv}|w2_a": normal(8, rank, seed=23),
        f"{conv}|w2_b": normal(rank, 4 * 2, seed=24), f"{conv}|alpha": torch.tensor(alpha),
    }  # fmt: skip
    f = factors
    kernel = torch.einsum("br,rdk->bdk", f[f"{conv}|w2_a"], f[f"{conv}|w2_b"].reshape(rank, 4, 2))
    deltas = {
        q: written_out(f[f"{q}|w1"], f[f"{q}|w2"], 1.0),  # with two whole factors α means nothing
        mlp: written_out(f[f"{mlp}|w1"], f[f"{mlp}|w2_a"] @ f[f"{mlp}|w2_b"], alpha / rank),
        both: written_out(
            f[f"{both}|w1_a"] @ f[f"{both}|w1_b"], f[f"{both}|w2_a"] @ f[f"{both}|w2_b"], alpha / rank
        ),
        out: written_out(f[f"{out}|w1_a"] @ f[f"{out}|w1_b"], f[f"{out}|w2"], alpha / rank),
        conv: written_out(f[f"{conv}|w1"], kernel, alpha / rank),
    }  # fmt: skip
    assert all(delta.shape == base.get_submodule(name).weight.shape for name, delta in deltas.items())
    return factors, deltas


def saved(path: Path, factors: Tensors, naming: Callable[[str], str] = NAMES["lycoris"]) -> Path:
    tensors = {}
    for key, value in factors.items():
        layer, _, factor = key.partition("|")
        tensors[f"{naming(layer)}.{factor if factor in ('alpha', 'dora_scale') else f'lokr_{factor}'}"] = value
    path.parent.mkdir(exist_ok=True, parents=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, {"algo": "lokr"})
    return path


@pytest.mark.parametrize("naming", NAMES)
def test_lokr_is_the_product_written_out(base: torch.nn.Module, tmp_path: Path, naming: str) -> None:
    factors, deltas = lokr(base)
    path = saved(tmp_path / "lokr_weights.safetensors", factors, NAMES[naming])
    for scale in (0.5, 1.0):
        answer = played(load_adapter(copy.deepcopy(base), path, scale, {}))
        torch.testing.assert_close(answer, changed(base, deltas, scale), atol=1e-5, rtol=1e-5)
    assert (answer - played(base)).abs().max() > 1e-3
    torch.testing.assert_close(played(load_adapter(copy.deepcopy(base), tmp_path, 1.0, {})), answer)  # as a folder


def test_lokr_of_scale_zero_changes_no_bit(base: torch.nn.Module, tmp_path: Path) -> None:
    path = saved(tmp_path / "lokr.safetensors", lokr(base)[0])
    assert torch.equal(played(load_adapter(copy.deepcopy(base), path, 0.0, {})), played(base))


def test_lokr_of_a_half_precision_network_is_computed_in_float32(base: torch.nn.Module, tmp_path: Path) -> None:
    factors, deltas = lokr(base)
    path = saved(tmp_path / "lokr.safetensors", factors)
    layer, name = copy.deepcopy(base).bfloat16(), "layers.1.mlp.gate_proj"
    load_adapter(layer, path, 1.0, {})
    inputs = normal(5, 32, seed=4).bfloat16()
    plain = base.get_submodule(name).bfloat16()(inputs)
    base.float()
    expected = plain + (inputs.float() @ deltas[name].T).bfloat16()
    torch.testing.assert_close(layer.get_submodule(name)(inputs), expected)


def test_several_adapters_add_up(base: torch.nn.Module, folder: Path, tmp_path: Path) -> None:
    factors, deltas = lokr(base)
    path = saved(tmp_path / "lokr.safetensors", factors)
    lora = tiny.make_adapter("ace-step", folder, tmp_path / "lora", rank=2)
    tensors = load_file(lora / "adapter_model.safetensors")
    names = [key.removesuffix(".lora_A.weight") for key in tensors if "lora_A" in key]
    sums = {name: 2.0 * delta for name, delta in deltas.items()}
    for name in names:
        product = tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
        layer = name.removeprefix("base_model.model.")
        sums[layer] = sums.get(layer, torch.zeros(())) + 0.5 * product
    network = copy.deepcopy(base)
    load_adapters({"transformer": network}, [(path, 1.5), (lora, 0.5), (path, 0.5)], {})
    torch.testing.assert_close(played(network), changed(base, sums), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"w2_b": None}, DataError, "gate_proj"),
        ({"alpha": None}, DataError, "no α"),
        ({"w2_a": normal(8, 3, seed=1)}, DataError, "gate_proj"),
        ({"w1_a": normal(4, 2, seed=1)}, DataError, "gate_proj"),
        ({"t2": normal(2, 2, seed=1)}, UsageError, "Tucker"),
        ({"dora_scale": torch.ones(64, 1)}, UsageError, "magnitudes"),
        ({"w1": normal(2, 4, seed=1)}, UsageError, "16×16|gate_proj.* here and "),
        ({"w1": torch.full((8, 4), float("nan"))}, DataError, "NaN"),
        ({"diff": normal(8, 8, seed=1)}, UsageError, "LoKr .*gate_proj"),
    ],
    ids=str,
)
def test_other_lokr_is_refused_by_name(
    base: torch.nn.Module, tmp_path: Path, change: Mapping[str, torch.Tensor | None], error: type[Exception], told: str
) -> None:
    name = "layers.1.mlp.gate_proj"
    factors = {key: value for key, value in lokr(base)[0].items() if key.startswith(name)}
    for factor, value in change.items():
        factors.pop(f"{name}|{factor}", None)
        if value is not None:
            factors[f"{name}|{factor}"] = value
    path = saved(tmp_path / "lokr.safetensors", factors)
    with pytest.raises(error, match=told) as caught:
        load_adapter(copy.deepcopy(base), path, 1.0, {})
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_lokr_for_a_layer_that_is_not_there_is_refused(base: torch.nn.Module, tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.safetensors",
        {"layers.7.mlp.up_proj|w1": normal(8, 4, seed=1), "layers.7.mlp.up_proj|w2": normal(8, 8, seed=2)},
    )
    with pytest.raises(UsageError, match=r"layers_7_mlp_up_proj"):
        load_adapter(copy.deepcopy(base), path, 1.0, {})


def test_lokr_that_changes_nothing_is_known(base: torch.nn.Module, tmp_path: Path) -> None:
    factors, _ = lokr(base)
    assert not read_adapter(saved(tmp_path / "a.safetensors", factors)).changes_nothing
    silent = {key: value * 0 if key.endswith(("w2", "w2_b")) else value for key, value in factors.items()}
    assert read_adapter(saved(tmp_path / "b.safetensors", silent)).changes_nothing


@pytest.mark.parametrize("naming", ["peft", "ComfyUI", "kohya", "diffusers"])
def test_lora_under_the_names_of_each_trainer(base: torch.nn.Module, tmp_path: Path, naming: str) -> None:
    names = [f"layers.{n}.{a}_attn.{p}" for n in (0, 1) for a in ("self", "cross") for p in RENAMED]
    tensors: Tensors = {}
    deltas, rank, alpha = {}, 2, 5.0
    for number, name in enumerate(names):
        outputs, inputs = base.get_submodule(name).get_parameter("weight").shape
        down, up = normal(rank, inputs, seed=30 + number), normal(outputs, rank, seed=60 + number)
        deltas[name] = alpha / rank * up @ down
        written = NAMES[naming](name)
        if naming in ("peft", "diffusers"):
            tensors |= {f"{written}.lora_A.weight": down, f"{written}.lora_B.weight": up}
        else:
            tensors |= {f"{written}.lora_down.weight": down, f"{written}.lora_up.weight": up}
            tensors[f"{written}.alpha"] = torch.tensor(alpha)
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": list(RENAMED.values())}
    if naming == "peft":
        (tmp_path / "adapter_config.json").write_text(json.dumps({**settings, "task_type": "FEATURE_EXTRACTION"}))
        save_file(tensors, tmp_path / "adapter_model.safetensors")
    else:
        told = {f"transformer.{name}": value for name, value in settings.items() if name != "target_modules"}
        about = {"lora_adapter_metadata": json.dumps(told)} if naming == "diffusers" else None
        save_file(tensors, tmp_path / "pytorch_lora_weights.safetensors", about)
    answer = played(load_adapter(copy.deepcopy(base), tmp_path, 1.0, {}))
    torch.testing.assert_close(answer, changed(base, deltas), atol=1e-5, rtol=1e-5)


def test_a_clip_with_lokr_is_that_of_the_merged_checkpoint(base: torch.nn.Module, folder: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "adapter" / "lokr_weights.safetensors", lokr(base)[0])
    merged = merge(path, tmp_path / "merged", checkpoint=str(folder))
    asked = [GenerationRequest(Prompt("p", "a slow waltz"), 1, 0.5)]
    plain, off, tuned, whole = (
        AceStep(steps=2, device="cpu", **params).generate(asked)[0]
        for params in (
            {"checkpoint": str(folder)},
            {"checkpoint": str(folder), "adapter": str(path.parent), "adapter_scale": 0.0},
            {"checkpoint": str(folder), "adapter": str(path.parent)},
            {"checkpoint": str(merged)},
        )
    )
    assert isinstance(plain, Audio) and isinstance(off, Audio) and isinstance(tuned, Audio) and isinstance(whole, Audio)
    assert np.array_equal(plain.samples, off.samples)
    np.testing.assert_allclose(tuned.samples, whole.samples, atol=1e-4)
    assert np.abs(tuned.samples - plain.samples).max() > 1e-3
