"""What is no plain LoRA is refused by its name; whatever a file holds, it is read exactly or refused in a line."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
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
from models import tiny
from models.adapter_files import PEFT_ALPHA, read_adapter
from models.adapter_names import NAMINGS, WRAPPERS, LayerNames
from models.adapters import identity, load_adapter

torch.set_num_threads(1)

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Path:
    return tiny.make_adapter("stable-audio", folder, folder.parent / "adapter", rank=3)


@pytest.fixture(scope="module")
def network(folder: Path) -> Any:
    return tiny.network("stable-audio", folder)


@pytest.fixture(scope="module")
def names(network: Any) -> LayerNames:
    return LayerNames({"transformer": network})


def changed(adapter: Path, folder: Path, tensors: Mapping[str, torch.Tensor] | None = None, **settings: Any) -> Path:
    """A copy of an adapter with other settings, without those that are set to ..., and with other tensors."""
    folder.mkdir(exist_ok=True)
    save_file(dict(tensors or load_file(adapter / "adapter_model.safetensors")), folder / "adapter_model.safetensors")
    config = json.loads((adapter / "adapter_config.json").read_text()) | settings
    kept = {name: value for name, value in config.items() if value is not ...}
    (folder / "adapter_config.json").write_text(json.dumps(kept))
    return folder


def refusal(network: Any, path: Path) -> tuple[type[Exception], str]:
    """The class and the text of what loading an adapter raises; the network must be as it was."""
    before = [name for name, _ in network.named_parameters()]
    with pytest.raises(TunebenchError) as raised:
        load_adapter(network, path, 1.0, {})
    assert [name for name, _ in network.named_parameters()] == before
    assert "\n" not in str(raised.value)
    return type(raised.value), str(raised.value)


SETTINGS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"init_lora_weights": "pissa"}, UsageError, "pissa"),
    ({"init_lora_weights": "pissa_niter_16"}, UsageError, "pissa_niter_16"),
    ({"init_lora_weights": "olora"}, UsageError, "olora"),
    ({"init_lora_weights": "corda"}, UsageError, "corda"),
    ({"init_lora_weights": "loftq"}, UsageError, "loftq"),
    ({"init_lora_weights": "lora_ga"}, UsageError, "lora_ga"),
    ({"use_dora": True}, DataError, "use_dora"),
    ({"target_modules": ["to_q", "to_k", "to_v", "to_out.0", "proj_in"]}, DataError, "proj_in"),
    ({"target_modules": r".*\.(to_.|to_out\.0|net\.2)"}, DataError, "ff.net.2"),
    ({"target_modules": "all-linear"}, DataError, "lacks layers"),
    ({"kasa_config": {"beta": 1}}, UsageError, "kasa_config"),
    ({"alora_invocation_tokens": [1]}, UsageError, "alora_invocation_tokens"),
    ({"use_qalora": True}, UsageError, "use_qalora"),
    ({"lora_bias": True}, UsageError, "lora_bias"),
    ({"peft_type": "IA3"}, UsageError, "IA3"),
    ({"lora_alpha": None}, DataError, "lora_alpha"),
    ({"lora_alpha": "8"}, DataError, "lora_alpha"),
    ({"rank_pattern": {"(": 1}}, DataError, "rank_pattern"),
    ({"target_modules": 3}, DataError, "target_modules"),
]


@pytest.mark.parametrize(("given", "error", "named"), SETTINGS)
def test_settings_that_mean_something_else_are_refused_by_name(
    network: Any, adapter: Path, tmp_path: Path, given: dict[str, Any], error: type[Exception], named: str
) -> None:
    found, text = refusal(network, changed(adapter, tmp_path, **given))
    assert found is error and named in text


@pytest.mark.parametrize("start", [True, False, "gaussian", "eva", "orthogonal", "mica"])
def test_starts_that_leave_the_base_alone_are_read(adapter: Path, tmp_path: Path, start: object) -> None:
    assert read_adapter(changed(adapter, tmp_path, init_lora_weights=start)).layers


def test_an_absent_alpha_is_that_of_peft(folder: Path, adapter: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    path = changed(adapter, tmp_path, lora_alpha=..., base_model_name_or_path=None)
    read = read_adapter(path)
    assert (identity(path)["alpha"], "alpha" in identity(adapter)) == (PEFT_ALPHA, False)
    assert (read.assumed_alpha, read.default_alpha, read_adapter(adapter).assumed_alpha) == (True, PEFT_ALPHA, False)
    theirs = PeftModel.from_pretrained(tiny.network("stable-audio", folder), path).base_model.model
    ours = load_adapter(tiny.network("stable-audio", folder), path, 1.0, {})
    layer = "transformer_blocks.1.attn2.to_v"
    inputs = torch.ones((1, 32))
    torch.testing.assert_close(ours.get_submodule(layer)(inputs), theirs.get_submodule(layer)(inputs))
    assert ours.get_submodule(layer).scaling == {"default": PEFT_ALPHA / 3}


def some(adapter: Path, layers: int) -> dict[str, torch.Tensor]:
    tensors = load_file(adapter / "adapter_model.safetensors")
    kept = sorted({name.rpartition(".lora_")[0] for name in tensors})[:layers]
    return {name: value for name, value in tensors.items() if name.startswith(tuple(kept))}


LAYER = "base_model.model.transformer_blocks.0.attn1.to_q"
OTHERS = [
    ({f"{LAYER}.hada_w1_a": torch.ones(2, 2)}, UsageError, "LoHa"),
    ({f"{LAYER}.lokr_w1": torch.ones(2, 2)}, DataError, "LoKr"),
    ({f"{LAYER}.lora_mid.weight": torch.ones(2, 2, 1, 1)}, UsageError, "LoCon"),
    ({f"{LAYER}.lora_B.bias": torch.ones(32)}, UsageError, "lora_bias"),
    ({"transformer.layers.0.self_attn.to_out.parametrizations.weight.0.lora_A": torch.ones(2, 32)}, UsageError,
     "Stable Audio 3"),
    ({"base_model.model.proj_in.weight": torch.ones(32, 8)}, UsageError, "proj_in.weight"),
    ({"proj_unknown.weight": torch.ones(32, 8)}, UsageError, "'proj_unknown.weight'"),
    ({f"{LAYER}.lora_magnitude_vector": torch.ones(32)}, DataError, "use_dora"),
    ({f"{LAYER}.lora_magnitude_vector": torch.ones(31)}, UsageError, "31 magnitudes"),
    ({f"{LAYER}.lora_A.weight": torch.full((3, 32), torch.nan)}, DataError, f"{LAYER}.lora_A.weight"),
    ({f"{LAYER}.lora_B.weight": torch.full((32, 3), torch.inf)}, DataError, f"{LAYER}.lora_B.weight"),
    ({f"{LAYER}.lora_B.weight": torch.ones((32, 3), dtype=torch.int32)}, DataError, "int32"),
    ({f"{LAYER}.lora_B.weight": torch.ones((32, 2))}, DataError, f"'{LAYER}'"),
    ({"transformer.transformer_blocks.0.attn1.to_q.lora_A.weight": torch.ones(3, 32),
      "transformer.transformer_blocks.0.attn1.to_q.lora_B.weight": torch.ones(32, 3)}, UsageError, "two pairs"),
    ({"text_encoder.encoder.q.lora_A.weight": torch.ones(3, 32),
      "text_encoder.encoder.q.lora_B.weight": torch.ones(32, 3)}, UsageError, "text_encoder"),
]  # fmt: skip


@pytest.mark.parametrize(("tensors", "error", "named"), OTHERS)
def test_tensors_that_are_no_plain_lora_are_refused_by_name(
    network: Any, adapter: Path, tmp_path: Path, tensors: dict[str, torch.Tensor], error: type[Exception], named: str
) -> None:
    whole = load_file(adapter / "adapter_model.safetensors")
    found, text = refusal(network, changed(adapter, tmp_path, whole | tensors))
    assert found is error and named in text


def test_layers_that_the_settings_name_and_the_file_lacks(network: Any, adapter: Path, tmp_path: Path) -> None:
    found, text = refusal(network, changed(adapter, tmp_path, some(adapter, 5)))
    assert found is DataError and "11 of them" in text


@pytest.mark.parametrize("suffix", ["safetensors", "ckpt"])
def test_stable_audio_3_is_refused_by_its_name(network: Any, tmp_path: Path, suffix: str) -> None:
    told = {"rank": 2, "alpha": 2, "adapter_type": "lora"}
    weights = {f"{LAYER}.lora_A.weight": torch.ones(2, 32), f"{LAYER}.lora_B.weight": torch.ones(32, 2)}
    path = tmp_path / f"sa3.{suffix}"
    if suffix == "safetensors":
        save_file(weights, path, metadata={"lora_config": json.dumps(told)})
    else:
        torch.save({"state_dict": weights, "lora_config": told}, path)
    found, text = refusal(network, path)
    assert found is UsageError and "Stable Audio 3" in text


def test_magnitudes_of_inputs_are_refused(network: Any, tmp_path: Path) -> None:
    key = "lora_unet_transformer_blocks_0_attn1_to_q"
    weights = {f"{key}.lora_down.weight": torch.ones(2, 32), f"{key}.lora_up.weight": torch.ones(32, 2)}
    save_file(weights | {f"{key}.dora_scale": torch.ones(1, 32)}, tmp_path / "old.safetensors")
    found, text = refusal(network, tmp_path / "old.safetensors")
    assert found is UsageError and "magnitude" in text


@quick
@given(
    wrappers=st.lists(st.sampled_from([w for w in WRAPPERS if not w.startswith(("lora_", "lycoris_"))]), max_size=4),
    ways=st.sampled_from([".", "_", "lora_unet_"]),
    data=st.data(),
)
def test_every_combination_of_prefixes_leads_to_the_layer(
    names: LayerNames, network: Any, wrappers: list[str], ways: str, data: st.DataObject
) -> None:
    layers = [name for name, layer in network.named_modules() if getattr(getattr(layer, "weight", None), "ndim", 0) > 1]
    layer, naming = data.draw(st.sampled_from(layers)), data.draw(st.sampled_from(sorted(NAMINGS)))
    for name, piece in NAMINGS[naming](layer):
        written = "".join(wrappers) + name
        if ways != ".":
            written = written.replace(".", "_")
        if ways == "lora_unet_":
            written = ways + written
        match = names.find(written)
        assert match is not None and (layer, piece) in [(place.layer, place.piece) for place in match.places]
        assert sorted(place.piece for place in match.places) == [(i, piece[1]) for i in range(piece[1])]


words = st.sampled_from(
    ["transformer", "layers", "0", "1", "attn1", "to_q", "to_qkv", "self_attn", "proj_in", "model", "base_model",
     "text_encoder", "lora_unet", "lora_A", "lora_up", "weight", "alpha", "default", "transformer_blocks", ""]
)  # fmt: skip
keys = st.one_of(
    st.lists(words, min_size=1, max_size=9).flatmap(
        lambda parts: st.sampled_from(["._/"[i] for i in range(3)]).map(lambda between: between.join(parts))
    ),
    st.text(string.printable, min_size=1, max_size=30),
)


@quick
@given(name=keys)
def test_a_name_is_one_layers_or_none(names: LayerNames, network: Any, name: str) -> None:
    match = names.find(name)
    if match is not None:
        spelt = {written for place in match.places for written, _ in NAMINGS[match.naming](place.layer)}
        assert name.removeprefix(match.wrapper).replace(".", "_") in {one.replace(".", "_") for one in spelt}
        assert all(network.get_submodule(place.layer) is not None for place in match.places)
    assert isinstance(names.part_of(name), str)


endings = st.sampled_from(
    [".lora_A.weight", ".lora_B.weight", ".lora_down.weight", ".lora_up.weight", ".alpha", ".lora_magnitude_vector",
     ".lora_A.default.weight", ".base_layer.weight", "/lora_up.weight", "/dora_mag.weight", ".dora_scale", "",
     ".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B", ".parametrizations.weight.1.magnitude"]
)  # fmt: skip
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 8, 16, 32]), max_size=3)
stems = st.one_of(keys, st.sampled_from([LAYER, "transformer_blocks.1.attn2.to_v", "proj_in", "layers.0.ff.ff.2"]))
tensors = st.dictionaries(st.tuples(stems, endings).map("".join), shapes, max_size=6)
values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=8), st.lists(words, max_size=3),
    st.dictionaries(st.text(max_size=6), st.integers(0, 4) | st.text(max_size=3), max_size=2),
)  # fmt: skip
configs = st.dictionaries(
    st.sampled_from(
        ["r", "lora_alpha", "target_modules", "use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "peft_type",
         "init_lora_weights", "base_model_name_or_path", "layers_pattern", "exclude_modules", "lora_bias"]
    ),
    values,
    max_size=4,
)  # fmt: skip


@quick
@given(tensors=tensors, config=configs, beside=st.booleans())
def test_any_file_is_read_exactly_or_refused_in_a_line(
    network: Any, tmp_path: Path, tensors: dict[str, list[int]], config: dict[str, object], beside: bool
) -> None:
    """By the reader and the names alone: nothing of the network is changed."""
    from models.adapter_fit import fit

    table = {name: torch.ones(shape) for name, shape in tensors.items()}
    name = "adapter_model.safetensors" if beside else "any.safetensors"
    for old in tmp_path.iterdir():
        old.unlink()
    save_file(table, tmp_path / name, metadata=None if beside else {"lora_adapter_metadata": json.dumps(config)})
    if beside:
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    try:
        fitted = fit(read_adapter(tmp_path), {"transformer": network}, {})
    except TunebenchError as error:
        assert str(error).isprintable()
        return
    assert fitted
    for one in fitted:
        weight = network.get_submodule(one.name).weight
        assert one.factors.down is not None and one.factors.up is not None
        product = one.factors.up.flatten(1) @ one.factors.down.flatten(1)
        assert product.reshape(weight.shape).shape == weight.shape


@quick
@given(header=st.binary(max_size=200))
def test_any_header_is_a_line(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "any.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises((DataError, UsageError)) as raised:
        read_adapter(path)
    assert "\n" not in str(raised.value)
