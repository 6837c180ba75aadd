"""Stable Audio on a tiny checkpoint: what its clips depend on, and that they are those of the plain pipeline."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("torchsde")

import torch

from bench import Audio, GenerationRequest, Prompt
from bench.errors import UsageError
from models import tiny
from models.stable_audio import StableAudio, StableAudioLora, decoder_reach

torch.set_num_threads(1)  # networks this small lose more than they gain by threads

STEPS = 6
SECONDS = 1.0
TEXTS = ("a fast techno beat", "a slow sad piano", "loud rock guitars", "a gentle bossa nova")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Path:
    return tiny.make_adapter("stable-audio", folder, folder.parent / "adapter", scale=0.5)


@pytest.fixture(scope="module")
def model(folder: Path) -> StableAudio:
    return StableAudio(str(folder), steps=STEPS, device="cpu")


def requests(count: int, seconds: float = SECONDS) -> list[GenerationRequest]:
    """Texts in turn, each with several seeds."""
    prompts = [Prompt(id=f"p{i}", text=text, genre="any", level=1) for i, text in enumerate(TEXTS)]
    return [GenerationRequest(prompts[i % len(TEXTS)], 10 + i // len(TEXTS), seconds) for i in range(count)]


def samples(model: StableAudio, asked: Sequence[GenerationRequest]) -> list[np.ndarray]:
    clips = model.generate(asked)
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


def test_clips_are_those_of_the_plain_pipeline(model: StableAudio, folder: Path) -> None:
    from diffusers import StableAudioPipeline

    asked = requests(3)
    plain = StableAudioPipeline.from_pretrained(folder)
    plain.set_progress_bar_config(disable=True)
    for request, ours in zip(asked, samples(model, asked), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the solver asks for noise a rounding error outside its interval
            theirs = plain(
                request.prompt.text,
                negative_prompt="Low quality.",
                audio_end_in_s=SECONDS,
                num_inference_steps=STEPS,
                guidance_scale=7.0,
                generator=torch.Generator().manual_seed(request.seed),
            ).audios[0]
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)


def test_a_clip_does_not_depend_on_its_batch(folder: Path) -> None:
    asked = requests(8)
    alone, three, eight = (
        samples(StableAudio(str(folder), steps=STEPS, device="cpu", batch_size=size), asked) for size in (1, 3, 8)
    )
    for a, b, c in zip(alone, three, eight, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-4)
        np.testing.assert_allclose(c, a, atol=1e-4)


def test_same_batch_same_bits(model: StableAudio, folder: Path) -> None:
    asked = requests(3)
    first = samples(model, asked)
    samples(model, requests(5))
    for a, b, c in zip(
        first, samples(model, asked), samples(StableAudio(str(folder), steps=STEPS), asked), strict=True
    ):
        assert (a == b).all() and (a == c).all()


def test_seeds_and_prompts_differ_and_nothing_is_silent(model: StableAudio) -> None:
    clips = samples(model, requests(8))
    for i, a in enumerate(clips):
        assert 0.01 < np.abs(a).max() < 10
        for b in clips[:i]:
            assert np.abs(a - b).max() > 0.01


def test_guidance_and_negative_prompt_are_heard(folder: Path) -> None:
    asked = requests(1)
    variants: list[dict[str, Any]] = [{}, {"guidance": 1.0}, {"guidance": 3.0}, {"negative_prompt": None}]
    clips = [samples(StableAudio(str(folder), steps=STEPS, **variant), asked)[0] for variant in variants]
    for i, a in enumerate(clips):
        for b in clips[:i]:
            assert np.abs(a - b).max() > 1e-3


@pytest.mark.parametrize("seconds", [0.3, 1.2345, 10.24])
def test_a_clip_has_the_length_that_is_asked_for(folder: Path, seconds: float) -> None:
    clip = StableAudio(str(folder), steps=1).generate(requests(1, seconds))[0]
    assert isinstance(clip, Audio)
    assert (clip.channels, clip.rate, clip.frames) == (2, 8000, round(seconds * 8000))


def test_too_long_a_clip_is_refused_with_the_maximum(model: StableAudio) -> None:
    with pytest.raises(UsageError, match=r"\b10\.25 s .*\b10\.24 s"):
        model.generate(requests(1, 10.25))


def test_each_text_is_encoded_once(folder: Path) -> None:
    model = StableAudio(str(folder), steps=1, batch_size=3)
    model.generate(requests(1))
    calls: list[int] = []
    handle = model._network.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    model.generate(requests(12))
    assert len(calls) == len(TEXTS) - 1  # one text and the negative prompt were encoded before
    handle.remove()


def test_decoding_what_is_kept_equals_decoding_everything(model: StableAudio) -> None:
    samples(model, requests(1))
    vae = model._network.vae
    latents = torch.randn((1, 8, 160), generator=torch.Generator().manual_seed(0))
    reach = decoder_reach(vae.config.downsampling_ratios[::-1])
    with torch.inference_mode():
        whole, part = vae.decode(latents).sample, vae.decode(latents[:, :, : 20 + reach]).sample
        torch.testing.assert_close(part[:, :, : 20 * vae.hop_length], whole[:, :, : 20 * vae.hop_length])
        too_short = vae.decode(latents[:, :, :20]).sample
    assert (too_short - whole[:, :, : 20 * vae.hop_length]).abs().max() > 1e-4


def test_the_base_is_the_same_whether_or_not_the_adapted_model_ran(folder: Path, adapter: Path) -> None:
    asked = requests(2)
    before = samples(StableAudio(str(folder), steps=STEPS), asked)
    base = StableAudio(str(folder), steps=STEPS)
    base.generate(asked[:1])  # loaded before the adapted one, used after it
    adapted = StableAudioLora(str(folder), adapter=str(adapter), steps=STEPS)
    tuned = samples(adapted, asked)
    for a, b, c in zip(
        before, samples(base, asked), samples(StableAudio(str(folder), steps=STEPS), asked), strict=True
    ):
        assert (a == b).all() and (a == c).all()
    assert max(np.abs(a - b).max() for a, b in zip(before, tuned, strict=True)) > 1e-3


def test_adapter_scale_zero_is_the_base_bit_for_bit_and_more_of_it_is_further_away(folder: Path, adapter: Path) -> None:
    asked = requests(2)
    base = samples(StableAudio(str(folder), steps=STEPS), asked)
    distances = []
    for scale in (0.0, 0.25, 1.0):
        tuned = samples(StableAudioLora(str(folder), adapter=str(adapter), adapter_scale=scale, steps=STEPS), asked)
        distances.append(max(float(np.abs(a - b).max()) for a, b in zip(base, tuned, strict=True)))
    assert distances[0] == 0 < distances[1] < distances[2]


@pytest.mark.parametrize("adapted", [False, True])
def test_close_releases_the_weights(folder: Path, adapter: Path, adapted: bool) -> None:
    model = StableAudio(str(folder), adapter=str(adapter) if adapted else None, steps=1)
    model.generate(requests(1))
    parts = [weakref.ref(part) for part in (model._network, model._network.transformer, model._network.vae)]
    weights = [weakref.ref(weight) for weight in model._network.transformer.parameters()]
    gc.disable()  # what is left must be gone at once, not when it happens to be collected
    model.close()
    gc.enable()
    assert [part() for part in parts] == [None] * len(parts)
    assert all(weight() is None for weight in weights)
    assert isinstance(model.generate(requests(1))[0], Audio)  # and it can be used again


def test_half_precision_is_near_float32(model: StableAudio, folder: Path) -> None:
    asked = requests(1)
    half = samples(StableAudio(str(folder), steps=STEPS, dtype="bfloat16"), asked)[0]
    full = samples(model, asked)[0]
    assert np.corrcoef(half.ravel(), full.ravel())[0, 1] > 0.9


def test_fingerprint_names_weights_dtype_and_adapter(folder: Path, adapter: Path, tmp_path: Path) -> None:
    other = tiny.make("stable-audio", tmp_path / "other", seed=1)
    prints = [
        StableAudio(str(folder)).fingerprint(),
        StableAudio(str(other)).fingerprint(),
        StableAudio(str(folder), dtype="bfloat16").fingerprint(),
        StableAudioLora(str(folder), adapter=str(adapter)).fingerprint(),
    ]
    assert all(a != b for i, a in enumerate(prints) for b in prints[:i])
    assert StableAudio("stabilityai/stable-audio-open-1.0", dtype="float32").fingerprint() == {
        "repo": "stabilityai/stable-audio-open-1.0",
        "revision": "f21265c1e2710b3bd2386596943f0007f55f802e",
        "dtype": "float32",
    }


@pytest.mark.parametrize("params", [{"steps": 0}, {"guidance": -1.0}, {"adapter_scale": float("nan")}])
def test_parameters_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(params))):
        StableAudio(**params)
