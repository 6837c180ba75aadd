"""Training of MusicGen, AudioLDM 2 and ACE-Step: their objectives as published, and what a training leaves behind."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from safetensors.torch import load_file
from scipy import stats

from bench import Audio, GenerationRequest, Prompt
from bench.contracts.audio import write_flac
from bench.contracts.plugins import create, find
from bench.progress import Silent
from bench.quiet import quiet_libraries
from models import tiny
from models.base_checkpoint import ARCHITECTURES
from models.card import read_card
from models.pretrained import PretrainedModel
from models.training.ace_step import flow_times
from models.training.base import Batch, Trainee
from models.training.config import BaseConfig, parse_train_config
from models.training.kinds import KINDS as TRAINED
from models.training.lora import prepare
from models.training.merging import merge
from models.training.model_card import page
from models.training.musicgen import cross_entropy, delayed
from models.training.objectives import discrete_level, squared_error
from models.training.preview import preview
from models.training.registry import open_trainee
from models.training.train import train

torch.set_num_threads(1)

KINDS = ("musicgen", "audioldm2", "ace-step")
CAPTION, OTHER = "a slow sad piano with soft strings", "techno"
LATENTS = {"audioldm2": (4, 21, 4), "ace-step": (4, 20)}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each kind, and recordings of unequal length with captions."""
    room = tmp_path_factory.mktemp("room")
    for kind in KINDS:
        tiny.make(kind, room / kind)
    (room / "data").mkdir()
    for number in range(6):
        time = np.arange(8000 + 1024 * (number % 3)) / 8000
        tone = np.sin(2 * np.pi * (200 + 60 * number) * time).astype(np.float32) / 4
        write_flac(room / "data" / f"{number}.flac", Audio(np.stack([tone, 0.5 * tone]), 8000))
        (room / "data" / f"{number}.txt").write_text(f"a tone, number {number}" + " and on" * number)
    return room


def content(room: Path, kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "base": {"kind": kind, "checkpoint": str(room / kind)},
        "data": {"path": str(room / "data"), "validation": 0.34},
        "lora": {"rank": 2, "alpha": 3},
        "steps": 4,
        "batch": 2,
        "crop": 1.0,
        "optimizer": {"lr": 3e-2},
        "validation": {"every": 2, "times": [0.3, 0.7]},
        "checkpoint": {"every": 2},
        "device": "cpu",
        **changes,
    }


def opened(room: Path, kind: str, **changes: Any) -> Trainee:
    return open_trainee(parse_train_config(content(room, kind, **changes)))


@pytest.fixture(scope="module")
def trainees(room: Path) -> dict[str, Any]:
    return {kind: opened(room, kind) for kind in KINDS}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def drawn(kind: str, count: int) -> torch.Tensor:
    """Latents of a kind."""
    if kind == "musicgen":
        return torch.from_numpy(np.random.default_rng(5).integers(64, size=(count, 4, 12))).float()
    return normal(count, *LATENTS[kind])


def batch_of(trainee: Trainee, latents: torch.Tensor, captions: list[str], **changes: Any) -> Batch:
    count = len(latents)
    told = [trainee.condition(trainee.told(caption, 2.0)) for caption in captions]
    values: dict[str, Any] = {
        "condition": trainee.joined(told),
        "starts": torch.zeros(count),
        "totals": torch.full((count,), 2.0),
        "times": torch.linspace(0.2, 0.8, count),
        "noise": normal(*latents.shape, seed=1),
        "dropped": torch.zeros(count, dtype=torch.bool),
        **changes,
    }
    return Batch(latents=latents, **values)


# What is trained


def test_musicgens_objective_is_that_of_transformers(trainees: dict[str, Any]) -> None:
    trainee = trainees["musicgen"]
    batch = batch_of(trainee, drawn("musicgen", 3), [CAPTION, OTHER, CAPTION])
    _, targets, _ = delayed(batch.latents.long(), 1, 64)
    with torch.no_grad():
        theirs = trainee.network(
            labels=targets.transpose(1, 2),
            encoder_hidden_states=batch.condition["states"],
            encoder_attention_mask=batch.condition["mask"],
        ).loss
        ours = trainee.losses(trainee.network, batch)
    assert ours.shape == (3,)
    torch.testing.assert_close(ours.mean(), theirs, atol=1e-5, rtol=1e-5)


@given(st.integers(1, 5), st.integers(1, 2), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40)
def test_the_delay_pattern_step_by_step(books: int, channels: int, frames: int, seed: int) -> None:
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(50, size=(2, books, frames)))
    inputs, targets, counted = delayed(tokens, channels, 99)
    for k in range(books):
        for step in range(frames):
            place = step - k // channels
            assert bool(counted[k, step]) == (place >= 0)
            assert targets[:, k, step].tolist() == (tokens[:, k, place].tolist() if place >= 0 else [99, 99])
            assert inputs[:, k, step].tolist() == (targets[:, k, step - 1].tolist() if step else [99, 99])


def test_cross_entropy_is_the_mean_over_codebooks_of_what_counts() -> None:
    logits, targets = normal(2, 3, 4, 7), torch.from_numpy(np.random.default_rng(1).integers(7, size=(2, 3, 4)))
    counted = torch.tensor([[True] * 4, [False, True, True, True], [False] * 4])
    expected = []
    for i in range(2):
        books = [torch.nn.functional.cross_entropy(logits[i, k][counted[k]], targets[i, k][counted[k]]) for k in (0, 1)]
        expected.append(torch.stack(books).mean())
    torch.testing.assert_close(cross_entropy(logits, targets, counted), torch.stack(expected))
    assert float(cross_entropy(torch.zeros(1, 3, 4, 7), targets[:1], counted)) == pytest.approx(np.log(7))


def test_musicgen_keeps_the_codecs_tokens_and_generation_can_play_them(room: Path, trainees: dict[str, Any]) -> None:
    from transformers import MusicgenForConditionalGeneration

    with quiet_libraries():
        model = MusicgenForConditionalGeneration.from_pretrained(room / "musicgen")
    sound = np.sin(np.arange(9600) / 5)[None].astype(np.float32)
    latent = trainees["musicgen"].encode(Audio(sound, 8000))
    with torch.no_grad():
        codes = model.audio_encoder.encode(torch.from_numpy(sound.copy())[None]).audio_codes[0, 0]
    assert torch.equal(latent.mean, codes.float())
    assert not latent.std.any() and latent.seconds == 1.2
    # One that is longer than the network takes is encoded in windows, the inner tokens of which are the same.
    long = trainees["musicgen"].encode(Audio(np.tile(sound, (1, 40)), 8000))
    assert long.mean.shape == (4, 40 * codes.shape[1]) and bool((long.mean == long.mean.round()).all())


def test_stereo_tokens_of_left_and_right_alternate(trainees: dict[str, Any]) -> None:
    trainee = copy.copy(trainees["musicgen"])
    trainee.channels, trainee._books = 2, 8
    left, right = np.sin(np.arange(4000) / 5), np.sin(np.arange(4000) / 9)
    both = trainee.encode(Audio(np.stack([left, right]).astype(np.float32), 8000)).mean
    for side, wave in ((0, left), (1, right)):
        alone = trainees["musicgen"].encode(Audio(wave[None].astype(np.float32), 8000)).mean
        assert torch.equal(both[side::2], alone)


def test_a_dropped_condition_is_what_unguided_generation_attends_to(trainees: dict[str, Any]) -> None:
    trainee, seen = trainees["musicgen"], []

    def network(**named: Any) -> SimpleNamespace:
        seen.append(named)
        return SimpleNamespace(logits=torch.zeros(8, 12, 64))

    dropped = torch.tensor([True, False])
    trainee.losses(network, batch_of(trainee, drawn("musicgen", 2), [CAPTION, CAPTION], dropped=dropped))
    states = seen[0]["encoder_hidden_states"]
    assert not states[0].any() and states[1].any() and bool(seen[0]["encoder_attention_mask"].all())


def test_audioldm2_is_trained_as_its_pipeline_runs_it(room: Path, trainees: dict[str, Any]) -> None:
    from diffusers import AudioLDM2Pipeline
    from transformers import GPT2LMHeadModel

    folder, trainee = room / "audioldm2", trainees["audioldm2"]
    with quiet_libraries():
        language = GPT2LMHeadModel.from_pretrained(folder / "language_model")
        pipeline = AudioLDM2Pipeline.from_pretrained(folder, language_model=language, feature_extractor=None)
    pipeline.set_progress_bar_config(disable=True)
    calls: list[tuple[Any, ...]] = []
    pipeline.unet.register_forward_hook(
        lambda _module, positional, named, output: calls.append((*positional, named, output[0])), with_kwargs=True
    )
    pipeline(CAPTION, audio_length_in_s=0.5, num_inference_steps=2, guidance_scale=2.0,
             generator=torch.Generator().manual_seed(0))  # fmt: skip
    assert len(calls) == 2
    for sample, step, named, output in calls:
        level = discrete_level(step.expand(2), pipeline.scheduler.alphas_cumprod)
        alpha, sigma = (value[:, None, None, None] for value in level)
        batch = batch_of(
            trainee, alpha * sample, [CAPTION, CAPTION], noise=sigma * sample,
            times=(step.expand(2) + 0.5) / 1000, dropped=torch.tensor([True, False]),
        )  # fmt: skip
        # The second half is conditioned; the first one is told of "", which the pipeline pads to the prompt's length.
        seen: dict[str, Any] = {}

        def network(noisy: torch.Tensor, steps: torch.Tensor, seen: dict[str, Any] = seen, **rest: Any) -> Any:
            seen.update(rest, noisy=noisy, steps=steps)
            return (torch.zeros_like(noisy),)

        trainee.losses(network, batch)
        torch.testing.assert_close(seen["noisy"], sample, atol=1e-5, rtol=1e-5)
        assert torch.equal(seen["steps"], step.expand(2))
        for name in ("encoder_hidden_states", "encoder_hidden_states_1"):
            torch.testing.assert_close(seen[name][1], named[name][1], atol=1e-5, rtol=1e-5)
        told = trainee.losses(trainee.network, batch)[1]
        torch.testing.assert_close(told, squared_error(output, batch.noise)[1], atol=1e-4, rtol=1e-4)


def test_ace_step_is_trained_as_its_pipeline_runs_it(room: Path) -> None:
    """Condition, null embedding, context and time: what the pipeline gives its transformer at every step."""
    from diffusers import AceStepPipeline

    trainee, calls = opened(room, "ace-step", crop=2.0), []
    with quiet_libraries():
        pipeline = AceStepPipeline.from_pretrained(room / "ace-step")
    pipeline.set_progress_bar_config(disable=True)
    pipeline.transformer.register_forward_hook(
        lambda _module, _positional, named, output: calls.append((named, output[0])), with_kwargs=True
    )
    pipeline(CAPTION, lyrics="[Instrumental]", audio_duration=2.0, num_inference_steps=3, guidance_scale=3.0,
             generator=torch.Generator().manual_seed(0))  # fmt: skip
    assert len(calls) == 3
    for named, output in calls[1:]:
        sample, time = named["hidden_states"], named["timestep"]
        share = torch.special.ndtr(torch.logit(time) + 0.4)  # whose time is this one
        latents = sample.transpose(1, 2)
        batch = batch_of(
            trainee, latents, [CAPTION, CAPTION], noise=latents, times=share, dropped=torch.tensor([False, True])
        )
        seen: dict[str, Any] = {}

        def network(seen: dict[str, Any] = seen, **rest: Any) -> Any:
            seen.update(rest)
            return (torch.zeros_like(rest["hidden_states"]),)

        trainee.losses(network, batch)
        for name in ("hidden_states", "timestep", "timestep_r", "encoder_hidden_states", "context_latents"):
            torch.testing.assert_close(seen[name], named[name], atol=1e-5, rtol=1e-5)
        expected = squared_error(output, torch.zeros_like(output))  # noise - latent is 0 where they are equal
        torch.testing.assert_close(trainee.losses(trainee.network, batch), expected, atol=1e-5, rtol=1e-5)


def test_ace_step_learns_the_flow_from_latent_to_noise(trainees: dict[str, Any]) -> None:
    trainee, z = trainees["ace-step"], drawn("ace-step", 2)
    batch = batch_of(trainee, z, [CAPTION, CAPTION])
    truth = (batch.noise - z).transpose(1, 2)
    assert trainee.losses(lambda **_: (truth,), batch).tolist() == [0, 0]
    silent = trainee.losses(lambda **named: (torch.zeros_like(named["hidden_states"]),), batch)
    torch.testing.assert_close(silent, truth.square().flatten(1).mean(dim=1))


def test_times_of_the_flow_have_the_published_distributions() -> None:
    from diffusers import AceStepPipeline

    shares = (torch.arange(10_000) + 0.5) / 10_000
    normals = torch.logit(flow_times(shares, False).double()).numpy()
    assert stats.kstest(normals, "norm", args=(-0.4, 1.0)).statistic < 1e-3
    schedule = AceStepPipeline._get_timestep_schedule(SimpleNamespace(), 8, 3.0)
    times, counts = flow_times(shares, True).unique(return_counts=True)
    torch.testing.assert_close(times, schedule.flip(0))
    assert counts.tolist() == [1250] * 8


def test_ace_step_is_told_the_seconds_of_a_crop(room: Path) -> None:
    trainee = opened(room, "ace-step", crop=10)
    assert trainee.told(CAPTION, 187.9) == trainee.told(CAPTION, 10.0) != trainee.told(CAPTION, 9.0)
    one, other = (trainee.condition(trainee.told(CAPTION, seconds))["states"] for seconds in (10.0, 4.0))
    assert not torch.equal(one[:, -4:], other[:, -4:])
    assert trainee.unread_tokens(trainee.told("loud rock guitars and " * 60, 5.0)) > 50
    assert trainee.unread_tokens(trainee.told(CAPTION, 5.0)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_examples_loss_does_not_depend_on_its_batch(trainees: dict[str, Any], kind: str) -> None:
    trainee, latents = trainees[kind], drawn(kind, 3)
    captions = [CAPTION] * 3 if kind == "ace-step" else [CAPTION, OTHER, CAPTION]  # it has no mask for its condition
    dropped, noise, times = (
        torch.tensor([False, True, False]),
        normal(*latents.shape, seed=1),
        torch.tensor([0.1, 0.5, 0.9]),
    )
    with torch.no_grad():
        together = trainee.losses(
            trainee.network, batch_of(trainee, latents, captions, dropped=dropped, noise=noise, times=times)
        )
        for i in range(3):
            own = slice(i, i + 1)
            alone = batch_of(
                trainee, latents[own], captions[own], dropped=dropped[own], noise=noise[own], times=times[own]
            )
            torch.testing.assert_close(trainee.losses(trainee.network, alone)[0], together[i], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_zero_initialised_adapter_is_the_base_and_gradients_reach_nothing_else(room: Path, kind: str) -> None:
    wanted = parse_train_config(content(room, kind, gradient_checkpointing=kind != "audioldm2"))
    trainee = open_trainee(wanted)
    batch = batch_of(trainee, drawn(kind, 2), [CAPTION, CAPTION])
    with torch.no_grad():
        before = trainee.losses(trainee.network, batch)
    prepare(trainee, wanted)
    losses = trainee.losses(trainee.network, batch)
    assert torch.equal(losses.detach(), before)
    losses.sum().backward()
    reached = {name for name, weight in trainee.network.named_parameters() if weight.grad is not None}
    assert reached and all(".lora_" in name for name in reached)


# What a training leaves behind


def played(kind: str, network: Any = None, part: str = "", **params: Any) -> list[np.ndarray]:
    steps = {} if kind == "musicgen" else {"steps": 2}
    model: PretrainedModel = create(find("model", kind), {"device": "cpu", **steps, **params}, PretrainedModel)
    if network is not None:
        model.play_through(part, network)
    prompts = [Prompt("a", "a slow sad piano"), Prompt("b", "loud rock guitars")]
    clips = model.generate([GenerationRequest(prompt, 1, 0.5) for prompt in prompts])
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


@pytest.fixture(scope="module")
def trained(room: Path) -> Callable[[str], Any]:
    """A training of each kind, without an interruption."""
    made: dict[str, Any] = {}

    def once(kind: str) -> Any:
        if kind not in made:
            made[kind] = train(parse_train_config(content(room, kind)), room / f"{kind}-trained")
        return made[kind]

    return once


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


class Stops(Silent):
    """Interrupts a training after so many steps."""

    def __init__(self, after: int) -> None:
        self.left, self.training = after, False

    def begin(self, stage: str, total: int, done: int) -> None:
        del total, done
        self.training = stage == "training"

    def advance(self, count: int) -> None:
        self.left -= count if self.training else 0
        if self.training and self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_same_bits(
    room: Path, trained: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    wanted = parse_train_config(content(room, kind))
    with pytest.raises(KeyboardInterrupt):
        train(wanted, tmp_path / "out", Stops(3))  # after the checkpoint of step 2
    resumed = train(wanted, tmp_path / "out")
    whole = trained(kind)
    ours, theirs = weights(resumed.folder), weights(whole.folder)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (resumed.base_loss, resumed.best_loss) == (whole.base_loss, whole.best_loss)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_plays_as_an_adapter_and_merged(
    room: Path, trained: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    folder, base = trained(kind).folder, str(room / kind)
    plain, tuned = played(kind, checkpoint=base), played(kind, checkpoint=base, adapter=str(folder))
    off = played(kind, checkpoint=base, adapter=str(folder), adapter_scale=0.0)
    merged = played(kind, checkpoint=str(merge(folder, tmp_path / "merged")))
    for a, b, c, d in zip(plain, tuned, off, merged, strict=True):
        assert np.array_equal(a, c) and np.abs(a - b).max() > 1e-3
        np.testing.assert_allclose(d, b, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_its_card_says_what_it_is_and_its_program_runs(
    trained: Callable[[str], Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained(kind).folder
    card = read_card(folder)
    assert card.objective == {"musicgen": "cross-entropy", "audioldm2": "epsilon-prediction"}.get(kind, "flow-matching")
    assert card.rank == 2 and card.base["kind"] == kind
    times = [set(by_time) for _, _, by_time in card.losses.validation]
    assert all(own == ({"0.3"} if kind == "musicgen" else {"0.3", "0.7"}) for own in times)
    monkeypatch.chdir(folder)
    for program in programs(page(card)):
        if kind == "audioldm2":  # the tiny one, as the published ones, cannot be opened by every transformers
            compile(program, "card", "exec")
            continue
        with quiet_libraries():
            exec(program, {})


def programs(text: str) -> Iterator[str]:
    for block in text.split("```python\n")[1:]:
        yield block.partition("```")[0]


@pytest.mark.slow
def test_all_weights_of_musicgen_can_be_trained_and_played(room: Path, tmp_path: Path) -> None:
    wanted = content(room, "musicgen", method="full", steps=2, optimizer={"lr": 1e-3})
    folder = train(parse_train_config(wanted), tmp_path / "out").folder
    tuned, base = played("musicgen", checkpoint=str(folder)), played("musicgen", checkpoint=str(room / "musicgen"))
    assert any(not np.array_equal(a, b) for a, b in zip(tuned, base, strict=True))
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer_config.json", "card.json"} <= names


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_in_memory_plays_in_place_of_the_checkpoints(room: Path, kind: str) -> None:
    other = tiny.network(kind, tiny.make(kind, room / f"other-{kind}", seed=3)).eval()
    part = {"musicgen": "decoder", "audioldm2": "unet"}.get(kind, "transformer")
    base = str(room / kind)
    through = played(kind, other, part, checkpoint=base)
    assert all(not np.array_equal(a, b) for a, b in zip(through, played(kind, checkpoint=base), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_counts_weights_without_loading_them(room: Path, kind: str) -> None:
    found = preview(parse_train_config(content(room, kind)))
    assert found.weights is not None
    network = tiny.network(kind, room / kind)
    own = sum(weight.numel() for weight in network.parameters())
    assert found.weights.of - found.weights.trained == own
    assert found.weights.trained > 0 and found.steps == 4


def test_a_base_whose_codec_gives_other_codebooks_is_refused(room: Path, tmp_path: Path) -> None:
    import json

    from bench.errors import UsageError

    folder = Path(shutil.copytree(room / "musicgen", tmp_path / "other"))
    settings_ = json.loads((folder / "config.json").read_text())
    settings_["audio_encoder"]["target_bandwidths"] = [0.3, 0.6]
    (folder / "config.json").write_text(json.dumps(settings_))
    trainee = open_trainee(
        parse_train_config({**content(tmp_path, "other"), "base": {"kind": "musicgen", "checkpoint": str(folder)}})
    )
    with pytest.raises(UsageError, match=r"\b2 codebooks .*\b4\b"):
        trainee.encode(Audio(np.zeros((1, 8000), np.float32), 8000))


def test_every_kind_that_a_configuration_may_name_is_described_once() -> None:
    assert get_args(BaseConfig.model_fields["kind"].annotation) == tuple(TRAINED)
    assert set(TRAINED) <= set(ARCHITECTURES)
    for name, kind in TRAINED.items():
        assert resolve_name(kind.trainee).kind == name
