"""Checkpoints with a tensor too few, too many or of another kind are refused by name, and none is filled at random."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file

from bench import GenerationRequest, MusicModel, Prompt
from bench.contracts.plugins import create, find
from bench.errors import DataError, MissingError
from bench.network_weights import load_network
from models import tiny
from models.pipeline_parts import network_classes
from models.training.config import parse_train_config
from models.training.merging import merge
from models.training.registry import open_trainee

pytestmark = pytest.mark.slow(20)

State = dict[str, torch.Tensor]
WHOLE = "."  # the one network of a checkpoint that is no pipeline
PARTS = [
    *(("stable-audio", part) for part in ("projection_model", "text_encoder", "transformer", "vae")),
    *(("stable-audio-3", part) for part in ("duration_embedder", "text_encoder", "transformer", "vae")),
    *(("audioldm", part) for part in ("text_encoder", "unet", "vae", "vocoder")),
    *(("audioldm2", part) for part in ("language_model", "projection_model", "text_encoder", "text_encoder_2")),
    *(("audioldm2", part) for part in ("unet", "vae", "vocoder")),
    ("musicgen", WHOLE),
    *(("ace-step", part) for part in ("condition_encoder", "text_encoder", "transformer", "vae")),
    *(("longcat-audio", part) for part in ("text_encoder", "transformer", "vae")),
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {kind: tiny.make(kind, folder / kind) for kind in tiny.KINDS}


def weights(part: Path) -> Path:
    return next(part.glob("*.safetensors"))


def rewritten(checkpoint: Path, part: str, to: Path, change: Callable[[State], State]) -> Path:
    """A copy in which the weights of one part are what the change makes of them."""
    folder = Path(shutil.copytree(checkpoint, to, copy_function=os.link))
    file = weights(folder / part)
    state = change(load_file(file))
    file.unlink()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file, metadata={"format": "pt"})
    return folder


def network_class(folder: Path, part: str) -> Any:
    if part == WHOLE:
        return transformers.MusicgenForConditionalGeneration
    if part == "language_model":
        return transformers.GPT2LMHeadModel
    pipeline = json.loads((folder / "model_index.json").read_text())["_class_name"]
    return network_classes(getattr(diffusers, pipeline), folder)[part]


def some(checkpoint: Path, part: str, number: int) -> list[str]:
    """Names of floating-point weights of more than one number, drawn for each part."""
    state = load_file(weights(checkpoint / part))
    names = [name for name, tensor in sorted(state.items()) if tensor.is_floating_point() and tensor.numel() > 1]
    return random.Random(f"{checkpoint.name} {part}").sample(names, min(number, len(names)))


def without(state: State, name: str) -> State:
    return {other: tensor for other, tensor in state.items() if other != name}


def ending_in(value: float) -> Callable[[State, str], State]:
    def change(state: State, name: str) -> State:
        flat = state[name].flatten().clone()
        flat[-1] = value
        return state | {name: flat.reshape(state[name].shape)}

    return change


CHANGES: dict[str, Callable[[State, str], State]] = {
    "removed": without,
    "renamed": lambda state, name: without(state, name) | {f"{name}s": state[name]},
    "reshaped": lambda state, name: state | {name: torch.cat([state[name], state[name]])},
    "one number": lambda state, name: state | {name: state[name].flatten()[:1]},
    "whole numbers": lambda state, name: state | {name: state[name].to(torch.int8)},
    "complex": lambda state, name: state | {name: state[name].to(torch.complex64)},
    "one more": lambda state, name: state | {f"{name}.extra": torch.zeros(2)},
    "NaN": ending_in(float("nan")),
    "infinity": ending_in(float("-inf")),
}


@pytest.mark.parametrize(("kind", "part"), PARTS)
def test_each_change_of_a_tensor_is_refused_by_name(
    checkpoints: dict[str, Path], tmp_path: Path, kind: str, part: str
) -> None:
    network = network_class(checkpoints[kind], part)
    first, *others = some(checkpoints[kind], part, 4)
    cases = [*((change, first) for change in CHANGES), *(("removed", name) for name in others)]
    for number, (change, name) in enumerate(cases):
        change_of = CHANGES[change]
        folder = rewritten(checkpoints[kind], part, tmp_path / str(number), lambda s, c=change_of, n=name: c(s, n))  # type: ignore[misc]
        with pytest.raises(DataError) as caught:
            load_network(network, folder / part)
        assert f"'{name}" in str(caught.value), change
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "part", "inner", "key", "named"),
    [
        ("musicgen", WHOLE, "decoder", "num_hidden_layers", "'decoder.model.decoder.layers.1."),
        ("musicgen", WHOLE, "text_encoder", "num_layers", "'text_encoder.encoder.block.1."),
        ("stable-audio", "transformer", None, "num_layers", "'transformer_blocks.1."),
        ("audioldm", "text_encoder", None, "num_hidden_layers", "'text_model.encoder.layer.1."),
        ("audioldm2", "language_model", None, "n_layer", "'transformer.h.1."),
    ],
)
def test_weights_of_more_layers_than_the_configuration_says_are_not_used_in_part(
    checkpoints: dict[str, Path], tmp_path: Path, kind: str, part: str, inner: str | None, key: str, named: str
) -> None:
    folder = Path(shutil.copytree(checkpoints[kind] / part, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    settings = config[inner] if inner else config
    assert settings[key] == 2
    settings[key] = 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError) as caught:
        load_network(network_class(checkpoints[kind], part), folder)
    assert named in str(caught.value)


@pytest.mark.parametrize(("kind", "part"), PARTS)
def test_no_clip_is_made_with_a_part_that_is_not_whole(
    checkpoints: dict[str, Path], tmp_path: Path, kind: str, part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (name,) = some(checkpoints[kind], part, 1)
    folder = rewritten(checkpoints[kind], part, tmp_path / "copy", lambda state: without(state, name))
    model = create(find("model", kind), {"checkpoint": str(folder), "device": "cpu"}, MusicModel)
    request = GenerationRequest(Prompt(id="p", text="slow jazz", genre="jazz", level=1), 0, 0.2)
    for _ in range(2):
        with pytest.raises(DataError, match=f"'{name}'"):
            model.generate([request])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("kind", "part"), [pair for pair in PARTS if pair[0] in ("stable-audio", "audioldm")])
def test_nothing_is_trained_or_merged_on_a_part_that_is_not_finite(
    checkpoints: dict[str, Path], tmp_path: Path, kind: str, part: str
) -> None:
    (name,) = some(checkpoints[kind], part, 1)
    folder = rewritten(checkpoints[kind], part, tmp_path / "copy", lambda state: CHANGES["NaN"](state, name))
    base = {"kind": kind, "checkpoint": str(folder)}
    with pytest.raises(DataError, match=f"'{name}'"):
        open_trainee(parse_train_config({"base": base, "data": {"path": str(tmp_path)}, "steps": 1}))
    if part in ("transformer", "unet"):
        adapter = tiny.make_adapter(kind, checkpoints[kind], tmp_path / "adapter", base="some/base")
        with pytest.raises(DataError, match=f"'{name}'"):
            merge(adapter, tmp_path / "merged", str(folder))
        assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("kind", ["audioldm", "stable-audio"])
def test_a_library_without_the_pipeline_is_named_and_not_the_checkpoint(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    pipeline = {"audioldm": "AudioLDMPipeline", "stable-audio": "StableAudioPipeline"}[kind]
    monkeypatch.setattr(diffusers, pipeline, None)
    base = {"kind": kind, "checkpoint": str(checkpoints[kind])}
    with pytest.raises(MissingError, match=rf"{diffusers.__version__} .*{pipeline}.*tunebench\[diffusion\]"):
        open_trainee(parse_train_config({"base": base, "data": {"path": "composer"}, "steps": 1}))


def same(one: Any, other: Any) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return bool(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a))


def saved_in_shards(folder: Path, network: Any) -> None:
    shutil.rmtree(folder)
    network.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


@pytest.mark.parametrize(
    ("kind", "part"),
    [("stable-audio", "text_encoder"), ("audioldm", "unet"), ("audioldm2", "language_model"), ("musicgen", WHOLE)],
)
def test_shards_pickles_and_a_second_precision_are_the_same_network(
    checkpoints: dict[str, Path], tmp_path: Path, kind: str, part: str
) -> None:
    network = network_class(checkpoints[kind], part)
    folder = Path(shutil.copytree(checkpoints[kind] / part, tmp_path / "copy"))
    whole = load_network(network, folder)
    file = weights(folder)
    half = {name: tensor.to(torch.int8) for name, tensor in load_file(file).items()}
    save_file(half, file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert same(load_network(network, folder), whole)
    pickle = {"model.safetensors": "pytorch_model.bin"}.get(file.name, "diffusion_pytorch_model.bin")
    torch.save(load_file(file), folder / pickle)
    file.unlink()
    assert same(load_network(network, folder), whole)
    saved_in_shards(folder, whole)
    assert same(load_network(network, folder), whole)


OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def of_old_attention(state: State) -> State:
    """Names that autoencoders had when AudioLDM was published."""

    def old(name: str) -> str:
        for new, before in OLD_ATTENTION.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        return name

    return {old(name): tensor for name, tensor in state.items()}


PUBLISHED: dict[str, tuple[str, str, Callable[[State], State]]] = {
    "positions of a text": (
        "audioldm",
        "text_encoder",
        lambda s: without(s, "text_model.embeddings.position_ids"),
    ),
    "positions of a sequence": (
        "musicgen",
        WHOLE,
        lambda s: s | {"decoder.model.decoder.embed_positions.weights": torch.zeros(2048, 32)},
    ),
    "embeddings under the other of their names": (
        "stable-audio",
        "text_encoder",
        lambda s: without(s, "shared.weight") | {"encoder.embed_tokens.weight": s["shared.weight"]},
    ),
    "a language model without its head, with masks": (
        "audioldm2",
        "language_model",
        lambda s: (
            {name.removeprefix("transformer."): tensor for name, tensor in s.items()}
            | {f"h.{layer}.attn.bias": torch.ones(1, 1, 256, 256, dtype=torch.bool) for layer in (0, 1)}
        ),
    ),
    "attention before it was renamed": ("audioldm", "vae", of_old_attention),
    "double precision": ("audioldm", "vocoder", lambda s: {name: tensor.double() for name, tensor in s.items()}),
    "normalization under its newer names": (
        "musicgen",
        WHOLE,
        lambda s: {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): tensor
            for name, tensor in s.items()
        },
    ),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_names_that_published_checkpoints_have_are_no_fault(
    checkpoints: dict[str, Path], tmp_path: Path, case: str
) -> None:
    kind, part, change = PUBLISHED[case]
    network = network_class(checkpoints[kind], part)
    folder = rewritten(checkpoints[kind], part, tmp_path / "copy", change)
    renamed = load_file(weights(folder / part)).keys() != load_file(weights(checkpoints[kind] / part)).keys()
    assert renamed or case == "double precision"
    found = load_network(network, folder / part, torch_dtype=torch.float32)
    assert same(found, load_network(network, checkpoints[kind] / part, torch_dtype=torch.float32))


def test_weights_too_large_for_half_precision_are_named_with_the_precision_that_holds_them(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    (name,) = some(checkpoints["audioldm"], "unet", 1)
    folder = rewritten(checkpoints["audioldm"], "unet", tmp_path / "copy", lambda s: ending_in(1e6)(s, name))
    network = network_class(folder, "unet")
    assert load_network(network, folder / "unet", torch_dtype=torch.float32).dtype == torch.float32
    with pytest.raises(DataError, match=rf"'{name}'.*dtype: float32"):
        load_network(network, folder / "unet", torch_dtype=torch.float16)
