"""Human music through each base's autoencoder, against the libraries' own encoding and decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench import Audio, DataError, GenerationRequest, Prompt, UsageError
from bench.contracts.audio import write_flac
from models import tiny
from models.real_music import RealMusic
from models.training.reconstruction import Reconstruction, architecture

PROMPT = Prompt("p", "music")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chords that decay, of which one is played."""
    folder = tmp_path_factory.mktemp("music")
    time = np.arange(12_000) / 8000
    for name, root in (("a", 220.0), ("b", 330.0)):
        chord = sum(np.sin(2 * np.pi * root * ratio * time) for ratio in (1, 1.25, 1.5))
        write_flac(folder / f"{name}.flac", Audio((0.2 * chord * np.exp(-time)).astype(np.float32), 8000))
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {kind: tiny.make(kind, folder / kind) for kind in ("stable-audio", "audioldm", "audioldm2", "musicgen")}


def reconstructed(music: Path, checkpoint: Path, seconds: float = 1.0) -> tuple[Audio, Audio]:
    """A clip and what is left of it."""
    request = GenerationRequest(PROMPT, 1, seconds)
    original, model = RealMusic(music), Reconstruction(music, str(checkpoint))
    assert original.available([PROMPT]) == model.available([PROMPT]) == {"p": [1]}
    assert original.plays() == model.plays() and original.request_fingerprint(request) == model.request_fingerprint(
        request
    )
    found = []
    for row in (original, model):
        (clip,) = row.generate([request])
        assert isinstance(clip, Audio)
        found.append(clip)
    (again,) = model.generate([request])
    assert isinstance(again, Audio) and np.array_equal(again.samples, found[1].samples)
    model.close()
    return found[0], found[1]


def test_stable_audio_as_the_library_encodes_and_decodes(music: Path, checkpoints: dict[str, Path]) -> None:
    from diffusers import AutoencoderOobleck

    clip, heard = reconstructed(music, checkpoints["stable-audio"], 1.01)
    vae = AutoencoderOobleck.from_pretrained(checkpoints["stable-audio"] / "vae").eval()
    assert (heard.rate, heard.channels) == (vae.config.sampling_rate, 2)
    assert heard.frames == round(1.01 * heard.rate)
    wave = np.repeat(clip.mono(heard.rate)[None], 2, axis=0)
    wave = np.pad(wave, ((0, 0), (0, -wave.shape[1] % vae.hop_length)))
    with torch.no_grad():
        expected = vae(torch.from_numpy(wave)[None], sample_posterior=False).sample[0].numpy()
    np.testing.assert_allclose(heard.samples, expected[:, : heard.frames], atol=1e-6)


def test_musicgen_as_the_library_encodes_and_decodes(music: Path, checkpoints: dict[str, Path]) -> None:
    from transformers import MusicgenForConditionalGeneration

    clip, heard = reconstructed(music, checkpoints["musicgen"])
    codec = MusicgenForConditionalGeneration.from_pretrained(checkpoints["musicgen"]).audio_encoder.eval()
    with torch.no_grad():
        expected = codec(torch.from_numpy(clip.mono(heard.rate).copy())[None, None]).audio_values[0].numpy()
    np.testing.assert_allclose(heard.samples, expected[:, : heard.frames], atol=1e-5)


@pytest.mark.parametrize("kind", ["audioldm", "audioldm2"])
def test_audioldm_as_its_training_encodes_and_its_pipeline_decodes(
    music: Path, checkpoints: dict[str, Path], kind: str
) -> None:
    from diffusers import AutoencoderKL
    from transformers import SpeechT5HifiGan

    from models.training.audioldm import AudioLDMTrainee

    clip, heard = reconstructed(music, checkpoints[kind])
    assert heard.channels == 1 and heard.frames == heard.rate
    trainee = AudioLDMTrainee(checkpoints["audioldm"], {}, torch.float32)
    mean = trainee.encode(clip).mean
    vae = AutoencoderKL.from_pretrained(checkpoints["audioldm"] / "vae").eval()
    vocoder = SpeechT5HifiGan.from_pretrained(checkpoints["audioldm"] / "vocoder").eval()
    with torch.no_grad():
        wave = vocoder(vae.decode(mean[None] / vae.config.scaling_factor).sample[0]).numpy().reshape(-1)
    if kind == "audioldm":  # the other has weights of its own
        likeness = np.corrcoef(wave[: heard.frames], heard.samples[0])[0, 1]
        assert likeness == pytest.approx(1, abs=1e-5)
    # At the level of the original: twice as loud goes in, twice as loud comes out.
    half = Audio(clip.samples / 2, clip.rate)
    model = Reconstruction(music, str(checkpoints[kind]))
    codec = model._open()
    ratio = model._reconstructed(clip, codec).peak / model._reconstructed(half, codec).peak
    assert ratio == pytest.approx(2, rel=1e-3)


def test_what_has_no_autoencoder_that_is_known_is_refused(music: Path, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(UsageError, match="FluxPipeline"):
        architecture(str(tmp_path), None)
    with pytest.raises(UsageError):
        Reconstruction(music, str(tmp_path / "none")).check_weights()
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(DataError):
        Reconstruction(music, str(tmp_path)).generate([GenerationRequest(PROMPT, 1, 1.0)])
