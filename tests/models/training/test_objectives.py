"""What is trained on what: the objectives against the schedulers of diffusers, their inputs against its pipelines."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("torchsde")

import torch
from diffusers import AudioLDMPipeline, AutoencoderOobleck, DDIMScheduler, StableAudioPipeline

from bench.errors import DataError, UsageError
from models.training.base import Batch, Trainee
from models.training.config import parse_train_config
from models.training.objectives import (
    NoiseLevel,
    cosine_level,
    discrete_level,
    discrete_steps,
    noised,
    squared_error,
    velocity,
    without,
)
from models.training.registry import open_trainee

torch.set_num_threads(1)

CAPTION, OTHER = "a slow sad piano with soft strings", "techno"


def opened(kind: str, folder: Path, **settings: Any) -> Trainee:
    base = {"kind": kind, "checkpoint": str(folder)}
    return open_trainee(parse_train_config({"base": base, "data": {"path": "composer"}, "steps": 1, **settings}))


@pytest.fixture(scope="module")
def stable_audio(stable_audio_folder: Path) -> Trainee:
    return opened("stable-audio", stable_audio_folder)


@pytest.fixture(scope="module")
def audioldm(audioldm_folder: Path) -> Trainee:
    return opened("audioldm", audioldm_folder)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


class Recorder:
    """Stands in for a network: keeps what it is called with and answers as told."""

    def __init__(self, answer: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.answer = answer

    def __call__(self, sample: torch.Tensor, times: torch.Tensor, **rest: Any) -> tuple[torch.Tensor]:
        self.sample, self.times, self.rest = sample, times, rest
        return (self.answer(sample),)


def batch_of(trainee: Trainee, latents: torch.Tensor, noise: torch.Tensor, times: torch.Tensor, **rest: Any) -> Batch:
    count = len(latents)
    given_ = {
        "condition": trainee.joined([trainee.condition(CAPTION)] * count),
        "starts": torch.zeros(count),
        "totals": torch.full((count,), 8.0),
        "dropped": torch.zeros(count, dtype=torch.bool),
        **rest,
    }
    return Batch(latents=latents, noise=noise, times=times, **given_)


@pytest.fixture(params=["stable-audio", "audioldm"])
def trainee_and_latents(request: pytest.FixtureRequest) -> tuple[Trainee, torch.Tensor]:
    if request.param == "stable-audio":
        return request.getfixturevalue("stable_audio"), normal(3, 8, 20)
    return request.getfixturevalue("audioldm"), normal(3, 4, 21, 4)  # not a multiple of what the UNet shrinks


def test_stable_audios_noising_and_velocity_are_those_of_its_sampler(stable_audio_folder: Path) -> None:
    scheduler = StableAudioPipeline.from_pretrained(stable_audio_folder).scheduler
    scheduler.set_timesteps(40)
    z, noise = normal(1, 8, 20), normal(1, 8, 20, seed=1)
    for s, time in zip(scheduler.sigmas[:-1], scheduler.timesteps, strict=True):
        level = cosine_level(time[None])
        torch.testing.assert_close(time, 2 * torch.atan(s) / np.pi)
        scaled = scheduler.precondition_inputs(z + s * noise, s)
        torch.testing.assert_close(noised(z, noise, level), scaled, atol=1e-5, rtol=0)
        restored = scheduler.precondition_outputs(z + s * noise, velocity(z, noise, level), s)
        torch.testing.assert_close(restored, z, atol=2e-7 * float(s) + 1e-5, rtol=0)


def test_audioldms_noising_and_velocity_are_those_of_ddim(audioldm_folder: Path) -> None:
    scheduler = DDIMScheduler.from_pretrained(audioldm_folder / "scheduler")
    steps = torch.arange(1000)
    z, noise = normal(1000, 4, 3, 2), normal(1000, 4, 3, 2, seed=1)
    level = discrete_level(steps, scheduler.alphas_cumprod)
    torch.testing.assert_close(noised(z, noise, level), scheduler.add_noise(z, noise, steps))
    torch.testing.assert_close(velocity(z, noise, level), scheduler.get_velocity(z, noise, steps))


@settings(max_examples=30)
@given(st.floats(0, 1, width=32), st.integers(0, 2**32 - 1))
def test_a_true_velocity_gives_music_and_noise_back(time: float, seed: int) -> None:
    z, noise = normal(2, 3, 5, seed=seed), normal(2, 3, 5, seed=seed + 1)
    level = cosine_level(torch.tensor([time, 1 - time]))
    x, v = noised(z, noise, level), velocity(z, noise, level)
    alpha, sigma = (value[:, None, None] for value in level)
    torch.testing.assert_close(alpha * x - sigma * v, z, atol=1e-5, rtol=0)
    torch.testing.assert_close(sigma * x + alpha * v, noise, atol=1e-5, rtol=0)


def test_time_runs_from_music_to_noise() -> None:
    level = cosine_level(torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(level.alpha, torch.tensor([1.0, 0.5**0.5, 0.0]), atol=1e-7, rtol=0)
    torch.testing.assert_close(level.sigma, torch.tensor([0.0, 0.5**0.5, 1.0]), atol=1e-7, rtol=0)


def test_each_step_is_a_thousandth_of_the_time() -> None:
    middles = (torch.arange(1000) + 0.5) / 1000
    assert discrete_steps(middles, 1000).tolist() == list(range(1000))
    validation = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    assert discrete_steps(validation, 1000).tolist() == [100, 300, 500, 700, 900]
    outermost = torch.tensor([2.0**-24, 1 - 2.0**-24])
    assert discrete_steps(outermost, 1000).tolist() == [0, 999]


def test_the_error_of_each_example_is_its_own_mean() -> None:
    predicted, target = normal(4, 3, 5, 2), normal(4, 3, 5, 2, seed=1)
    expected = [float(np.mean((p.numpy() - t.numpy()) ** 2)) for p, t in zip(predicted, target, strict=True)]
    torch.testing.assert_close(squared_error(predicted, target), torch.tensor(expected))
    assert squared_error(predicted.bfloat16(), target).dtype == torch.float32


def test_only_what_is_dropped_loses_its_condition() -> None:
    condition, nothing = normal(3, 4, 2), normal(1, 4, 2, seed=1)
    dropped = torch.tensor([False, True, False])
    assert torch.equal(without(condition, dropped)[1], torch.zeros(4, 2))
    assert torch.equal(without(condition, dropped, nothing)[1], nothing[0])
    for kept in (without(condition, dropped), without(condition, dropped, nothing)):
        assert torch.equal(kept[::2], condition[::2])


def test_a_network_that_knows_the_truth_has_no_loss(trainee_and_latents: tuple[Trainee, torch.Tensor]) -> None:
    """The truth for these is v = αε − σz and ε; whoever says nothing instead has the truth's own mean square."""
    trainee, z = trainee_and_latents
    noise, times = normal(*z.shape, seed=1), torch.tensor([0.1, 0.5, 0.9])
    batch = batch_of(trainee, z, noise, times)
    level = cosine_level(times)
    truth = velocity(z, noise, level) if trainee.kind == "stable-audio" else noise
    assert trainee.losses(Recorder(lambda _: truth), batch).tolist() == [0, 0, 0]
    silent = trainee.losses(Recorder(torch.zeros_like), batch)
    torch.testing.assert_close(silent, truth.square().flatten(1).mean(dim=1))


def test_an_examples_loss_does_not_depend_on_its_batch(trainee_and_latents: tuple[Trainee, torch.Tensor]) -> None:
    trainee, z = trainee_and_latents
    noise, times, dropped = normal(*z.shape, seed=1), torch.tensor([0.1, 0.5, 0.9]), torch.tensor([False, True, False])
    together = trainee.losses(trainee.network, batch_of(trainee, z, noise, times, dropped=dropped))
    for i in range(3):
        own = slice(i, i + 1)
        alone = batch_of(trainee, z[own], noise[own], times[own], dropped=dropped[own])
        torch.testing.assert_close(trainee.losses(trainee.network, alone)[0], together[i], atol=1e-5, rtol=1e-5)


def test_stable_audio_is_trained_as_its_pipeline_runs_it(stable_audio: Trainee, stable_audio_folder: Path) -> None:
    """Text, timing, dropped condition, time and positions: what the pipeline gives its transformer at every step."""
    pipeline = StableAudioPipeline.from_pretrained(stable_audio_folder)
    pipeline.set_progress_bar_config(disable=True)
    calls: list[tuple[Any, ...]] = []
    pipeline.transformer.register_forward_hook(
        lambda _module, positional, named, output: calls.append((*positional, named, output[0])), with_kwargs=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the solver asks for noise a rounding error outside its interval
        pipeline(
            [CAPTION, OTHER],
            audio_start_in_s=2.5,
            audio_end_in_s=8.0,
            num_inference_steps=3,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )
    assert len(calls) == 3
    for sample, time, named, output in calls:
        times = time.expand(4)
        level = cosine_level(times)
        alpha, sigma = (value[:, None, None] for value in level)
        batch = batch_of(  # latents and noise of which the pipeline's sample is the mixture
            stable_audio,
            alpha * sample,
            sigma * sample,
            times,
            condition=stable_audio.joined([stable_audio.condition(text) for text in (CAPTION, OTHER) * 2]),
            starts=torch.full((4,), 2.5),
            dropped=torch.tensor([True, True, False, False]),
        )
        recorder = Recorder(torch.zeros_like)
        stable_audio.losses(recorder, batch)
        torch.testing.assert_close(recorder.sample, sample)
        torch.testing.assert_close(recorder.times, times)
        for name in ("encoder_hidden_states", "global_hidden_states"):
            torch.testing.assert_close(recorder.rest[name], named[name], atol=1e-6, rtol=1e-6)
        for ours, theirs in zip(recorder.rest["rotary_embedding"], named["rotary_embedding"], strict=True):
            assert torch.equal(ours, theirs)
        expected = squared_error(output, velocity(batch.latents, batch.noise, level))
        torch.testing.assert_close(stable_audio.losses(stable_audio.network, batch), expected, atol=1e-5, rtol=1e-5)


def test_a_crop_has_the_positions_of_its_own_length(stable_audio: Trainee) -> None:
    def positions(frames: int) -> torch.Tensor:
        recorder = Recorder(torch.zeros_like)
        z = normal(1, 8, frames)
        stable_audio.losses(recorder, batch_of(stable_audio, z, z, torch.tensor([0.5])))
        return torch.stack(recorder.rest["rotary_embedding"])

    short, full = positions(20), positions(stable_audio.longest)
    assert short.shape[1] == 20 + 1  # one for the global condition
    assert torch.equal(short, full[:, :21])


def test_audioldm_is_trained_as_its_pipeline_runs_it(audioldm: Trainee, audioldm_folder: Path) -> None:
    pipeline = AudioLDMPipeline.from_pretrained(audioldm_folder)
    pipeline.set_progress_bar_config(disable=True)
    calls: list[tuple[Any, ...]] = []
    pipeline.unet.register_forward_hook(
        lambda _module, positional, named, output: calls.append((*positional, named, output.sample)), with_kwargs=True
    )
    pipeline(
        [CAPTION, OTHER],
        audio_length_in_s=1.0,
        num_inference_steps=4,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(calls) == 4
    cumulative = pipeline.scheduler.alphas_cumprod
    for sample, step, named, output in calls:
        level = discrete_level(step.expand(4), cumulative)
        alpha, sigma = (value[:, None, None, None] for value in level)
        batch = batch_of(
            audioldm,
            alpha * sample,
            sigma * sample,
            (step.expand(4) + 0.5) / 1000,
            condition=audioldm.joined([audioldm.condition(text) for text in (CAPTION, OTHER) * 2]),
            dropped=torch.tensor([True, True, False, False]),
        )
        recorder = Recorder(torch.zeros_like)
        audioldm.losses(recorder, batch)
        torch.testing.assert_close(recorder.sample, sample)
        assert torch.equal(recorder.times, step.expand(4))
        assert recorder.rest["encoder_hidden_states"] is named["encoder_hidden_states"] is None
        torch.testing.assert_close(recorder.rest["class_labels"], named["class_labels"], atol=1e-6, rtol=1e-5)
        expected = squared_error(output, batch.noise)
        torch.testing.assert_close(audioldm.losses(audioldm.network, batch), expected, atol=1e-5, rtol=1e-5)


def rescheduled(folder: Path, target: Path, **settings: object) -> Path:
    """A copy of a checkpoint whose scheduler says something else."""
    shutil.copytree(folder, target)
    file = target / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return target


def test_an_audioldm_that_predicts_velocity_is_trained_to(audioldm_folder: Path, tmp_path: Path) -> None:
    trainee = opened("audioldm", rescheduled(audioldm_folder, tmp_path / "v", prediction_type="v_prediction"))
    z, noise, times = normal(2, 4, 8, 4), normal(2, 4, 8, 4, seed=1), torch.tensor([0.25, 0.75])
    scheduler = DDIMScheduler.from_pretrained(audioldm_folder / "scheduler")
    truth = scheduler.get_velocity(z, noise, torch.tensor([250, 750]))
    losses = trainee.losses(Recorder(lambda _: truth), batch_of(trainee, z, noise, times))
    assert float(losses.max()) < 1e-12


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("audioldm", {"prediction_type": "sample"}),
        ("stable-audio", {"prediction_type": "epsilon"}),
        ("stable-audio", {"sigma_data": 0.5}),
    ],
)
def test_other_objectives_are_refused(
    kind: str, changes: dict[str, object], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(f"{kind.replace('-', '_')}_folder")
    with pytest.raises(
        UsageError,
        match=rf"{re.escape(str(tmp_path / 'other'))}.*prediction_type.*{'|'.join(map(str, changes.values()))}",
    ):
        opened(kind, rescheduled(folder, tmp_path / "other", **changes))


def test_an_autoencoder_of_another_model_is_refused(stable_audio_folder: Path, tmp_path: Path) -> None:
    from bench.contracts.audio import Audio

    shutil.copytree(stable_audio_folder, tmp_path / "other")
    AutoencoderOobleck(
        encoder_hidden_size=4, downsampling_ratios=[8, 8, 8], channel_multiples=[1, 1, 1], decoder_channels=4,
        decoder_input_channels=2, audio_channels=2, sampling_rate=8000,
    ).save_pretrained(tmp_path / "other" / "vae")  # fmt: skip
    with pytest.raises(UsageError, match=r"\b2 channels .*\b8;"):
        opened("stable-audio", tmp_path / "other").encode(Audio(np.zeros((2, 8000), np.float32), 8000))


def test_a_damaged_checkpoint_is_explained(audioldm_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(audioldm_folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "unet" / "config.json").write_text("{}")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "damaged"))):
        opened("audioldm", tmp_path / "damaged")


@pytest.mark.parametrize("kind", ["stable-audio", "audioldm"])
def test_only_a_frozen_network_is_loaded_in_half_precision(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"{kind.replace('-', '_')}_folder")
    full = opened(kind, folder, method="full", precision="bf16")
    frozen = opened(kind, folder, method="lora", precision="bf16")
    assert {p.dtype for p in full.network.parameters()} == {torch.float32}
    assert {p.dtype for p in frozen.network.parameters()} == {torch.bfloat16}
    z = normal(2, 8, 20) if kind == "stable-audio" else normal(2, 4, 20, 4)
    batch = batch_of(full, z, normal(*z.shape, seed=1), torch.tensor([0.3, 0.7]))
    half = frozen.losses(frozen.network, batch)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full.losses(full.network, batch), rtol=0.03, atol=0)


def test_gradients_reach_the_network_and_nothing_else(trainee_and_latents: tuple[Trainee, torch.Tensor]) -> None:
    trainee, z = trainee_and_latents
    trainee.network.zero_grad()
    batch = batch_of(trainee, z, normal(*z.shape, seed=1), torch.tensor([0.1, 0.5, 0.9]))
    trainee.losses(trainee.network, batch).mean().backward()
    for name, weight in trainee.network.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None and weight.grad.abs().max() > 0, name
    assert not any(tensor.requires_grad for tensor in batch.condition.values())
    trainee.network.zero_grad()


def test_levels_have_unit_power() -> None:
    schedule = DDIMScheduler(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear").alphas_cumprod
    levels: list[NoiseLevel] = [cosine_level(torch.rand(100)), discrete_level(torch.arange(1000), schedule)]
    for alpha, sigma in levels:
        torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones_like(alpha))
