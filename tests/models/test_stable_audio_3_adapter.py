"""Adapters of Stable Audio 3's own trainer: exact by its formulas in its layout, and refused by name where not read.

The oracle has the network in the publisher's layout: names, and the order of the pieces of the differential attention,
as diffusers' script that converts the published checkpoints has them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from bench.errors import DataError, TunebenchError, UsageError
from bench.quiet import quiet_libraries
from models import tiny
from models.adapter_files import read_adapter
from models.adapters import load_adapter
from models.stable_audio_3_adapter import own_file
from models.tiny.stable_audio_3 import pipeline

torch.set_num_threads(1)

Parts = dict[str, Any]
RANK = 3
CONDITIONER = "conditioners.seconds_total.embedder.embedding.1"


def parts(differential: bool = True) -> Parts:
    """Fresh networks, the same each time."""
    with quiet_libraries():
        made = pipeline(0, differential=differential)
    return {"transformer": made.transformer, "duration_embedder": made.duration_embedder}


def published(differential: bool) -> dict[str, tuple[str, str, tuple[int, ...]]]:
    """Every linear layer and convolution by its published name: the part, its name there, which piece goes where."""
    outside = ("to_timestep_embed.0", "to_timestep_embed.2", "to_cond_embed.0", "to_cond_embed.2", "to_global_embed.0",
               "to_global_embed.2", "preprocess_conv", "postprocess_conv")  # fmt: skip
    names = {f"model.{name}": name for name in outside}
    names |= {"model.transformer.project_in": "proj_in", "model.transformer.project_out": "proj_out"}
    names |= {f"model.transformer.global_cond_embedder.{i}": f"global_cond_embedder.{i}" for i in (0, 2)}
    attention = ("self_attn.to_qkv", "self_attn.to_out", "cross_attn.to_q", "cross_attn.to_kv", "cross_attn.to_out")
    inside = {name: name for name in (*attention, "to_local_embed.0", "to_local_embed.2")}
    inside |= {"ff.ff.0.proj": "ff.proj_in", "ff.ff.2": "ff.proj_out"}
    for block in range(2):
        names |= {f"model.transformer.layers.{block}.{a}": f"transformer_blocks.{block}.{b}" for a, b in inside.items()}
    # q, k, v, q2, k2 of the published weights are q1, q2, k1, k2, v here.
    order = (0, 3, 1, 4, 2) if differential else ()
    found = {a: ("transformer", b, order if "to_qkv" in a else ()) for a, b in names.items()}
    return {**found, CONDITIONER: ("duration_embedder", "linear", ())}


def here(rows: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Rows of the published layout in the order of diffusers."""
    pieces = rows.chunk(len(order)) if order else ()
    return torch.cat([pieces[i] for i in order]) if order else rows


def there(rows: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """The reverse of `here`."""
    pieces = rows.chunk(len(order)) if order else ()
    return torch.cat([pieces[order.index(i)] for i in range(len(order))]) if order else rows


def draw(networks: Parts, kind: str, differential: bool) -> dict[str, torch.Tensor]:
    """Random factors of every layer, with magnitudes for DoRA, in the published layout."""
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for name, (part, layer, order) in published(differential).items():
        weight = there(networks[part].get_submodule(layer).weight.detach().flatten(1), order)
        key = f"{name}.parametrizations.weight.0"
        tensors[f"{key}.lora_A"] = torch.randn((RANK, weight.shape[1]), generator=generator) * 0.1
        tensors[f"{key}.lora_B"] = torch.randn((weight.shape[0], RANK), generator=generator) * 0.1
        if kind != "lora":
            spread = 1 + 0.3 * torch.randn(len(weight), generator=generator)
            tensors[f"{key}.magnitude"] = weight.norm(dim=1) * spread
    return tensors


def write(path: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    told = {"rank": RANK, "alpha": 6.0, "adapter_type": "lora", "include": None, "exclude": None, **config}
    save_file(tensors, path, metadata={"lora_config": json.dumps(told)})
    return path


def apply(networks: Parts, tensors: dict[str, torch.Tensor], scale: float, differential: bool) -> None:
    """W + s·BA, or m · V / ‖V‖ of its rows V, on the published layout, put into the networks."""
    for name, (part, layer, order) in published(differential).items():
        key = f"{name}.parametrizations.weight.0"
        if f"{key}.lora_A" not in tensors:
            continue
        weight = networks[part].get_submodule(layer).weight
        changed = there(weight.detach().flatten(1), order)
        changed = changed + scale * (6.0 / RANK) * tensors[f"{key}.lora_B"] @ tensors[f"{key}.lora_A"]
        if f"{key}.magnitude" in tensors:
            changed = (
                tensors[f"{key}.magnitude"].flatten()[:, None] * changed / (changed.norm(dim=1, keepdim=True) + 1e-12)
            )
        weight.data = here(changed, order).reshape(weight.shape)


def played(networks: Parts) -> torch.Tensor:
    """What the networks make of one input, the part for inpainting included."""
    generator = torch.Generator().manual_seed(9)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    with torch.no_grad():
        output: torch.Tensor = networks["transformer"](
            normal(2, 8, 11),
            torch.tensor([0.3, 0.8]),
            encoder_hidden_states=normal(2, 6, 32),
            global_hidden_states=networks["duration_embedder"](torch.tensor([1.0, 3.0])),
            local_add_cond=normal(2, 9, 11),
            return_dict=False,
        )[0]
    return output


def loaded(networks: Parts, path: Path, scale: float = 1.0) -> Parts:
    load_adapter(networks["transformer"], path, scale, {}, {"duration_embedder": networks["duration_embedder"]})
    return networks


@pytest.mark.parametrize("differential", [True, False])
@pytest.mark.parametrize("kind", ["lora", "dora-rows", "dora"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_every_layer_is_exact_by_the_published_formula(
    tmp_path: Path, kind: str, differential: bool, scale: float
) -> None:
    networks = parts(differential)
    tensors = draw(networks, kind, differential)
    before = played(networks)
    apply(networks, tensors, scale, differential)
    expected = played(networks)
    assert (expected - before).abs().max() > 0.1
    found = loaded(parts(differential), write(tmp_path / "a.safetensors", tensors, adapter_type=kind), scale)
    torch.testing.assert_close(played(found), expected, atol=1e-5, rtol=1e-5)
    for part, layer, _ in published(differential).values():
        assert hasattr(found[part].get_submodule(layer), "lora_A")


def test_scale_zero_is_the_base_bit_for_bit(tmp_path: Path) -> None:
    networks = parts()
    path = write(tmp_path / "a.safetensors", draw(networks, "dora", True), adapter_type="dora-rows")
    assert torch.equal(played(loaded(parts(), path, 0.0)), played(networks))


def test_a_wrong_order_of_the_attention_would_be_heard(tmp_path: Path) -> None:
    networks = parts()
    tensors = {name: value for name, value in draw(networks, "lora", True).items() if "to_qkv" in name}
    found = played(loaded(parts(), write(tmp_path / "a.safetensors", tensors)))
    swapped = {name: here(v, (0, 3, 1, 4, 2)) if name.endswith("lora_B") else v for name, v in tensors.items()}
    other = played(loaded(parts(), write(tmp_path / "b.safetensors", swapped)))
    assert (found - other).abs().max() > 1e-3


@pytest.mark.parametrize("prefix", ["", "model.", "diffusion."])
def test_prefixes_halves_and_checkpoints(tmp_path: Path, prefix: str) -> None:
    """As the trainer exports them: half precision; its Lightning checkpoints hold the same beside the settings."""
    networks = parts()
    tensors = {name: value.half() for name, value in draw(networks, "lora", True).items()}
    apply(networks, {name: value.float() for name, value in tensors.items()}, 1.0, True)
    if prefix == "diffusion.":
        torch.save({"state_dict": tensors, "lora_config": {"rank": RANK, "alpha": 6}}, tmp_path / "a.ckpt")
        path = tmp_path / "a.ckpt"
    else:
        named = {name.removeprefix("model.") if not prefix else name: value for name, value in tensors.items()}
        path = write(tmp_path / "a.safetensors", named)
    torch.testing.assert_close(played(loaded(parts(), path)), played(networks), atol=1e-5, rtol=1e-5)


def test_some_layers_alone_change_these_alone(tmp_path: Path) -> None:
    networks = parts()
    tensors = {name: value for name, value in draw(networks, "lora", True).items() if "layers.1.ff" in name}
    apply(networks, tensors, 1.0, True)
    path = write(tmp_path / "a.safetensors", tensors, include=["layers.1.ff"])
    torch.testing.assert_close(played(loaded(parts(), path)), played(networks), atol=1e-5, rtol=1e-5)


def test_what_a_file_does_not_say(tmp_path: Path) -> None:
    tensors = draw(parts(), "lora", True)
    save_file(tensors, tmp_path / "bare.safetensors")
    bare = read_adapter(tmp_path / "bare.safetensors")
    assert bare.assumed_alpha and {layer.alpha for layer in bare.layers.values()} == {None}
    told = read_adapter(write(tmp_path / "told.safetensors", tensors, alpha=None))
    assert not told.assumed_alpha and {layer.alpha for layer in told.layers.values()} == {None}
    assert {layer.alpha for layer in read_adapter(write(tmp_path / "a.safetensors", tensors)).layers.values()} == {6.0}


def test_outputs_without_weights_stay_as_the_trainer_has_them(tmp_path: Path) -> None:
    """A row of zeros has no direction: the trainer adds 1e-12 to its norm, peft divides by it."""
    networks, others = parts(), parts()
    for network in (networks, others):
        network["transformer"].preprocess_conv.weight.data[:3] = 0
    tensors = draw(networks, "dora-rows", True)
    key = "model.preprocess_conv.parametrizations.weight.0"
    tensors[f"{key}.lora_B"][:2] = 0
    tensors[f"{key}.magnitude"][0] = 0
    apply(networks, tensors, 1.0, True)
    found = played(loaded(others, write(tmp_path / "a.safetensors", tensors, adapter_type="dora-rows")))
    torch.testing.assert_close(found, played(networks), atol=1e-5, rtol=1e-5)


KINDS = ("dora-cols", "bora", "lora-xs", "dora-rows-xs", "dora-cols-xs", "bora-xs", "lokr", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_are_refused_by_name_in_a_line(tmp_path: Path, kind: Any) -> None:
    path = write(tmp_path / "a.safetensors", draw(parts(), "lora", True), adapter_type=kind)
    with pytest.raises(UsageError, match=str(kind)) as raised:
        read_adapter(path)
    assert "\n" not in str(raised.value) and "dora-rows" in str(raised.value)


KEY = "model.transformer.project_in.parametrizations.weight.0"
FAULTS: dict[str, tuple[dict[str, torch.Tensor], dict[str, Any] | None, type[TunebenchError], str]] = {
    "a core": ({f"{KEY}.M_xs": torch.ones(3, 3)}, None, UsageError, "LoRA-XS"),
    "two magnitudes": ({f"{KEY}.magnitude_r": torch.ones(32)}, None, UsageError, "BoRA"),
    "magnitudes of inputs": ({f"{KEY}.magnitude": torch.ones(1, 8)}, {"adapter_type": "dora"}, UsageError, "dora-cols"),
    "magnitudes of nothing known": ({f"{KEY}.magnitude": torch.ones(32)}, None, UsageError, "lora_config"),
    "magnitudes of lora": ({f"{KEY}.magnitude": torch.ones(32)}, {}, DataError, "magnitudes"),
    "no magnitudes of dora": ({}, {"adapter_type": "dora-rows"}, DataError, "no magnitudes"),
    "another rank": ({}, {"rank": 4}, DataError, "rank 4"),
    "no rank": ({}, {"rank": "3"}, DataError, "rank"),
    "no alpha": ({}, {"alpha": float("nan")}, DataError, "alpha"),
    "NaN": ({f"{KEY}.lora_A": torch.full((3, 8), torch.nan)}, {}, DataError, KEY),
    "one factor": ({f"{KEY}.lora_B": torch.ones(32, 2)}, {}, DataError, "'model.transformer.project_in'"),
    "another format": ({"transformer_blocks.0.ff.proj_in.lora_A.weight": torch.ones(3, 32),
                        "transformer_blocks.0.ff.proj_in.lora_B.weight": torch.ones(128, 3)}, {}, UsageError, "peft"),
    "no layer": ({f"model.nothing.parametrizations.weight.0.{r}": torch.ones(3, 3) for r in ("lora_A", "lora_B")}, {},
                 UsageError, "model.nothing"),
    "another size": ({f"{KEY}.lora_A": torch.ones(3, 9)}, {}, UsageError, "32×9"),
    "text of another part": ({f"conditioners.prompt.proj_out.parametrizations.weight.0.{r}": torch.ones(3, 3)
                              for r in ("lora_A", "lora_B")}, {}, UsageError, "conditioners.prompt.proj_out"),
    "all of a weight": ({"model.transformer.project_in.weight": torch.ones(32, 8)}, {}, UsageError, "in.weight"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, fault: str) -> None:
    tensors, config, error, named = FAULTS[fault]
    whole = {name: value for name, value in draw(parts(), "lora", True).items() if name.startswith(KEY)} | tensors
    path = tmp_path / "a.safetensors"
    if config is None:
        save_file(whole, path)
    else:
        write(path, whole, **config)
    networks = parts()
    with pytest.raises(TunebenchError) as raised:
        loaded(networks, path)
    assert type(raised.value) is error and named in str(raised.value) and "\n" not in str(raised.value)
    assert torch.equal(played(networks), played(parts()))


@pytest.mark.parametrize("config", ["{", "[]", "3", '"lora"', "null"])
def test_a_damaged_description_is_named(tmp_path: Path, config: str) -> None:
    save_file(draw(parts(), "lora", True), tmp_path / "a.safetensors", metadata={"lora_config": config})
    with pytest.raises(DataError, match="lora_config"):
        read_adapter(tmp_path / "a.safetensors")


values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**400), st.floats(), st.text(max_size=9), st.lists(st.none())
)
configs = st.dictionaries(
    st.sampled_from(["rank", "alpha", "adapter_type", "include", "dropout"]),
    st.one_of(values, st.sampled_from(["lora", "dora", "dora-rows", RANK, 6.0])),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs, magnitudes=st.booleans())
def test_whatever_a_file_says_of_itself_is_read_or_refused_in_a_line(
    tmp_path: Path, config: dict[str, Any], magnitudes: bool
) -> None:
    tensors = {f"{KEY}.lora_A": torch.ones(RANK, 8), f"{KEY}.lora_B": torch.ones(32, RANK)}
    more = {f"{KEY}.magnitude": torch.ones(32)} if magnitudes else {}
    save_file(tensors | more, tmp_path / "a.safetensors", metadata={"lora_config": json.dumps(config)})
    try:
        (layer,) = read_adapter(tmp_path / "a.safetensors").layers.values()
    except TunebenchError as error:
        assert str(error).isprintable()
        return
    assert config.get("adapter_type", "lora") in (("dora", "dora-rows") if magnitudes else ("lora",))
    assert config.get("rank") in (None, RANK) and layer.alpha == config.get("alpha")


def test_naming_the_model_and_its_adapters_imports_no_network_library() -> None:
    named = "models.stable_audio_3, models.stable_audio_3_adapter, models.adapter_files, models.training.config"
    code = f"import sys, {named}; sys.exit(bool({{'torch', 'diffusers', 'transformers', 'peft'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", ["stable-audio", "audioldm"])
def test_other_models_refuse_it_by_name(tmp_path: Path, kind: str) -> None:
    """Even where names and shapes would fit, as those of Stable Audio Open do."""
    network = tiny.network(kind, tiny.make(kind, tmp_path / "base"))
    tensors = {
        "transformer.layers.0.self_attn.to_out.parametrizations.weight.0.lora_A": torch.ones(3, 32),
        "transformer.layers.0.self_attn.to_out.parametrizations.weight.0.lora_B": torch.ones(32, 3),
    }
    with pytest.raises(UsageError, match=r"Stable Audio 3.*'stable-audio-3'"):
        load_adapter(network, write(tmp_path / "a.safetensors", tensors), 1.0, {})


@pytest.mark.parametrize("differential", [True, False])
@pytest.mark.parametrize("dora", [True, False])
def test_what_is_written_is_read_as_it_was(tmp_path: Path, dora: bool, differential: bool) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    network = parts(differential)["transformer"]
    leaves = ["to_qkv", "to_q", "to_kv", "to_out", "proj_in", "proj_out", "to_cond_embed.0", "preprocess_conv",
              "global_cond_embedder.2"]  # fmt: skip
    inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=5, target_modules=leaves, use_dora=dora), network)
    for number, (name, weight) in enumerate(network.named_parameters()):
        if "lora_" in name:
            generator = torch.Generator().manual_seed(number)
            drawn = torch.randn(weight.shape, generator=generator) * 0.2
            weight.data = drawn if "magnitude" not in name else weight.data + drawn.abs()
    (tmp_path / "own.safetensors").write_bytes(own_file(network))
    written = load_file(tmp_path / "own.safetensors")
    assert {name.partition(".parametrizations")[0] for name in written} <= set(published(differential))
    found = loaded(parts(differential), tmp_path / "own.safetensors")["transformer"]
    for name, weight in network.named_parameters():
        if "lora_" in name:
            assert torch.equal(found.get_parameter(name), weight), name
    whole = parts(differential)
    expected = played({**whole, "transformer": network.eval()})
    torch.testing.assert_close(played({**whole, "transformer": found}), expected, atol=1e-5, rtol=1e-5)
