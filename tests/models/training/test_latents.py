"""What encoders make of recordings: spectrograms, windows, posteriors, embeddings, and the cache that keeps them."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("torchsde")

import torch
from diffusers import AutoencoderKL, AutoencoderOobleck

from bench.contracts.audio import Audio, content_hash, read_audio, write_flac
from bench.errors import DataError, UsageError
from bench.mel import mel_corners
from models import tiny
from models.training import audioldm, latent_shards, stable_audio
from models.training.audioldm import AudioLDMTrainee
from models.training.base import Latent, Trainee
from models.training.config import parse_train_config
from models.training.dataset import Dataset, Example
from models.training.latents import LatentCache
from models.training.mel import log_mel, window_length
from models.training.registry import open_trainee
from models.training.stable_audio import StableAudioTrainee, encoder_reach
from models.training.waveform import fitted
from models.windows import windows

torch.set_num_threads(1)

RATE = 8000


def opened(kind: str, folder: Path, **settings: Any) -> Any:
    base = {"kind": kind, "checkpoint": str(folder)}
    return open_trainee(parse_train_config({"base": base, "data": {"path": "composer"}, "steps": 1, **settings}))


@pytest.fixture(scope="module")
def stable(stable_audio_folder: Path) -> StableAudioTrainee:
    return opened("stable-audio", stable_audio_folder)


@pytest.fixture(scope="module")
def ldm(audioldm_folder: Path) -> AudioLDMTrainee:
    return opened("audioldm", audioldm_folder)


def sound(seconds: float, rate: int = RATE, channels: int = 2, seed: int = 0) -> Audio:
    rng = np.random.default_rng(seed)
    return Audio(0.1 * rng.standard_normal((channels, round(seconds * rate))).astype(np.float32), rate)


# Windows


@given(st.integers(1, 3000), st.integers(1, 300), st.integers(0, 100))
def test_windows_cover_everything_once_with_context(frames: int, core: int, context: int) -> None:
    size = core + 2 * context
    found = list(windows(frames, size, context))
    assert [w.kept_from for w in found] == [0, *(w.kept_to for w in found[:-1])]
    assert found[-1].kept_to == frames
    for begin, end, kept_from, kept_to in found:
        assert 0 <= begin <= kept_from < kept_to <= end <= frames
        assert end - begin == min(size, frames)
        assert begin in (0, kept_from) or kept_from - begin >= context
        assert begin == 0 or kept_from - begin >= context
        assert end == frames or end - kept_to >= context


# Waveforms


def test_channels_and_rate_are_fitted() -> None:
    stereo = sound(1.0, 16_000)
    assert fitted(stereo, 8000, 2).shape == (2, 8000)
    np.testing.assert_array_equal(fitted(stereo, 16_000, 2), stereo.samples)
    np.testing.assert_array_equal(fitted(stereo, 16_000, 1)[0], stereo.mono())
    mono = Audio(stereo.samples[:1], 16_000)
    np.testing.assert_array_equal(fitted(mono, 16_000, 2), np.repeat(mono.samples, 2, axis=0))
    surround = sound(1.0, 16_000, channels=6)
    np.testing.assert_array_equal(fitted(surround, 16_000, 2)[1], surround.mono())
    assert fitted(Audio(np.ones((1, 1), np.float32), 48_000), 8000, 2).shape == (2, 1)


def test_a_tone_keeps_its_pitch_and_level() -> None:
    time = np.arange(44_100) / 44_100
    tone = Audio(np.stack([0.5 * np.sin(2 * np.pi * 440 * time)] * 2).astype(np.float32), 44_100)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    for channel in fitted(tone, 8000, 2):
        np.testing.assert_allclose(channel[400:-400], expected[400:-400], atol=1e-3)


# Spectrograms


@pytest.mark.parametrize(
    ("rate", "hop", "bands", "window"), [(16_000, 160, 64, 1024), (8000, 80, 16, 512), (16_000, 640, 128, 2048)]
)
def test_the_spectrogram_is_what_transformers_computes(rate: int, hop: int, bands: int, window: int) -> None:
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    assert window_length(rate, hop) == window
    samples = sound(10.24, rate, 1).samples[0].copy()
    samples[::7] *= 1e-3  # as quiet as the floor in places
    samples[: rate // 2] = 0
    margin = (window - hop) // 2
    theirs = spectrogram(
        np.pad(samples, margin, mode="reflect").astype(np.float64),
        window_function(window, "hann"),
        frame_length=window,
        hop_length=hop,
        power=1.0,
        center=False,
        mel_filters=mel_filter_bank(window // 2 + 1, bands, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney"),
        mel_floor=1e-5,
        log_mel="log",
    ).T
    ours = log_mel(samples, rate, hop, bands).numpy()
    assert ours.shape == (len(samples) // hop, bands)
    assert ours[0].max() == np.float32(np.log(1e-5))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 5000.0])
def test_a_tone_sounds_in_its_band(frequency: float) -> None:
    rate = 16_000
    samples = np.sin(2 * np.pi * frequency * np.arange(rate) / rate).astype(np.float32)
    centres = mel_corners(64, 0, 8000)[1:-1]
    loudest = log_mel(samples, rate, 160, 64)[50].argmax()
    assert abs(int(loudest) - int(np.abs(centres - frequency).argmin())) <= 1


def test_the_spectrogram_needs_no_library_that_compiles() -> None:
    code = (
        "import sys, numpy\nfrom models.training.mel import log_mel\nlog_mel(numpy.ones(1600, 'f'), 16_000, 160, 64)\n"
        "print(*{'librosa', 'numba'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == ""


def test_audioldm_hears_no_difference_in_level_or_offset(ldm: AudioLDMTrainee) -> None:
    audio = sound(2.0)
    moved = Audio(audio.samples * 0.01 + 0.2, RATE)
    torch.testing.assert_close(ldm.spectrogram(audio), ldm.spectrogram(moved), atol=2e-3, rtol=0)
    assert bool(ldm.encode(Audio(np.zeros((1, 4000), np.float32), RATE)).mean.isfinite().all())


# Posteriors


def test_oobleck_posterior_is_the_autoencoders(stable: StableAudioTrainee, stable_audio_folder: Path) -> None:
    audio = sound(5.0)
    vae = AutoencoderOobleck.from_pretrained(stable_audio_folder / "vae")
    frames = -(-audio.frames // 512)
    silence = np.zeros((2, frames * 512 - audio.frames), np.float32)
    with torch.no_grad():
        whole = vae.encode(torch.from_numpy(np.concatenate([audio.samples, silence], axis=1))[None]).latent_dist
    latent = stable.encode(audio)
    assert latent.mean.shape == latent.std.shape == (8, frames)
    assert latent.seconds == 5.0
    torch.testing.assert_close(latent.mean, whole.mean[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(latent.std, whole.std[0], atol=1e-6, rtol=0)


def test_long_audio_is_encoded_as_if_at_once(stable_audio_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision, where no rounding hides a wrong edge; random weights make more of it than trained ones."""
    stable, audio = opened("stable-audio", stable_audio_folder), sound(6.0)
    stable._encoders.vae.double()
    whole = stable.encode(audio)
    monkeypatch.setattr(stable_audio, "CHUNK", 24)
    chunked = stable.encode(audio)
    torch.testing.assert_close(chunked.mean, whole.mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(chunked.std, whole.std, atol=1e-6, rtol=0)
    monkeypatch.setattr(stable_audio, "encoder_reach", lambda _: 1)
    assert (stable.encode(audio).mean - whole.mean).abs().max() > 1e-3


def test_the_encoders_reach_is_that_of_its_gradient(stable_audio_folder: Path) -> None:
    vae = AutoencoderOobleck.from_pretrained(stable_audio_folder / "vae")
    samples = torch.randn((1, 2, 40 * 512), generator=torch.Generator().manual_seed(0), requires_grad=True)
    vae.encode(samples).latent_dist.mean[0, :, 20].sum().backward()
    assert samples.grad is not None
    heard = samples.grad.abs().sum(dim=(0, 1)).nonzero()
    before, after = (20 * 512 - int(heard.min())) / 512, (int(heard.max()) + 1 - 21 * 512) / 512
    reach = encoder_reach([8, 8, 8])
    assert reach - 1 < max(before, after) <= reach
    assert encoder_reach([2, 4, 4, 8, 8]) == 8  # as published


def test_mel_posterior_is_the_autoencoders_scaled(ldm: AudioLDMTrainee, audioldm_folder: Path) -> None:
    audio = sound(3.3)
    vae = AutoencoderKL.from_pretrained(audioldm_folder / "vae")
    spectrogram = ldm.spectrogram(audio)
    assert spectrogram.shape == (332, 16)  # 330 frames of 10 ms, and silence up to a whole latent frame
    with torch.no_grad():
        posterior = vae.encode(spectrogram[None, None]).latent_dist
    latent = ldm.encode(audio)
    assert latent.mean.shape == (4, 83, 4)
    torch.testing.assert_close(latent.mean, 0.9 * posterior.mean[0])
    torch.testing.assert_close(latent.std, 0.9 * posterior.std[0])


def test_long_audio_is_encoded_in_windows_of_the_trained_length(ldm: AudioLDMTrainee, audioldm_folder: Path) -> None:
    audio = sound(25.0)
    vae = AutoencoderKL.from_pretrained(audioldm_folder / "vae")
    spectrogram, latent = ldm.spectrogram(audio), ldm.encode(audio)
    assert latent.mean.shape == (4, 625, 4)
    size, context = ldm.longest, audioldm.CONTEXT
    assert (size, context) == (256, 32)
    second = spectrogram[(size - 2 * context) * 4 : (2 * size - 2 * context) * 4]
    with torch.no_grad():
        posterior = vae.encode(second[None, None]).latent_dist
    kept = 0.9 * posterior.mean[0, :, context : size - context]
    torch.testing.assert_close(latent.mean[:, size - context : 2 * size - 3 * context], kept)


@pytest.mark.parametrize("seconds", [0.001, 0.1, 1.0])
def test_the_shortest_sounds_have_a_latent(stable: StableAudioTrainee, ldm: AudioLDMTrainee, seconds: float) -> None:
    trainees: Sequence[Trainee] = (stable, ldm)
    for trainee in trainees:
        latent = trainee.encode(sound(seconds, 44_100))
        assert latent.mean.shape[1] == max(1, int(np.ceil(seconds / trainee.frame_seconds)))
        assert latent.seconds == pytest.approx(seconds, abs=1e-4)


# Conditioning on sound


def save_clap(folder: Path, seed: int = 0, width: int = 32) -> Path:
    """A tiny CLAP; with seed 0 its text tower is that of the tiny AudioLDM."""
    from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel

    from models.tiny.audioldm import clap_text_config
    from models.tiny.weights import fill_module

    audio = ClapAudioConfig(
        spec_size=64, num_mel_bins=16, hidden_size=32, patch_embeds_hidden_size=16, depths=[1, 1],
        num_attention_heads=[2, 2], window_size=4, projection_dim=width,
    )  # fmt: skip
    text = {**clap_text_config().to_dict(), "projection_dim": width}
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio.to_dict(), projection_dim=width))
    fill_module(model, seed)
    model.save_pretrained(folder)
    extractor = ClapFeatureExtractor(
        sampling_rate=RATE, hop_length=80, feature_size=16, frequency_max=4000, max_length_s=2, truncation="rand_trunc"
    )
    extractor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hearing(audioldm_folder: Path) -> AudioLDMTrainee:
    clap = save_clap(audioldm_folder.parent / "clap")
    return opened("audioldm", audioldm_folder, condition="audio", clap=str(clap))


def test_audio_condition_is_claps_embedding(hearing: AudioLDMTrainee, audioldm_folder: Path) -> None:
    from transformers import ClapFeatureExtractor, ClapModel

    clap = audioldm_folder.parent / "clap"
    model, extractor = ClapModel.from_pretrained(clap).eval(), ClapFeatureExtractor.from_pretrained(clap)

    def embedding(samples: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return model.get_audio_features(**extractor(samples, sampling_rate=RATE, return_tensors="pt")).pooler_output

    audio = sound(5.0, channels=1)
    heard = audio.samples[0] - audio.samples[0].mean()
    heard = 0.5 * heard / np.abs(heard).max()
    windowed = [embedding(heard[start : start + 2 * RATE]) for start in (0, 2 * RATE, 4 * RATE)]
    expected = torch.nn.functional.normalize(2 * windowed[0] + 2 * windowed[1] + windowed[2])
    state = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002 - what the extractor draws from
    found = hearing.condition_of_audio(audio)["embedding"]
    assert (np.random.get_state(legacy=False)["state"]["key"] == state).all()  # noqa: NPY002
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(1))


def test_a_clap_of_another_space_is_refused(audioldm_folder: Path, tmp_path: Path) -> None:
    other, wide = save_clap(tmp_path / "other", seed=1), save_clap(tmp_path / "wide", width=48)
    for clap, problem in ((other, r"cosine [-\d.]+\)"), (wide, r"\b48 dimensions")):
        with pytest.raises(UsageError, match=f"{re.escape(str(clap))}.*{problem}"):
            opened("audioldm", audioldm_folder, condition="audio", clap=str(clap))


def test_a_text_trainee_is_not_asked_about_sounds(ldm: AudioLDMTrainee) -> None:
    assert ldm.conditioned_on == "text"
    with pytest.raises(NotImplementedError):
        ldm.condition_of_audio(sound(1.0))


# The cache


@dataclass
class Told:
    """Progress that remembers what it is told."""

    begun: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    advanced: int = 0
    dies_after: int = -1

    def begin(self, stage: str, total: int, done: int) -> None:
        self.begun[stage] = (total, done)

    def advance(self, count: int) -> None:
        self.advanced += count
        if self.advanced == self.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Seven files: of the last two, one sounds and one is described like the first."""
    folder = tmp_path_factory.mktemp("recordings")
    seeds, captions = (0, 1, 2, 3, 4, 0, 5), ("a", "b", "c", "d", "e", "f", "a")
    examples = []
    for i, (seed, caption) in enumerate(zip(seeds, captions, strict=True)):
        path = folder / f"{i}.flac"
        write_flac(path, sound(1.0 + 0.1 * seed, seed=seed))
        examples.append(Example(f"e{i}", f"r{seed}", path, caption))
    hashes = {example.id: content_hash(read_audio(example.path)) for example in examples}
    return Dataset("seven", tuple(examples), hashes)


@pytest.fixture(scope="module")
def built(stable: StableAudioTrainee, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "cache"
    LatentCache.build(stable, dataset, folder)
    return folder


@pytest.fixture
def cache_folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "cache"))


def shards(folder: Path, what: str = "*") -> list[Path]:
    return sorted(folder.glob(f"{what}/*.safetensors"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(cache: LatentCache, trainee: Trainee, dataset: Dataset) -> None:
    for example in dataset.examples:
        expected: Latent = trainee.encode(read_audio(example.path))
        found = cache.latent(example)
        assert torch.equal(found.mean, expected.mean)
        assert torch.equal(found.std, expected.std)
        assert found.seconds == expected.seconds == cache.seconds(example)
        condition: Mapping[str, torch.Tensor] = trainee.condition(example.caption)
        assert cache.condition(example).keys() == condition.keys()
        assert all(torch.equal(cache.condition(example)[name], condition[name]) for name in condition)


def test_the_cache_holds_what_the_encoders_make(stable: StableAudioTrainee, dataset: Dataset, built: Path) -> None:
    assert_same(LatentCache.build(stable, dataset, built), stable, dataset)


def test_equal_sounds_and_captions_are_encoded_once(
    stable: StableAudioTrainee, dataset: Dataset, tmp_path: Path
) -> None:
    told = Told()
    LatentCache.build(stable, dataset, tmp_path, told)
    assert told.begun == {"encoding audio": (6, 0), "encoding captions": (6, 0)}
    assert told.advanced == 12


def test_a_complete_cache_needs_no_encoders(stable_audio_folder: Path, dataset: Dataset, built: Path) -> None:
    trainee = opened("stable-audio", stable_audio_folder)
    trainee.release_encoders()
    before = contents(built)
    cache = LatentCache.build(trainee, dataset, built)
    assert cache.latent(dataset.examples[0]).mean.shape == (8, 16)
    assert contents(built) == before


@pytest.mark.parametrize("kind", ["stable-audio", "audioldm"])
def test_captions_that_are_cut_are_counted_each_time(
    kind: str, dataset: Dataset, built: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    trainee = request.getfixturevalue({"stable-audio": "stable", "audioldm": "ldm"}[kind])
    limit = trainee._tokenizer.model_max_length
    words = [["loud"] * count for count in (1, limit, limit + 7)]
    lengths = [len(trainee._tokenizer(" ".join(own)).input_ids) for own in words]
    captions = [" ".join(own) for own in words]
    examples = tuple(replace(dataset.examples[0], id=f"e{i}", caption=text) for i, text in enumerate(captions))
    first = dataset.hashes[dataset.examples[0].id]
    long = replace(dataset, examples=examples, hashes={example.id: first for example in examples})
    expected = {text: n - limit for text, n in zip(captions, lengths, strict=True) if n > limit}
    assert len(expected) == 2
    for _ in range(2):
        told = Told()
        assert LatentCache.build(trainee, long, tmp_path, told).unread == expected
        assert len(told.notes) == 1
    if kind == "stable-audio":
        assert LatentCache.build(trainee, dataset, built).unread == {}


def test_more_examples_extend_the_cache(stable: StableAudioTrainee, dataset: Dataset, tmp_path: Path) -> None:
    LatentCache.build(stable, replace(dataset, examples=dataset.examples[:3]), tmp_path)
    before, told = contents(tmp_path), Told()
    cache = LatentCache.build(stable, dataset, tmp_path, told)
    assert told.begun["encoding audio"] == (6, 3)
    assert before.items() <= contents(tmp_path).items()
    assert_same(cache, stable, dataset)


def test_a_killed_build_is_taken_up(
    stable: StableAudioTrainee, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latent_shards, "MOST_ENTRIES", 2)
    child = os.fork()
    if child == 0:
        LatentCache.build(stable, dataset, tmp_path, Told(dies_after=5))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    before, told = contents(tmp_path), Told()
    cache = LatentCache.build(stable, dataset, tmp_path, told)
    assert told.begun["encoding audio"] == (6, 4)  # the fifth was encoded, and waited for its shard to fill
    assert before.items() <= contents(tmp_path).items()
    assert_same(cache, stable, dataset)


def test_what_was_done_before_an_error_is_kept(stable: StableAudioTrainee, dataset: Dataset, tmp_path: Path) -> None:
    broken = replace(dataset.examples[4], path=tmp_path / "gone.flac")
    with pytest.raises(DataError, match=r"gone\.flac: "):
        LatentCache.build(stable, replace(dataset, examples=(*dataset.examples[:4], broken)), tmp_path / "cache")
    told = Told()
    LatentCache.build(stable, dataset, tmp_path / "cache", told)
    assert told.begun["encoding audio"] == (6, 4)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty])
@pytest.mark.parametrize("what", ["latents-*", "conditions-*"])
def test_a_damaged_shard_is_made_again(
    stable: StableAudioTrainee, dataset: Dataset, cache_folder: Path, damage: Any, what: str
) -> None:
    before = contents(cache_folder)
    shard = shards(cache_folder, what)[0]
    damage(shard)
    told = Told()
    cache = LatentCache.build(stable, dataset, cache_folder, told)
    (note,) = told.notes
    assert str(shard) in note
    assert contents(cache_folder) == before
    assert_same(cache, stable, dataset)


def test_a_full_disk_stops_with_one_line_and_leaves_nothing_half_written(
    stable: StableAudioTrainee, dataset: Dataset, tmp_path: Path
) -> None:
    """RLIMIT_FSIZE makes every write beyond a size fail as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(UsageError, match=re.escape(str(tmp_path))) as caught:
            LatentCache.build(stable, dataset, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {}
    assert_same(LatentCache.build(stable, dataset, tmp_path), stable, dataset)


@pytest.mark.parametrize("place", ["/proc/tunebench-cache", "/dev/null/cache"])
def test_a_folder_that_cannot_be_written_to(stable: StableAudioTrainee, dataset: Dataset, place: str) -> None:
    with pytest.raises(UsageError, match=re.escape(place)):
        LatentCache.build(stable, dataset, Path(place))


def test_another_checkpoints_cache_is_neither_used_nor_touched(
    stable: StableAudioTrainee, dataset: Dataset, cache_folder: Path, tmp_path: Path
) -> None:
    before = contents(cache_folder)
    folder = tiny.make("stable-audio", tmp_path / "other", seed=1)
    other, told = opened("stable-audio", folder), Told()
    cache = LatentCache.build(other, dataset, cache_folder, told)
    assert told.begun == {"encoding audio": (6, 0), "encoding captions": (6, 0)}
    assert before.items() <= contents(cache_folder).items()
    assert_same(cache, other, dataset)
    assert_same(LatentCache.build(stable, dataset, cache_folder), stable, dataset)


def test_a_shard_about_something_else_is_left_alone(
    stable: StableAudioTrainee, ldm: AudioLDMTrainee, dataset: Dataset, cache_folder: Path
) -> None:
    """As when folders are copied into each other."""
    LatentCache.build(ldm, dataset, cache_folder)
    (mine,), (theirs,) = (shards(cache_folder, f"latents-{tensor_shards_name(trainee)}") for trainee in (stable, ldm))
    mine.unlink()
    stray = Path(shutil.copy(theirs, mine.with_name(theirs.name)))
    told = Told()
    assert_same(LatentCache.build(stable, dataset, cache_folder, told), stable, dataset)
    assert told.notes == []
    assert stray.is_file()


def test_only_its_own_leftovers_are_cleared_away(
    stable: StableAudioTrainee, dataset: Dataset, cache_folder: Path
) -> None:
    folder = shards(cache_folder)[0].parent
    abandoned, fresh = folder / f".{'0' * 16}.123.part", folder / f".{'1' * 16}.124.part"
    foreign = [folder / "notes.safetensors", folder / ".notes.part", folder / "notes.txt"]
    for path in (abandoned, fresh, *foreign):
        path.write_bytes(b"something")
    for path in (abandoned, *foreign):
        os.utime(path, (0, 0))
    told = Told()
    LatentCache.build(stable, dataset, cache_folder, told)
    assert not abandoned.exists()
    assert fresh.exists()
    assert all(path.read_bytes() == b"something" for path in foreign)
    assert told.notes == []


def tensor_shards_name(trainee: Trainee) -> str:
    from bench.hashing import fingerprint

    return fingerprint(trainee.fingerprint)[:16]


def test_a_file_that_changed_is_refused(stable: StableAudioTrainee, dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "changed.flac"
    write_flac(path, sound(1.0, seed=99))
    changed = replace(dataset, examples=(replace(dataset.examples[0], path=path),))
    with pytest.raises(DataError, match=r"changed\.flac: "):
        LatentCache.build(stable, changed, tmp_path / "cache")


def test_latents_that_are_not_finite_are_refused(stable_audio_folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    trainee = opened("stable-audio", stable_audio_folder)
    trainee._encoders.vae.encoder.conv2.bias.data[0] = float("nan")
    with pytest.raises(DataError, match=r"0\.flac: .*not finite"):
        LatentCache.build(trainee, dataset, tmp_path)


def test_sounds_as_conditions_are_kept_beside_the_same_latents(
    ldm: AudioLDMTrainee, hearing: AudioLDMTrainee, dataset: Dataset, tmp_path: Path
) -> None:
    LatentCache.build(ldm, dataset, tmp_path)
    told = Told()
    cache = LatentCache.build(hearing, dataset, tmp_path, told)
    assert told.begun == {"encoding audio": (6, 0)}  # of the audio; latents are those that the text trainee made
    assert len(shards(tmp_path, "latents-*")) == 1
    for example in dataset.examples:
        expected = hearing.condition_of_audio(read_audio(example.path))["embedding"]
        assert torch.equal(cache.condition(example)["embedding"], expected)
    first, _, _, _, _, alike, other = (cache.condition(example)["embedding"] for example in dataset.examples)
    assert torch.equal(first, alike)
    assert not torch.equal(first, other)
