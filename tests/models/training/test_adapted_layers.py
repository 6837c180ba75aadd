"""Which layers LoRA adapts, and that a network with a new adapter is still its base."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from bench.errors import UsageError
from models import tiny
from models.training.adapted_layers import adapted_layers
from models.training.base import Batch
from models.training.config import TrainConfig, parse_train_config
from models.training.lora import prepare, trainable
from models.training.preview import preview
from models.training.registry import open_trainee

torch.set_num_threads(1)


def config(checkpoint: Path, **changes: Any) -> TrainConfig:
    kind = "stable-audio" if (checkpoint / "transformer").is_dir() else "audioldm"
    content: dict[str, Any] = {
        "base": {"kind": kind, "checkpoint": str(checkpoint)},
        "data": {"path": "composer"},
        "lora": {"rank": 2},
        "steps": 1,
        "device": "cpu",
    }
    return parse_train_config(content | changes)


@pytest.fixture(params=["stable_audio_folder", "audioldm_folder"])
def checkpoint(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def adapted(checkpoint: Path, targets: Any) -> dict[str, torch.nn.Module]:
    """The layers that are adapted, with what they were."""
    wanted = config(checkpoint, lora={"rank": 2, "targets": targets})
    trainee = open_trainee(wanted)
    prepare(trainee, wanted)
    parts = trainee.network.named_modules()
    return {name: part.get_base_layer() for name, part in parts if isinstance(part, LoraLayer)}


@pytest.fixture(scope="module")
def network(stable_audio_folder: Path) -> nn.Module:
    return tiny.network("stable-audio", stable_audio_folder)


@pytest.fixture(scope="module")
def unet(audioldm_folder: Path) -> nn.Module:
    return tiny.network("audioldm", audioldm_folder)


def layers(network: nn.Module, *kinds: type[nn.Module]) -> set[str]:
    return {name for name, part in network.named_modules() if isinstance(part, kinds)}


def test_all_linear_is_every_linear_layer(checkpoint: Path) -> None:
    found = adapted(checkpoint, "all-linear")
    assert set(found) == layers(open_trainee(config(checkpoint)).network, nn.Linear)


@pytest.mark.parametrize(
    "pattern", [r".*\.to_[qk]", r".*conv.*", r"(?i).*PROJ.*", r"(transformer_blocks|mid_block)\..*"]
)
def test_a_regular_expression_is_matched_with_whole_names(network: nn.Module, unet: nn.Module, pattern: str) -> None:
    for part in (network, unet):
        names = layers(part, nn.Linear, nn.Conv1d, nn.Conv2d)
        found = adapted_layers(part, pattern)
        assert isinstance(found, list)
        assert set(found) == {name for name in names if re.fullmatch(pattern, name)} != set()


def test_every_layer_in_the_transformer_as_loraw_adapts_them(stable_audio_folder: Path) -> None:
    found = adapted(stable_audio_folder, r"transformer_blocks\..*|proj_in|proj_out")
    outside = {"preprocess_conv", "postprocess_conv", "timestep_proj", "global_proj", "cross_attention_proj"}
    everything = layers(tiny.network("stable-audio", stable_audio_folder), nn.Linear, nn.Conv1d)
    assert set(found) == {name for name in everything if name.partition(".")[0] not in outside}


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ("to_q", "transformer_blocks.0.attn1.to_q"),  # the end of a name, as in a list
        (r"transformer_blocks\.0\.attn1\.to_kq", "transformer_blocks.0.attn1.to_k"),
        ("transformer_blocks", "transformer_blocks.0"),  # what is no layer
        ("(to_q", "'(to_q'"),
        (r"(\w|\w\w|\.|\w\.)+[\da-c]{3}", " 1 s;"),  # would go on for ever
        (["to_q", "to_queue"], "to_queue"),
        ([""], "nothing"),
    ],
)
def test_targets_that_are_no_layers_are_refused_with_those_that_are_near(
    network: nn.Module, targets: Any, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        adapted_layers(network, targets if isinstance(targets, str) else tuple(targets))
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_no_layer_but_a_part_of_the_network_is_refused(stable_audio_folder: Path) -> None:
    wanted = config(stable_audio_folder, lora={"targets": ["transformer_blocks.0"]})
    with pytest.raises(UsageError, match=r"transformer_blocks\.0"):
        prepare(open_trainee(wanted), wanted)


@pytest.mark.parametrize("lora", [{"targets": ""}, {"targets": 5}, {"targets": [1]}, {"dora": "yes please"}])
def test_settings_of_other_kinds_are_refused(stable_audio_folder: Path, lora: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"lora.{next(iter(lora))}"):
        config(stable_audio_folder, lora=lora)


def test_full_training_has_nothing_to_decompose(stable_audio_folder: Path) -> None:
    with pytest.raises(UsageError, match=r"lora\.dora"):
        config(stable_audio_folder, method="full", lora={"dora": True})


NAMES = ("a", "b.a", "c.b.a", "c.a", "c.bb", "bb", "c.b.d.a")


def of_names(names: Iterable[str]) -> nn.Module:
    """A network with a linear layer of each name."""
    root = nn.Module()
    for name in names:
        *folders, last = name.split(".")
        place = root
        for folder in folders:
            if not hasattr(place, folder):
                place.add_module(folder, nn.Module())
            place = getattr(place, folder)
        place.add_module(last, nn.Linear(2, 2))
    return root


@given(st.sets(st.sampled_from(NAMES), min_size=1))
def test_peft_adapts_the_chosen_layers_and_no_other(chosen: set[str]) -> None:
    """Also where the name of one is the end of another's."""
    pattern = "|".join(map(re.escape, sorted(chosen)))
    settings = LoraConfig(r=1, target_modules=adapted_layers(of_names(NAMES), pattern))
    made = inject_adapter_in_model(settings, of_names(NAMES))
    assert {name for name, part in made.named_modules() if isinstance(part, LoraLayer)} == chosen


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_new_adapter_with_magnitudes_leaves_the_base_bit_for_bit(checkpoint: Path, precision: str) -> None:
    plain = config(checkpoint, precision=precision)
    wanted = config(checkpoint, precision=precision, lora={"rank": 2, "dora": True, "targets": ".*(to_q|proj|conv).*"})
    base, trainee = open_trainee(plain), open_trainee(wanted)
    prepare(base, plain)
    prepare(trainee, wanted)
    rng = torch.Generator().manual_seed(0)
    shape = (2, 8, 16) if "transformer" in {path.name for path in checkpoint.iterdir()} else (2, 4, 16, 4)
    batch = Batch(
        latents=torch.randn(shape, generator=rng),
        condition=trainee.joined([trainee.condition("slow jazz"), trainee.condition("loud rock")]),
        starts=torch.zeros(2),
        totals=torch.ones(2),
        times=torch.tensor([0.3, 0.7]),
        noise=torch.randn(shape, generator=rng),
        dropped=torch.tensor([False, True]),
    )
    losses = trainee.losses(trainee.network, batch)
    assert torch.equal(losses, base.losses(base.network, batch))
    weights = trainable(trainee.network)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    losses.sum().backward()
    learning = {name for name, weight in weights.items() if weight.grad is not None and weight.grad.abs().max() > 0}
    assert {name for name in weights if "magnitude" in name or "lora_B" in name} <= learning


def test_a_dry_run_counts_magnitudes(audioldm_folder: Path, unet: nn.Module) -> None:
    lora = {"rank": 2, "targets": "all-linear"}
    plain, wanted = (config(audioldm_folder, lora=lora | {"dora": dora}) for dora in (False, True))
    trainee = open_trainee(wanted)
    prepare(trainee, wanted)
    told, without = preview(wanted).weights, preview(plain).weights
    assert told is not None and without is not None
    assert told.trained == sum(weight.numel() for weight in trainable(trainee.network).values())
    outputs = sum(part.out_features for part in unet.modules() if isinstance(part, nn.Linear))
    assert told.trained - without.trained == outputs
