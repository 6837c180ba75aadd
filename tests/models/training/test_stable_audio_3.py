"""Stable Audio 3 in training: the published objective, and files that each their own reader loads."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import Audio, GenerationRequest, Prompt
from bench.errors import UsageError
from bench.quiet import quiet_libraries
from models import tiny
from models.adapters import load_adapter
from models.card import read_card
from models.stable_audio_3 import StableAudio3
from models.stable_audio_3_adapter import FILE
from models.tiny.stable_audio_3 import pipeline
from models.training import stable_audio_3
from models.training.base import Batch
from models.training.batches import draw
from models.training.config import TrainConfig, parse_train_config
from models.training.data import load_dataset
from models.training.latents import LatentCache
from models.training.merging import merge
from models.training.objectives import (
    flow,
    noised,
    shifted_time,
    straight_level,
    truncated_logistic_normal,
)
from models.training.registry import open_trainee
from models.training.rng import generator
from models.training.speed_arm import Arm, arm_config
from models.training.stable_audio_3 import StableAudio3Trainee
from models.training.train import train
from tests.models.training.conftest import write_tones

torch.set_num_threads(1)

ALL_BUT_GAPS = r"(?!.*\.to_local_embed\.).+"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, and recordings of unequal length with captions."""
    room = tmp_path_factory.mktemp("room")
    tiny.make("stable-audio-3", room / "base")
    write_tones(room / "data", 8)
    return room


def config(room: Path, **changes: Any) -> TrainConfig:
    content = {
        "base": {"kind": "stable-audio-3", "checkpoint": str(room / "base")},
        "data": {"path": str(room / "data"), "validation": 0.25},
        "lora": {"rank": 2},
        "steps": 4,
        "batch": 3,
        "optimizer": {"lr": 1e-2},
        "validation": {"every": 4, "times": [0.3, 0.7]},
        "checkpoint": {"every": 2},
        "device": "cpu",
        **changes,
    }
    return parse_train_config(content)


@pytest.fixture(scope="module")
def trainee(room: Path) -> StableAudio3Trainee:
    opened = open_trainee(config(room))
    assert isinstance(opened, StableAudio3Trainee)
    return opened


# When in a flow it is trained


@pytest.mark.parametrize("quantile", [1e-7, 0.01, 0.3, 0.5, 0.9, 1 - 1e-7])
def test_times_are_those_of_a_truncated_logistic_normal_distribution(quantile: float) -> None:
    """1 − (x − .075) / .925, x the sigmoid of a normal number whose sigmoid is at least .075."""
    cut = stats.truncnorm(math.log(0.075 / 0.925), math.inf)
    x = 1 / (1 + math.exp(-cut.ppf(1 - quantile)))
    assert truncated_logistic_normal(quantile) == pytest.approx(1 - (x - 0.075) / 0.925, abs=1e-6)


@pytest.mark.parametrize(("frames", "mu"), [(1, 0.5), (256, 0.5), (2176, 0.825), (4096, 1.15), (9999, 1.15)])
def test_long_music_is_trained_at_more_noise(frames: int, mu: float) -> None:
    assert shifted_time(0.5, frames) == pytest.approx(1 / (1 + math.exp(-mu)))
    assert (shifted_time(0.0, frames), shifted_time(1.0, frames)) == (0.0, 1.0)
    assert 0.2 < shifted_time(0.2, frames) < shifted_time(0.21, frames)


def test_drawn_times_have_the_published_distribution(trainee: StableAudio3Trainee, room: Path) -> None:
    dataset = load_dataset(config(room).data)
    cache = LatentCache.build(trainee, dataset, room / "cache")
    example = dataset.examples[0]
    drawn = np.array([draw(generator(0, "t", i), cache, trainee, example, 4, 0.0).time for i in range(3000)])
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(200_000)
    x = 1 / (1 + np.exp(-normal))
    t = 1 - (x[x >= 0.075] - 0.075) / 0.925
    expected = t / (np.exp(-0.5) * (1 - t) + t)  # a second of music is far fewer than 256 frames
    assert stats.ks_2samp(drawn, expected).pvalue > 0.01
    assert drawn.min() > 0 and drawn.max() < 1


@given(time=st.floats(0.0, 1.0), music=st.floats(-3, 3), noise=st.floats(-3, 3))
def test_the_path_is_straight(time: float, music: float, noise: float) -> None:
    """At 0 it is the music, at 1 the noise, its velocity is the same everywhere, and a step back along it is exact."""
    z, e, t = torch.tensor([[music]]), torch.tensor([[noise]]), torch.tensor([time])
    x = noised(z, e, straight_level(t))
    torch.testing.assert_close(x - time * flow(z, e), z, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(x + (1 - time) * flow(z, e), e, atol=1e-5, rtol=1e-5)


def batch(trainee: StableAudio3Trainee, captions: list[str], dropped: list[bool], seconds: float = 1.4) -> Batch:
    drawn = torch.Generator().manual_seed(3)
    count = len(captions)
    return Batch(
        latents=torch.randn((count, 8, 9), generator=drawn),
        condition=trainee.joined([trainee.condition(caption) for caption in captions]),
        starts=torch.zeros(count),
        totals=torch.full((count,), seconds),
        times=torch.linspace(0.2, 0.9, count),
        noise=torch.randn((count, 8, 9), generator=drawn),
        dropped=torch.tensor(dropped),
    )


def test_the_loss_is_the_mean_square_of_what_the_pipeline_would_predict_wrongly(
    trainee: StableAudio3Trainee, room: Path
) -> None:
    from diffusers import StableAudio3Pipeline

    captions = ["a fast techno beat", "a slow sad piano, played once more"]
    given_batch = batch(trainee, captions, [False, False])
    with quiet_libraries():
        plain = StableAudio3Pipeline.from_pretrained(room / "base")
    expected = []
    with torch.no_grad():
        losses = trainee.losses(trainee.network, given_batch)
        for row, caption in enumerate(captions):
            duration = plain.encode_duration(2.0, plain.device, 1, 1)  # whole seconds, as the publisher's trainer says
            text, mask = plain.prepare_cross_attention(*plain.encode_prompt(caption, plain.device, 1), duration)
            z, e, t = given_batch.latents[row], given_batch.noise[row], given_batch.times[row]
            x = (1 - t) * z + t * e
            v = plain.transformer(x[None], t[None], text, duration, encoder_attention_mask=mask).sample[0]
            expected.append((v - (e - z)).square().mean())
    torch.testing.assert_close(losses, torch.stack(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_captions_are_padded_on_the_side_of_the_tokenizer(room: Path, side: str) -> None:
    opened = open_trainee(config(room))
    assert isinstance(opened, StableAudio3Trainee)
    opened._tokenizer.padding_side = side
    captions = ["a fast techno beat", "slow"]
    found = opened.joined([opened.condition(caption) for caption in captions])
    for row, caption in enumerate(captions):
        text, mask = opened._encoders.encode_prompt(caption, torch.device("cpu"), 1)
        assert torch.equal(found["mask"][row], mask[0].bool())
        torch.testing.assert_close(found["text"][row][mask[0].bool()], text[0][mask[0].bool()])


def test_a_dropped_condition_is_attended_to_as_zeros_and_the_length_stays(trainee: StableAudio3Trainee) -> None:
    captions = ["a fast techno beat", "a slow sad piano"]
    with torch.no_grad():
        one = trainee.losses(trainee.network, batch(trainee, captions, [True, False]))
        two = trainee.losses(trainee.network, batch(trainee, captions[::-1], [True, False]))
        longer = trainee.losses(trainee.network, batch(trainee, captions, [True, False], seconds=9.0))
    assert one[0] == two[0] and one[1] != two[1]
    assert longer[0] != one[0]
    attended, mask, _ = trainee._conditioning(batch(trainee, captions, [True, False]))
    assert not attended[0].any() and bool(mask[0].all()) and not bool(mask[1].all())


def test_latents_are_the_autoencoders_also_in_windows(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_trainee(config(room))
    drawn = np.random.default_rng(0).standard_normal((2, 8000 * 4)).astype(np.float32) / 10
    audio = Audio(drawn, 8000)
    whole = opened.encode(audio)
    with torch.no_grad():
        padded = np.pad(drawn, ((0, 0), (0, -drawn.shape[1] % 512)))
        expected = opened._encoders.vae.encode(torch.from_numpy(padded)[None]).latents[0]
    torch.testing.assert_close(whole.mean, expected)
    assert not whole.std.any() and whole.seconds == 4.0
    monkeypatch.setattr(stable_audio_3, "CHUNK", 9)
    torch.testing.assert_close(opened.encode(audio).mean, expected, atol=1e-5, rtol=1e-4)
    opened._reach = 1  # type: ignore[attr-defined]
    assert (opened.encode(audio).mean - expected).abs().max() > 1e-4


def test_a_distilled_checkpoint_is_refused(room: Path) -> None:
    with quiet_libraries():
        pipeline(0, distilled=True).save_pretrained(room / "distilled")
    with pytest.raises(UsageError, match="distilled"):
        open_trainee(config(room, base={"kind": "stable-audio-3", "checkpoint": str(room / "distilled")}))


# From a training to every reader


def clips(checkpoint: Path, **params: Any) -> list[np.ndarray]:
    model = StableAudio3(str(checkpoint), steps=3, device="cpu", **params)
    prompt = Prompt(id="p", text="a tone, number 3", genre="any", level=1)
    made = model.generate([GenerationRequest(prompt, seed, 0.5) for seed in (1, 2)])
    assert all(isinstance(clip, Audio) for clip in made)
    return [clip.samples for clip in made if isinstance(clip, Audio)]


@pytest.fixture(scope="module", params=["lora", "dora"])
def trained(request: pytest.FixtureRequest, room: Path) -> Path:
    """The folder of an adapter, of all that published ones adapt."""
    wanted = config(room, lora={"rank": 2, "alpha": 3, "dora": request.param == "dora"})
    assert wanted.targets == ALL_BUT_GAPS
    return train(wanted, room / request.param).folder


def test_each_file_is_loaded_by_its_own_reader_and_plays_the_same(room: Path, trained: Path) -> None:
    from peft import PeftModel

    base = tiny.network("stable-audio-3", room / "base")
    inputs = (torch.randn(2, 8, 9), torch.tensor([0.2, 0.9]), torch.randn(2, 5, 32), torch.randn(2, 32))
    with torch.no_grad():
        before = base(*inputs).sample
        theirs = PeftModel.from_pretrained(tiny.network("stable-audio-3", room / "base"), trained).eval()
        expected = theirs(*inputs).sample
        assert (expected - before).abs().max() > 1e-3
        for name in ("adapter_model.safetensors", "pytorch_lora_weights.safetensors", FILE):
            network = tiny.network("stable-audio-3", room / "base")
            ours = load_adapter(network, trained if name.startswith("adapter") else trained / name, 1.0, {})
            torch.testing.assert_close(ours(*inputs).sample, expected, atol=1e-5, rtol=1e-5)
    first, *others = (clips(room / "base", adapter=str(path)) for path in (trained, trained / FILE))
    for a, b in zip(first, others[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_publishers_file_says_what_it_is(trained: Path) -> None:
    from safetensors import safe_open

    with safe_open(trained / FILE, framework="pt") as file:
        told, names = json.loads(file.metadata()["lora_config"]), set(file.keys())
    assert (told["rank"], told["alpha"]) == (2, 3)
    assert told["adapter_type"] == ("dora-rows" if trained.parent.name == "dora" else "lora")
    assert {name.split(".parametrizations.weight.0.")[0] for name in names} == set(told["include"])
    assert "model.transformer.layers.1.ff.ff.0.proj" in told["include"]
    assert "model.to_cond_embed.0" in told["include"] and "model.preprocess_conv" in told["include"]
    card = read_card(trained)
    assert (card.objective, card.base["kind"]) == ("rectified-flow", "stable-audio-3")
    assert FILE in (trained / "README.md").read_text()


@pytest.mark.parametrize("name", ["", FILE])
def test_merged_plays_what_the_adapter_does(room: Path, trained: Path, tmp_path: Path, name: str) -> None:
    checkpoint = str(room / "base")
    merged = merge(trained / name if name else trained, tmp_path / "merged", checkpoint=checkpoint)
    for a, b in zip(clips(merged), clips(room / "base", adapter=str(trained)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_what_the_publishers_trainer_adapts_beside_the_network_is_merged_too(room: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    key = "conditioners.seconds_total.embedder.embedding.1.parametrizations.weight.0"
    drawn = torch.Generator().manual_seed(0)
    factors = {"lora_A": torch.randn((2, 16), generator=drawn), "lora_B": torch.randn((32, 2), generator=drawn)}
    path = tmp_path / "length.safetensors"
    save_file({f"{key}.{role}": value for role, value in factors.items()}, path)
    merged = merge(path, tmp_path / "merged", checkpoint=str(room / "base"))
    base, tuned, whole = clips(room / "base"), clips(room / "base", adapter=str(path)), clips(merged)
    for a, b, c in zip(base, tuned, whole, strict=True):
        assert np.abs(a - b).max() > 1e-4
        np.testing.assert_allclose(c, b, atol=1e-5)


def test_an_adapter_of_the_base_plays_on_the_checkpoint_distilled_from_it(room: Path, trained: Path) -> None:
    with quiet_libraries():
        pipeline(0, distilled=True).save_pretrained(room / "fast")
    with pytest.raises(UsageError, match=re.escape(str(trained))):
        clips(room / "fast", adapter=str(trained))
    tuned = clips(room / "fast", adapter=str(trained / FILE))
    assert max(np.abs(a - b).max() for a, b in zip(clips(room / "fast"), tuned, strict=True)) > 1e-4


@pytest.mark.parametrize("dora", [False, True])
def test_a_resumed_training_equals_an_undisturbed_one_bit_for_bit(room: Path, tmp_path: Path, dora: bool) -> None:
    from safetensors.torch import load_file

    def run(out: Path, steps: int) -> Path:
        lora = {"rank": 2, "dora": dora, "dropout": 0.1}
        return train(config(room, lora=lora, steps=steps, validation={"every": 2, "times": [0.5]}), out).folder

    once = run(tmp_path / "once", 6)
    run(tmp_path / "twice", 3)
    twice = run(tmp_path / "twice", 6)
    for name in ("adapter_model.safetensors", FILE):
        one, two = load_file(once / name), load_file(twice / name)
        assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    first, second = ({row[0]: row for row in read_card(folder).losses.validation} for folder in (once, twice))
    assert {step: second[step] for step in (0, 2, 6)} == {step: first[step] for step in (0, 2, 6)}


@pytest.mark.parametrize(("method", "share"), [("lora", 0.4), ("full", 1.0)])
def test_an_arm_of_a_comparison_of_speed_trains_what_its_method_says(
    room: Path, tmp_path: Path, method: str, share: float
) -> None:
    wanted = arm_config(config(room), "lora" if method == "lora" else "full")
    arm = Arm(wanted, load_dataset(wanted.data), tmp_path)
    timing = arm.timed(2, 1)
    assert timing is not None and timing.batch == 2 and timing.median > 0
    assert 0 < arm.size().trainable <= share * arm.size().parameters
