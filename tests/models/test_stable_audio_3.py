"""Stable Audio 3 on tiny checkpoints: clips are those of the plain pipeline, whatever else is in their batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import torch

from bench import Audio, GenerationRequest, Prompt
from bench.errors import UsageError
from bench.quiet import quiet_libraries
from models import tiny
from models.base_checkpoint import locate
from models.stable_audio_3 import StableAudio3, codec_reach, decoded
from models.tiny.stable_audio_3 import pipeline

torch.set_num_threads(1)  # networks this small lose more than they gain by threads

STEPS = 6
SECONDS = 1.0
TEXTS = ("a fast techno beat", "a slow sad piano", "loud rock guitars", "a gentle bossa nova")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio-3", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def distilled(base: Path) -> Path:
    with quiet_libraries():
        pipeline(1, distilled=True, differential=False).save_pretrained(base.parent / "distilled")
    return base.parent / "distilled"


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    return tiny.make_adapter("stable-audio-3", base, base.parent / "adapter", scale=0.5)


def requests(count: int, seconds: float = SECONDS) -> list[GenerationRequest]:
    """Texts in turn, each with several seeds."""
    prompts = [Prompt(id=f"p{i}", text=text, genre="any", level=1) for i, text in enumerate(TEXTS)]
    return [GenerationRequest(prompts[i % len(TEXTS)], 10 + i // len(TEXTS), seconds) for i in range(count)]


def samples(model: StableAudio3, asked: Sequence[GenerationRequest]) -> list[np.ndarray]:
    clips = model.generate(asked)
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


def plain(folder: Path, request: GenerationRequest, **given: Any) -> np.ndarray:
    """What the pipeline itself makes of one request."""
    from diffusers import StableAudio3Pipeline

    with quiet_libraries():
        opened = StableAudio3Pipeline.from_pretrained(folder)
        opened.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(request.seed)
        audio = opened(request.prompt.text, duration=request.duration, generator=generator, **given).audios[0]
    found: np.ndarray = audio.numpy()
    return found


VARIANTS: list[dict[str, Any]] = [
    {},
    {"guidance": 1.0},
    {"guidance": 3.0, "negative_prompt": "noise"},
]


@pytest.mark.parametrize("params", VARIANTS)
def test_clips_of_a_base_are_those_of_the_plain_pipeline(base: Path, params: dict[str, Any]) -> None:
    asked = requests(3)
    theirs: dict[str, Any] = {"guidance_scale": params.get("guidance", 7.0)}
    if "negative_prompt" in params:
        theirs["negative_prompt"] = params["negative_prompt"]
    for request, ours in zip(asked, samples(StableAudio3(str(base), steps=STEPS, **params), asked), strict=True):
        expected = plain(base, request, num_inference_steps=STEPS, **theirs)
        np.testing.assert_allclose(ours, expected, atol=1e-4)
        assert np.abs(expected).max() > 0.01


def test_clips_of_a_distilled_checkpoint_are_those_of_the_plain_pipeline_with_its_own_steps(distilled: Path) -> None:
    asked = requests(3)
    for request, ours in zip(asked, samples(StableAudio3(str(distilled)), asked), strict=True):
        np.testing.assert_allclose(ours, plain(distilled, request), atol=1e-4)


def test_a_base_takes_a_hundred_steps_as_the_pipeline_does(base: Path) -> None:
    (request,) = requests(1, 0.25)
    (ours,) = samples(StableAudio3(str(base), guidance=1.0), [request])
    np.testing.assert_allclose(ours, plain(base, request), atol=1e-4)


@pytest.mark.parametrize("kind", ["base", "distilled"])
def test_a_clip_does_not_depend_on_its_batch(kind: str, request: pytest.FixtureRequest) -> None:
    folder, asked = str(request.getfixturevalue(kind)), requests(8)
    alone, three, eight = (samples(StableAudio3(folder, steps=STEPS, batch_size=size), asked) for size in (1, 3, 8))
    for a, b, c in zip(alone, three, eight, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-4)
        np.testing.assert_allclose(c, a, atol=1e-4)


def test_same_batch_same_bits_and_seeds_and_prompts_differ(distilled: Path) -> None:
    asked = requests(8)
    model = StableAudio3(str(distilled))
    first = samples(model, asked)
    samples(model, requests(5))
    again, fresh = samples(model, asked), samples(StableAudio3(str(distilled)), asked)
    for i, (a, b, c) in enumerate(zip(first, again, fresh, strict=True)):
        assert (a == b).all() and (a == c).all()
        assert 0.01 < np.abs(a).max() < 1
        assert all(np.abs(a - other).max() > 0.001 for other in first[:i])


def test_each_step_of_a_distilled_checkpoint_adds_new_noise(distilled: Path) -> None:
    """With one step there is none; with two, the second begins with noise that is not the first's."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    model = StableAudio3(str(distilled), steps=2)
    (pingpong,) = samples(model, requests(1))
    config = dict(model._network.scheduler.config) | {"stochastic_sampling": False}
    model._network.scheduler = FlowMatchEulerDiscreteScheduler.from_config(config)
    (euler,) = samples(model, requests(1))
    assert np.abs(pingpong - euler).max() > 1e-3


def test_the_length_is_heard(base: Path) -> None:
    (short,) = samples(StableAudio3(str(base), steps=2), requests(1, 1.0))
    (long,) = samples(StableAudio3(str(base), steps=2), requests(1, 1.5))
    assert np.abs(short - long[:, : short.shape[1]]).max() > 1e-3


@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.2345])
def test_a_clip_has_the_length_that_is_asked_for(base: Path, seconds: float) -> None:
    (clip,) = StableAudio3(str(base), steps=1).generate(requests(1, seconds))
    assert isinstance(clip, Audio)
    assert (clip.channels, clip.rate, clip.frames) == (2, 8000, round(seconds * 8000))


def test_decoding_in_windows_equals_decoding_everything(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = StableAudio3(str(base), steps=1)
    samples(model, requests(1))
    vae = model._network.vae
    latents = torch.randn((2, 8, 60), generator=torch.Generator().manual_seed(0))
    assert codec_reach(vae.config) == 2  # two layers, each a latent frame to either side
    with torch.inference_mode():
        whole = vae.decode(latents).sample.numpy()
        monkeypatch.setattr("models.stable_audio_3._WINDOW", 9)
        np.testing.assert_allclose(decoded(vae, latents), whole, atol=1e-5)
        monkeypatch.setattr("models.stable_audio_3.codec_reach", lambda _: 1)
        assert np.abs(decoded(vae, latents) - whole).max() > 1e-4


def test_what_a_checkpoint_cannot_do_is_refused(base: Path, distilled: Path) -> None:
    for model, named in (
        (StableAudio3(str(base)), "33 s .* 32 s"),
        (StableAudio3(str(distilled), guidance=3.0), "guidance"),
        (StableAudio3(str(distilled), negative_prompt="noise"), "negative_prompt"),
        (StableAudio3(str(base), negative_prompt="no " * 200), "negative_prompt"),
    ):
        with pytest.raises(UsageError, match=named):
            model.generate(requests(1, 33.0 if "33 s" in named else 1.0))
    with pytest.raises(UsageError, match="384 s"):
        StableAudio3("somewhere").generate(requests(1, 400.0))


@pytest.mark.parametrize("params", [{"steps": 0}, {"guidance": -1.0}, {"adapter_scale": 2.0}])
def test_parameters_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(params))):
        StableAudio3("somewhere", **params)


def test_another_kind_of_checkpoint_is_refused_by_name(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'stable-audio-3'"):
        locate(str(base), None, "stable-audio")
    other = tiny.make("stable-audio", tmp_path / "other")
    with pytest.raises(UsageError, match="'stable-audio'"):
        StableAudio3(str(other)).generate(requests(1))


def test_adapter_scale_zero_is_the_base_bit_for_bit_and_more_of_it_is_further_away(base: Path, adapter: Path) -> None:
    asked = requests(2)
    plain_clips = samples(StableAudio3(str(base), steps=STEPS), asked)
    distances = []
    for scale in (0.0, 0.25, 1.0):
        tuned = samples(StableAudio3(str(base), adapter=str(adapter), adapter_scale=scale, steps=STEPS), asked)
        distances.append(max(float(np.abs(a - b).max()) for a, b in zip(plain_clips, tuned, strict=True)))
    assert distances[0] == 0 < distances[1] < distances[2]


def test_more_of_a_text_than_the_pipeline_reads_is_counted_whatever_the_tokenizer_says(base: Path) -> None:
    model = StableAudio3(str(base), steps=1)
    prompt = Prompt(id="long", text="!" * 300, genre="any", level=1)
    model.generate(requests(1))
    model._network.tokenizer.model_max_length = 10**30
    assert model.unread_tokens(prompt) == len(model._network.tokenizer("!" * 300).input_ids) - 256 > 0


@pytest.mark.parametrize("kind", ["base", "distilled"])
def test_half_precision_is_near_float32(kind: str, request: pytest.FixtureRequest) -> None:
    folder, asked = str(request.getfixturevalue(kind)), requests(1)
    half, full = (
        samples(StableAudio3(folder, steps=STEPS, dtype=dtype), asked)[0] for dtype in ("bfloat16", "float32")
    )
    assert np.corrcoef(half.ravel(), full.ravel())[0, 1] > 0.9
