"""ACE-Step and LongCat-AudioDiT on tiny checkpoints: their clips are those of the plain pipelines called singly."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import torch

from bench import Audio, GenerationRequest, Prompt
from bench.contracts.plugins import create, find
from bench.errors import DataError, MissingError, UsageError
from bench.quiet import quiet_libraries
from models import tiny
from models.ace_step import PEAK, AceStep
from models.longcat_audio import LongCatAudio
from models.pretrained import PretrainedModel

torch.set_num_threads(1)

STEPS = 3
CONTROLS: tuple[Literal["text", "arguments"], ...] = ("text", "arguments")
SECONDS = 0.9
PROMPTS = (
    Prompt("techno", "A fast techno beat at 132 bpm in A minor", bpm=132, key="A minor"),
    Prompt("piano", "a slow sad piano"),
    Prompt("song", "loud rock guitars", lyrics="[verse]\nDown the road we go", bpm=97.6),
)
KINDS: dict[str, type[PretrainedModel]] = {"ace-step": AceStep, "longcat-audio": LongCatAudio}
Make = Callable[..., PretrainedModel]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(kind, tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def adapter(kind: str, folder: Path) -> Path:
    return tiny.make_adapter(kind, folder, folder.parent / "adapter", scale=0.5)


@pytest.fixture(scope="module")
def make(kind: str, folder: Path) -> Make:
    def made(**params: Any) -> PretrainedModel:
        return create(
            find("model", kind), {"checkpoint": str(folder), "steps": STEPS, "device": "cpu", **params}, KINDS[kind]
        )

    return made


@pytest.fixture(scope="module")
def ace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("ace-step", tmp_path_factory.mktemp("ace") / "base")


def requests(seeds: Sequence[int] = (5, 6), seconds: float = SECONDS) -> list[GenerationRequest]:
    return [GenerationRequest(prompt, seed, seconds) for prompt in PROMPTS for seed in seeds]


def samples(model: PretrainedModel, asked: Sequence[GenerationRequest]) -> list[np.ndarray]:
    clips = model.generate(asked)
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


def opened(name: str, folder: Path) -> Any:
    import diffusers

    with quiet_libraries():
        pipeline = getattr(diffusers, name).from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def assert_near(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("guidance", [1.0, 7.0])
def test_ace_step_plays_what_the_plain_pipeline_plays(
    ace: Path, control: Literal["text", "arguments"], guidance: float
) -> None:
    plain = opened("AceStepPipeline", ace)
    expected = []
    for request in requests():
        prompt = request.prompt
        told = {"bpm": prompt.bpm and round(prompt.bpm), "keyscale": prompt.key} if control == "arguments" else {}
        wave = plain(
            prompt.text,
            lyrics=prompt.lyrics or "[Instrumental]",
            audio_duration=SECONDS,
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(request.seed),
            **told,
        ).audios[0]
        expected.append(wave.numpy()[:, : round(SECONDS * 8000)])
    model = AceStep(str(ace), steps=STEPS, device="cpu", control=control, guidance=guidance)
    assert_near(samples(model, requests()), expected)


@pytest.mark.parametrize("negative", [None, "Bad sound, noise"])
def test_longcat_plays_what_the_plain_pipeline_plays(tmp_path: Path, negative: str | None) -> None:
    folder = tiny.make("longcat-audio", tmp_path / "base")
    plain, frames = opened("LongCatAudioDiTPipeline", folder), 225
    expected = [
        plain(
            request.prompt.text,
            negative_prompt=negative,
            audio_duration_s=frames * 32 / 8000,
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(request.seed),
        ).audios[0]
        for request in requests()
    ]
    model = LongCatAudio(str(folder), steps=STEPS, device="cpu", negative_prompt=negative)
    assert_near(samples(model, requests(seconds=frames * 32 / 8000)), expected)


def test_a_clip_does_not_depend_on_its_batch(make: Make) -> None:
    alone, four = (samples(make(batch_size=size), requests()) for size in (1, 4))
    assert_near(four, alone)


def test_a_restart_gives_the_same_bits(make: Make) -> None:
    model = make()
    first = samples(model, requests())
    again = samples(model, requests())
    model.close()
    for a, b, c in zip(first, again, samples(model, requests()), strict=True):
        assert np.array_equal(a, b) and np.array_equal(a, c)


def test_seeds_prompts_and_settings_are_heard(make: Make) -> None:
    clips = samples(make(), requests())
    clips += [samples(make(**params), requests()[:1])[0] for params in ({"guidance": 2.0}, {"steps": 2})]
    for i, a in enumerate(clips):
        assert 0.01 < np.abs(a).max() < 10
        assert all(np.abs(a - b).max() > 1e-3 for b in clips[:i])


@pytest.mark.parametrize("seconds", [0.3, 1.2345])
def test_a_clip_has_the_length_that_is_asked_for(make: Make, seconds: float) -> None:
    (clip,) = make(steps=1).generate(requests((1,), seconds)[:1])
    assert isinstance(clip, Audio)
    assert (clip.rate, clip.frames) == (8000, round(seconds * 8000))


def test_scale_zero_is_the_base_bit_for_bit_and_more_of_it_is_further_away(make: Make, adapter: Path) -> None:
    base = samples(make(), requests((5,)))
    distances = []
    for scale in (0.0, 0.25, 1.0):
        tuned = samples(make(adapter=str(adapter), adapter_scale=scale), requests((5,)))
        distances.append(max(float(np.abs(a - b).max()) for a, b in zip(base, tuned, strict=True)))
    assert distances[0] == 0 < distances[1] < distances[2]


def test_a_foreign_adapter_is_refused(make: Make, kind: str, tmp_path: Path) -> None:
    other = "longcat-audio" if kind == "ace-step" else "ace-step"
    foreign = tiny.make_adapter(other, tiny.make(other, tmp_path / "base"), tmp_path / "adapter", base="owner/other")
    with pytest.raises(UsageError, match=re.escape(f"'{foreign}'")):
        make(adapter=str(foreign)).generate(requests()[:1])


def test_a_tempo_as_an_argument_is_heard_and_one_in_the_text_is_left_there(ace: Path) -> None:
    text, arguments = (AceStep(str(ace), steps=2, device="cpu", control=c) for c in CONTROLS)
    asked = [GenerationRequest(prompt, 1, SECONDS) for prompt in PROMPTS]
    pairs = list(zip(samples(text, asked), samples(arguments, asked), strict=True))
    assert [bool(np.array_equal(*pair)) for pair in pairs] == [False, True, False]  # the second has no tempo


def test_lyrics_are_heard_and_their_absence_said_otherwise(ace: Path) -> None:
    model = AceStep(str(ace), steps=2, device="cpu")
    plain = Prompt("a", "loud rock guitars")
    asked = [
        GenerationRequest(prompt, 1, SECONDS)
        for prompt in (plain, Prompt("b", plain.text, lyrics="[Instrumental]"), Prompt("c", plain.text, lyrics="la la"))
    ]
    one, same, sung = samples(model, asked)
    assert np.array_equal(one, same) and not np.array_equal(one, sung)
    other = AceStep(str(ace), steps=2, device="cpu", instrumental="[Piano]")
    assert not np.array_equal(samples(other, asked[:1])[0], one)


def test_ace_step_has_a_peak_of_minus_one_decibel(ace: Path) -> None:
    whole = 8000 * 10 // 512 * 512 / 8000  # in whole latent frames nothing is cut off
    clip = samples(AceStep(str(ace), steps=1, device="cpu"), requests((1,), whole)[:1])[0]
    assert np.abs(clip).max() == pytest.approx(PEAK, abs=1e-6)


def test_ace_step_turbo_has_no_guidance(ace: Path, tmp_path: Path) -> None:
    import json
    import shutil

    turbo = Path(shutil.copytree(ace, tmp_path / "turbo"))
    config = turbo / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "is_turbo": True}))
    clips = [samples(AceStep(str(turbo), steps=2, device="cpu", guidance=g), requests((1,)))[0] for g in (1.0, 7.0)]
    assert np.array_equal(clips[0], clips[1])
    base = samples(AceStep(str(ace), steps=2, device="cpu", guidance=1.0), requests((1,)))[0]
    assert np.array_equal(base, clips[0])


def test_what_ace_step_leaves_unread_is_counted(ace: Path) -> None:
    model = AceStep(str(ace), steps=1, device="cpu")
    words = "loud rock guitars and " * 40
    long, longer = Prompt("a", words), Prompt("b", words + "drums " * 9)
    assert 0 < model.unread_tokens(long) < model.unread_tokens(longer)
    assert model.unread_tokens(Prompt("c", "drums")) == 0
    assert model.unread_tokens(Prompt("c", "drums", lyrics="la " * 3000)) > 100
    clips = samples(model, [GenerationRequest(prompt, 1, SECONDS) for prompt in (long, longer)])
    assert np.array_equal(clips[0], clips[1])


@pytest.mark.parametrize(
    "params", [{"shift": 0.0}, {"control": "words"}, {"negative_prompt": "bad"}, {"steps": 0}, {"guidance": -1.0}]
)
def test_parameters_out_of_their_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(params))):
        AceStep(**params)


def test_a_stochastic_scheduler_is_refused(ace: Path, tmp_path: Path) -> None:
    import json
    import shutil

    folder = Path(shutil.copytree(ace, tmp_path / "other"))
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "stochastic_sampling": True}))
    with pytest.raises(UsageError, match="stochastic_sampling"):
        AceStep(str(folder), device="cpu").generate(requests()[:1])


def test_too_long_a_clip_and_a_folder_that_lacks_a_part_are_refused(make: Make, folder: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(UsageError, match=r"\b601 s "):
        make().generate(requests(seconds=601.0))
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    shutil.rmtree(broken / "text_encoder")
    with pytest.raises((DataError, MissingError), match="text_encoder"):
        make(checkpoint=str(broken)).generate(requests()[:1])
