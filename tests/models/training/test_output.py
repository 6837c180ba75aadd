"""What a training leaves behind: it loads wherever such files are loaded, plays the same, and says what it is."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

import torch
from diffusers import AudioLDMPipeline, StableAudioDiTModel, StableAudioPipeline, UNet2DConditionModel
from safetensors.torch import load_file

from bench import Audio, GenerationRequest, Prompt
from bench.contracts.audio import read_audio
from bench.contracts.metric import DecodedClip
from bench.contracts.plugins import create, find
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import DataError, UsageError
from metrics.harmony import HarmonicAccuracy
from models import tiny
from models.adapters import load_adapter
from models.base_checkpoint import identity
from models.card import Card, Losses, read_card
from models.pretrained import PretrainedModel
from models.training.config import TrainConfig, parse_train_config
from models.training.dataset import Dataset, Example, Split
from models.training.describe import Effort, describe, judged_on
from models.training.history import History
from models.training.lora import prepare
from models.training.merging import merge
from models.training.model_card import escaped, page, run_entry
from models.training.registry import open_trainee
from models.training.sample_clips import SCORES, ClipSampler
from models.training.validation import ValidationLosses
from models.training.weights import save_adapter, save_checkpoint

torch.set_num_threads(1)

KINDS = ("stable-audio", "stable-audio-3", "audioldm")
# A layer that reads a transposed tensor rounds otherwise while its factors are trained, of whatever adapter.
ATTENTION = {"stable-audio-3": ["to_qkv", "to_q", "to_kv", "to_out"]}
PLUGINS = Path(__file__).parents[2] / "plugins" / "tiny.py"
STEPS = 3
REQUESTS = [
    GenerationRequest(Prompt(id="a", text="a slow sad piano", genre="any"), 1, 0.8),
    GenerationRequest(Prompt(id="b", text="loud rock guitars", genre="any"), 2, 0.8),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each kind, and room beside them."""
    folder = tmp_path_factory.mktemp("trained")
    for kind in KINDS:
        tiny.make(kind, folder / kind)
    return folder


def config(folder: Path, kind: str, **settings: Any) -> TrainConfig:
    content = {
        "base": {"kind": kind, "checkpoint": str(folder / kind)},
        "data": {"path": "composer"},
        "lora": {"rank": 2, "alpha": 3, "targets": ATTENTION.get(kind, ())},
        "steps": 2,
        "device": "cpu",
        **settings,
    }
    return parse_train_config(content)


def tuned(folder: Path, kind: str, by: float = 0.2, **settings: Any) -> Any:
    """A trainee whose network is no longer its base: what is trainable got random numbers added.

    ``by`` is their size where it is LoRA: so large that an adapter of few layers is heard, and that one of all layers
    makes a hundred times as much of what matrix products round off.
    """
    wanted = config(folder, kind, **settings)
    trainee = open_trainee(wanted)
    prepare(trainee, wanted)
    rng = torch.Generator().manual_seed(0)
    for weight in trainee.network.parameters():
        if weight.requires_grad:
            weight.data += torch.randn(weight.shape, generator=rng) * (by if wanted.method == "lora" else 0.01)
    return trainee


def card_of(folder: Path, kind: str, network: Any, **settings: Any) -> Card:
    wanted = config(folder, kind, **settings)
    train, held = (Example(name, name, Path(f"{name}.wav"), "a song") for name in "ab")
    dataset = Dataset("songs", (train, held), {"a": "1" * 64, "b": "2" * 64}, about={"licence": "CC0-1.0"})
    judged = [ValidationLosses(0, 2.0, {0.1: 2.5, 0.5: 1.5}), ValidationLosses(2, 1.0, {0.1: 1.2, 0.5: 0.8})]
    history = History(2, train_last=1.5, judgements=judged, best_step=2)
    history.add_prompts(judged_on(dataset, [held]))
    named = identity(str(folder / kind), None)
    effort = Effort(2, 2, epochs=16.0, seconds=3.25, epochs_per_hour=1234.5, peak_memory=(10**9, "process"))
    return describe(wanted, named, dataset, Split((train,), (held,)), network, history, effort)


def played(kind: str, network: Any = None, **params: Any) -> list[np.ndarray]:
    model: PretrainedModel = create(find("model", kind), {"steps": STEPS, "device": "cpu", **params}, PretrainedModel)
    if network is not None:
        model.play_through("unet" if kind == "audioldm" else "transformer", network)
    clips = model.generate(REQUESTS)
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


@pytest.fixture(scope="module")
def both(folder: Path) -> dict[str, SimpleNamespace]:
    """An adapter of each kind, saved, and what its network in memory plays."""
    made = {}
    for kind in KINDS:
        network = tuned(folder, kind).network
        card, path = card_of(folder, kind, network), folder / f"{kind}-adapter"
        save_adapter(network, path, card)
        clips = played(kind, network, checkpoint=str(folder / kind))
        made[kind] = SimpleNamespace(kind=kind, base=folder / kind, path=path, card=card, network=network, clips=clips)
    return made


@pytest.fixture(params=KINDS)
def saved(request: pytest.FixtureRequest, both: dict[str, SimpleNamespace]) -> SimpleNamespace:
    return both[request.param]


FRESH = """
import sys
import numpy, torch
from bench import GenerationRequest, MusicModel, Prompt
from bench.contracts.plugins import create, find

torch.set_num_threads(1)
steps, out, *models = sys.argv[1:]
asked = [("a", "a slow sad piano", 1), ("b", "loud rock guitars", 2)]
requests = [GenerationRequest(Prompt(id=i, text=text, genre="any"), seed, 0.8) for i, text, seed in asked]
clips = {}
for kind, base, adapter in zip(models[::3], models[1::3], models[2::3]):
    params = {"steps": int(steps), "device": "cpu", "checkpoint": base, "adapter": adapter}
    for number, clip in enumerate(create(find("model", kind), params, MusicModel).generate(requests)):
        clips[f"{kind}-{number}"] = clip.samples
numpy.savez(out, **clips)
"""


@pytest.mark.slow(10)
def test_loaded_in_a_fresh_process_it_plays_the_same(both: dict[str, SimpleNamespace], tmp_path: Path) -> None:
    out = tmp_path / "clips.npz"
    models = [str(part) for saved in both.values() for part in (saved.kind, saved.base, saved.path)]
    subprocess.run([sys.executable, "-W", "ignore", "-c", FRESH, str(STEPS), str(out), *models], check=True)
    with np.load(out) as clips:
        for kind, saved in both.items():
            base = played(kind, checkpoint=str(saved.base))
            for number, (clip, plain) in enumerate(zip(saved.clips, base, strict=True)):
                assert np.array_equal(clips[f"{kind}-{number}"], clip)
                assert np.abs(plain - clip).max() > 1e-3


def test_both_forms_hold_the_same(saved: SimpleNamespace) -> None:
    factors = [
        {name: value for name, value in network.named_parameters() if ".lora_" in name}
        for network in (
            saved.network,
            *(
                load_adapter(
                    tiny.network(saved.kind, saved.base), saved.path / name, 1.0, identity(str(saved.base), None)
                )
                for name in ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
            ),
        )
    ]
    assert factors[0]
    for other in factors[1:]:
        assert list(other) == list(factors[0])
        assert all(torch.equal(other[name], value) for name, value in factors[0].items())


def test_peft_itself_loads_it(saved: SimpleNamespace) -> None:
    from peft import PeftModel

    wrapped = PeftModel.from_pretrained(tiny.network(saved.kind, saved.base), saved.path)
    for ours, theirs in zip(
        saved.clips, played(saved.kind, wrapped.base_model.model, checkpoint=str(saved.base)), strict=True
    ):
        assert np.array_equal(ours, theirs)
    settings = wrapped.peft_config["default"]
    assert settings.base_model_name_or_path == str(saved.base.resolve())
    assert (settings.r, settings.lora_alpha, settings.inference_mode) == (2, 3, True)


def test_peft_would_have_written_the_same(saved: SimpleNamespace, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    ours = json.loads((saved.path / "adapter_config.json").read_text())
    network = tiny.network(saved.kind, saved.base)
    network.name_or_path = str(saved.base.resolve())
    theirs = get_peft_model(network, LoraConfig(r=2, lora_alpha=3, target_modules=ours["target_modules"]))
    theirs.save_pretrained(tmp_path, save_embedding_layers=False)
    expected = json.loads((tmp_path / "adapter_config.json").read_text())
    expected["target_modules"] = sorted(expected["target_modules"])
    assert ours == expected
    written = load_file(tmp_path / "adapter_model.safetensors")
    assert written.keys() == load_file(saved.path / "adapter_model.safetensors").keys()


def test_diffusers_itself_loads_and_would_have_written_the_same(folder: Path, tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel
    from safetensors import safe_open

    network = tuned(folder, "audioldm").network
    save_adapter(network, tmp_path / "ours", card_of(folder, "audioldm", network))
    unet = UNet2DConditionModel.from_pretrained(folder / "audioldm" / "unet")
    unet.load_lora_adapter(tmp_path / "ours", prefix=None, weight_name="pytorch_lora_weights.safetensors")
    base = str(folder / "audioldm")
    for ours, theirs in zip(
        played("audioldm", network, checkpoint=base), played("audioldm", unet, checkpoint=base), strict=True
    ):
        assert np.array_equal(ours, theirs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the base's name, which diffusers has peft look up
        unet.save_lora_adapter(tmp_path / "theirs", adapter_name="default_0")
    files = [tmp_path / name / "pytorch_lora_weights.safetensors" for name in ("ours", "theirs")]
    saved, diffusers_saved = map(load_file, files)
    assert saved.keys() == diffusers_saved.keys()
    assert all(torch.equal(saved[name], diffusers_saved[name]) for name in saved)
    told = []
    for file in files:
        with safe_open(file, framework="pt") as content:
            told.append(json.loads(content.metadata()["lora_adapter_metadata"]))
    assert told[0].keys() == told[1].keys()
    assert all(told[0][key] == told[1][key] for key in ("r", "lora_alpha", "peft_type", "rank_pattern"))


def test_saving_twice_gives_the_same_identity(saved: SimpleNamespace, tmp_path: Path) -> None:
    from models.adapters import identity as adapter_identity

    for _ in range(2):
        save_adapter(saved.network, tmp_path / "again", saved.card)
    assert adapter_identity(tmp_path / "again") == adapter_identity(saved.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again"]


def test_a_failure_leaves_what_was_saved_before(saved: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    save_adapter(saved.network, folder, saved.card)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    broken = replace(saved.card, seconds=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        save_adapter(saved.network, folder, broken)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_merged_plays_what_the_adapter_does(saved: SimpleNamespace, tmp_path: Path, scale: float) -> None:
    merged = merge(saved.path, tmp_path / "merged", scale=scale)
    apart = played(saved.kind, checkpoint=str(saved.base), adapter=str(saved.path), adapter_scale=scale)
    for ours, theirs in zip(played(saved.kind, checkpoint=str(merged)), apart, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    card = read_card(merged)
    assert card.merged is not None and card.merged["scale"] == scale
    assert card.data == saved.card.data
    # Linked or copied, the base is not written to.
    assert identity(str(saved.base), None)["weights"] == saved.card.base["weights"]
    (merged / "scheduler" / "scheduler_config.json").write_text("{}")
    assert identity(str(saved.base), None)["weights"] == saved.card.base["weights"]


def test_merging_takes_adapters_of_others(folder: Path, tmp_path: Path) -> None:
    base = folder / "audioldm"
    adapter = tiny.make_adapter("audioldm", base, tmp_path / "adapter", base=str(base / "unet"))
    merged = merge(str(adapter / "adapter_model.safetensors"), str(tmp_path / "merged"))
    apart = played("audioldm", checkpoint=str(base), adapter=str(adapter))
    for ours, theirs in zip(played("audioldm", checkpoint=str(merged)), apart, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert not (merged / "card.json").exists()


def test_merging_refuses(saved: SimpleNamespace, tmp_path: Path) -> None:
    other = tiny.make(saved.kind, tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match=re.escape(f"'{saved.path}'")):
        merge(saved.path, tmp_path / "out", checkpoint=str(other))
    settings = json.loads((saved.path / "adapter_config.json").read_text())
    moved = tmp_path / "moved"
    save_adapter(saved.network, moved, saved.card)
    # The folder that it names holds other weights by now: only the card knows.
    (moved / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": str(other)}))
    with pytest.raises(UsageError, match=rf"{re.escape(str(moved))}.* weights [0-9a-f]+.* weights [0-9a-f]+"):
        merge(moved, tmp_path / "out")
    (moved / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": None}))
    with pytest.raises(UsageError, match="--checkpoint"):
        merge(moved, tmp_path / "out")
    with pytest.raises(UsageError, match=re.escape(f"'{other}'")):
        merge(saved.path, other)
    with pytest.raises(UsageError, match="finite"):
        merge(saved.path, tmp_path / "out", scale=-1.0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_plays_what_the_network_did(folder: Path, kind: str, tmp_path: Path) -> None:
    network = tuned(folder, kind, method="full").network
    save_checkpoint(network, folder / kind, tmp_path / "whole", card_of(folder, kind, network, method="full"))
    for ours, theirs in zip(
        played(kind, network.eval(), checkpoint=str(folder / kind)),
        played(kind, checkpoint=str(tmp_path / "whole")),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)
    assert read_card(tmp_path / "whole").method == "full"
    names = {path.relative_to(folder / kind) for path in (folder / kind).rglob("*")}
    assert names <= {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*")}


def test_a_card_comes_back(saved: SimpleNamespace, tmp_path: Path) -> None:
    assert read_card(saved.path) == saved.card
    content = json.loads((saved.path / "card.json").read_text())
    assert list(content)[:2] == ["format", "tunebench"]
    factors = load_file(saved.path / "adapter_model.safetensors")
    assert content["trainable"] == sum(value.numel() for value in factors.values())
    base = sum(weight.numel() for weight in tiny.network(saved.kind, saved.base).parameters())
    assert content["parameters"] == base + content["trainable"]
    assert content["trainable_share"] == pytest.approx(content["trainable"] / content["parameters"])
    assert content["losses"]["validation"][1] == [2, 1.0, {"0.1": 1.2, "0.5": 0.8}]
    assert (content["data"]["train"], content["data"]["held_out"]) == (["1" * 64], ["2" * 64])
    assert content["base"]["weights"] == identity(str(saved.base), None)["weights"]

    for changes, message in (
        ({"format": 2}, "format 2"),
        ({"steps": "many"}, "steps"),
        ({"data": content["data"] | {"train": 3}}, r"data\.train"),
    ):
        (tmp_path / "card.json").write_text(json.dumps(content | changes))
        with pytest.raises(DataError, match=message):
            read_card(tmp_path)
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "card.json"))):
        read_card(tmp_path)
    with pytest.raises(UsageError, match="nowhere"):
        read_card(tmp_path / "nowhere")


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return [(language, code) for _, language, code in re.findall(r"^(`{3,})(\w+)\n(.*?)\n\1$", page, re.M | re.S)]


def test_the_page_shows_what_was_written_letter_for_letter(saved: SimpleNamespace) -> None:
    hostile = "x](javascript:alert(1)) <img src=x> | `a` *b* _c_ # d\n\n# e ```"
    data = replace(saved.card.data, name=hostile, about={"licence": hostile, hostile: [hostile]})
    shown = page(replace(saved.card, data=data, base=saved.card.base | {"checkpoint": hostile}))
    assert shown.count(escaped(hostile)) == 5
    assert " ".join(hostile.split()) not in shown.replace("\\", "\0")
    assert not re.search(r"(?<!\\)[<*_\[`|]", escaped(hostile))
    assert re.sub(r"\\(.)", r"\1", escaped(hostile)) == " ".join(hostile.split())
    # Blocks of YAML and Python end where they should, whatever is in them, and hold one program each.
    assert shown.count("````") == 2 * len(blocks(shown)) >= 4
    for language, code in blocks(shown):
        assert "````" not in code and (language == "yaml" or ast.parse(code))


def test_the_page_says_how_it_did(saved: SimpleNamespace) -> None:
    said = page(saved.card).replace("\\", "")
    assert "2 for the base and 1 at step 2, -50.0 %" in said
    assert "LoRA, rank 2, α 3, on" in said and "CC0-1.0" in said
    unjudged = replace(saved.card, losses=Losses(1.5))
    assert "No data was held out" in page(unjudged) and "1.5" in page(unjudged).replace("\\", "")


def test_the_run_entry_is_a_configuration_of_a_run(saved: SimpleNamespace) -> None:
    from bench.config.run_config import RunConfig

    entries = RunConfig.model_validate(yaml.safe_load(run_entry(saved.card, str(saved.path)))).models
    assert [entry.row for entry in entries] == ["base", "tuned"]
    assert entries[1].params == {"checkpoint": str(saved.base), "adapter": str(saved.path)}
    merged = replace(saved.card, merged={"scale": 1.0})
    assert RunConfig.model_validate(yaml.safe_load(run_entry(merged, "m"))).models[1].params == {"checkpoint": "m"}


@pytest.mark.parametrize(("kind", "dora"), [("stable-audio", False), ("audioldm", True)])
def test_the_ways_of_loading_on_the_card_work_as_they_are_printed(
    folder: Path, kind: str, dora: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"lora": {"rank": 2, "alpha": 3, "targets": "all-linear", "dora": dora}}
    network = tuned(folder, kind, 0.03, **settings).network
    monkeypatch.chdir(folder)
    named = parse_train_config({"base": {"kind": kind, "checkpoint": kind}, "data": {"path": "composer"}, "steps": 1})
    card = card_of(folder, kind, network, **settings)
    card = replace(card, base=card.base | {"checkpoint": named.base.checkpoint})  # told from another working folder
    save_adapter(network, tmp_path / "adapter", card)
    monkeypatch.chdir(tmp_path / "adapter")
    told = blocks(Path("README.md").read_text())
    assert [language for language, _ in told] == ["yaml", "python", *(["python"] if kind == "audioldm" else [])]
    expected = played(kind, network, checkpoint=str(folder / kind))
    part = "unet" if kind == "audioldm" else "transformer"
    sounds = []
    for language, code in told:
        if language == "yaml":
            tuned_row = yaml.safe_load(code)["models"][1]
            clips = played(tuned_row["name"], **tuned_row["params"])
        else:
            names: dict[str, Any] = {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, names)
            pipeline = names["pipeline"]
            clips = played(kind, getattr(pipeline, part), checkpoint=str(folder / kind))
            sounds.append(sound(pipeline))
        for ours, theirs in zip(expected, clips, strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-4)
    plain = {"stable-audio": StableAudioPipeline, "audioldm": AudioLDMPipeline}[kind].from_pretrained(folder / kind)
    assert all(np.abs(heard - sound(plain)).max() > 1e-3 for heard in sounds)
    setattr(plain, part, network.eval())
    for heard in sounds:
        np.testing.assert_allclose(heard, sound(plain), atol=1e-4)


def test_diffusers_has_a_loader_for_one_base_as_the_card_says() -> None:
    assert not hasattr(StableAudioDiTModel, "load_lora_adapter") and hasattr(UNet2DConditionModel, "load_lora_adapter")


def test_a_base_of_the_hub_is_loaded_at_its_commit(saved: SimpleNamespace) -> None:
    base = {"kind": saved.kind, "checkpoint": "owner/name", "repo": "owner/name", "revision": "0" * 40}
    for language, code in blocks(page(replace(saved.card, base=base))):
        if language == "python":
            assert f".from_pretrained('owner/name', revision='{'0' * 40}')" in code and ast.parse(code)
        else:
            assert {row["params"]["revision"] for row in yaml.safe_load(code)["models"]} == {"0" * 40}


def sound(pipeline: Any) -> np.ndarray:
    """What a pipeline of diffusers plays, asked as its own documentation asks it."""
    pipeline.set_progress_bar_config(disable=True)
    length = "audio_end_in_s" if "StableAudio" in type(pipeline).__name__ else "audio_length_in_s"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pipeline(
            "slow piano", num_inference_steps=2, generator=torch.Generator().manual_seed(0), **{length: 0.8}
        )
    return np.asarray(made.audios[0])


@pytest.mark.parametrize(("kind", "merged"), [("stable-audio", True), ("audioldm", False)])
def test_a_whole_checkpoint_loads_as_its_card_says(
    folder: Path, kind: str, merged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tuned(folder, kind, method="lora" if merged else "full").network
    if merged:
        save_adapter(network, tmp_path / "adapter", card_of(folder, kind, network))
        merge(tmp_path / "adapter", tmp_path / "whole")
    else:
        save_checkpoint(network, folder / kind, tmp_path / "whole", card_of(folder, kind, network, method="full"))
    monkeypatch.chdir(tmp_path / "whole")
    (_, run), (_, code) = blocks(Path("README.md").read_text())
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, names)
    row = yaml.safe_load(run)["models"][1]
    part = getattr(names["pipeline"], "unet" if kind == "audioldm" else "transformer")
    expected = played(kind, network.eval(), checkpoint=str(folder / kind))
    for theirs, same, ours in zip(
        played(kind, part, checkpoint=str(folder / kind)), played(row["name"], **row["params"]), expected, strict=True
    ):
        np.testing.assert_allclose(theirs, ours, atol=1e-4)
        np.testing.assert_allclose(same, ours, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_with_magnitudes_is_merged_and_loaded_again_as_peft_does(
    folder: Path, kind: str, tmp_path: Path
) -> None:
    from peft import PeftModel

    settings = {"lora": {"rank": 2, "alpha": 3, "targets": r".*(to_[qv]|to_qkv|to_kv|proj|linear_\d)", "dora": True}}
    network = tuned(folder, kind, 0.03, **settings).network
    save_adapter(network, tmp_path / "adapter", card_of(folder, kind, network, **settings))
    expected = played(kind, network, checkpoint=str(folder / kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PeftModel.from_pretrained(tiny.network(kind, folder / kind), tmp_path / "adapter").base_model.model
    reloaded = played(kind, theirs, checkpoint=str(folder / kind))
    merged = merge(tmp_path / "adapter", tmp_path / "merged")
    ways = [{"checkpoint": str(folder / kind), "adapter": str(tmp_path / "adapter")}, {"checkpoint": str(merged)}]
    for way, closeness in zip(ways, (1e-5, 1e-4), strict=True):
        for clip, peft, memory in zip(played(kind, **way), reloaded, expected, strict=True):
            np.testing.assert_allclose(clip, peft, atol=closeness)
            np.testing.assert_allclose(clip, memory, atol=1e-4)
    plain = played(kind, checkpoint=str(folder / kind))
    assert all(np.abs(base - clip).max() > 1e-2 for base, clip in zip(plain, reloaded, strict=True))
    card = read_card(tmp_path / "adapter")
    assert (card.dora, card.targets) == (True, settings["lora"]["targets"])
    assert "DoRA, rank 2" in page(card)


def clips_of(**settings: Any) -> Mapping[str, Any]:
    listening = {
        "every": 1, "prompts": 2, "seeds": [5], "duration": 1.0, "params": {"steps": 2},
        "metrics": ["harmonic-accuracy", f"{PLUGINS}:Peak"],
    }  # fmt: skip
    return {"clips": listening | settings}


@pytest.mark.parametrize("kind", KINDS)
def test_listening_hears_the_network_in_memory_and_leaves_no_trace(folder: Path, kind: str, tmp_path: Path) -> None:
    trainee = tuned(folder, kind)
    trainee.release_encoders()
    listener = ClipSampler(config(folder, kind, validation=clips_of()), trainee)
    network = trainee.network
    network.train()
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    grads = [weight.requires_grad for weight in network.parameters()]
    weights = [weight.data_ptr() for weight in network.parameters()]
    state = torch.random.get_rng_state()

    means = listener.sample(7, network, tmp_path / "clips")

    assert torch.equal(torch.random.get_rng_state(), state)
    assert [module.training for module in network.modules()] == modes
    assert [weight.requires_grad for weight in network.parameters()] == grads
    assert [weight.data_ptr() for weight in network.parameters()] == weights
    assert torch.is_grad_enabled()
    assert all(not weight.is_inference() for weight in network.parameters())

    # The clips are those of a run with the adapter saved, and their scores those of the metric.
    save_adapter(network, tmp_path / "adapter", card_of(folder, kind, network))
    prompts = load_suite_named("quick-dev@1").prompts
    chosen = [prompts[0], prompts[len(prompts) // 2]]
    params = {"checkpoint": str(folder / kind), "adapter": str(tmp_path / "adapter"), "steps": 2, "device": "cpu"}
    model: PretrainedModel = create(find("model", kind), params, PretrainedModel)
    record = json.loads((tmp_path / "clips" / SCORES).read_text())
    assert record["step"] == 7 and [clip["prompt"] for clip in record["clips"]] == [prompt.id for prompt in chosen]
    peaks = []
    for clip, prompt, expected in zip(
        record["clips"], chosen, model.generate([GenerationRequest(p, 5, 1.0) for p in chosen]), strict=True
    ):
        heard = read_audio(tmp_path / "clips" / clip["file"])
        assert isinstance(expected, Audio)
        np.testing.assert_allclose(heard.samples, expected.samples / max(1.0, expected.peak), atol=2**-23)
        score = HarmonicAccuracy().score(DecodedClip(heard, prompt))
        told = clip["scores"]["harmonic-accuracy@2"]
        assert told == ({"reason": score.reason} if score.value is None else {"value": score.value})
        assert clip["scores"]["Peak@1"] == {"value": pytest.approx(100 * heard.peak)}
        peaks.append(100 * heard.peak)
    assert list(means) == ["harmonic-accuracy@2", "Peak@1"]
    assert means["Peak@1"] == pytest.approx(np.mean(peaks))
    assert record["metrics"]["Peak@1"]["clips"] == 2


def test_listening_tells_why_there_is_no_value(folder: Path, tmp_path: Path) -> None:
    trainee = tuned(folder, "audioldm")
    for weight in trainee.network.parameters():
        weight.data.fill_(float("nan"))
    heard = ClipSampler(config(folder, "audioldm", validation=clips_of()), trainee).sample(1, trainee.network, tmp_path)
    assert heard == {"harmonic-accuracy@2": None, "Peak@1": None}
    record = json.loads((tmp_path / SCORES).read_text())
    assert "not finite" in record["metrics"]["harmonic-accuracy@2"]["reason"]
    assert [path.name for path in tmp_path.iterdir()] == [SCORES]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ["harmonic-acuracy"]}, "'harmonic-accuracy'"),
        ({"metrics": ["kad"]}, r"validation\.clips\.metrics: 'kad'"),
        ({"suite": "nowhere"}, "nowhere"),
        ({"params": {"stepps": 3}}, "'steps'"),
        ({"params": {"adapter": "x"}}, r"validation\.clips\.params: 'adapter'"),
        ({"duration": 600.0}, r"\b600 s "),
    ],
)
def test_listening_refuses_before_anything_is_trained(folder: Path, settings: dict[str, Any], message: str) -> None:
    trainee: Any = SimpleNamespace(part="unet", identity={})
    with pytest.raises(UsageError, match=message):
        ClipSampler(config(folder, "audioldm", validation=clips_of(**settings)), trainee)


def test_nothing_in_a_card_is_left_out_of_its_file(saved: SimpleNamespace) -> None:
    assert asdict(saved.card).keys() <= json.loads(saved.card.as_json()).keys()
