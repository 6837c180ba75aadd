from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio
from bench.errors import MissingError, Undefined
from metrics.embedders import musicnn
from metrics.embedders.musicnn import (
    RATE,
    MusicnnMSD,
    MusicnnMTT,
    Training,
    log_mel_patches,
    run_network,
    tag_log_odds,
    tag_names,
)
from metrics.networks.onnx import load_network

TUNE = [60, 64, 67, 72, 67, 64, 62, 65, 69, 74]
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "musicnn-golden.json").read_text())
BOTH = pytest.mark.parametrize("training", ["msd", "mtt"])


def golden_signal() -> np.ndarray:
    """Twenty decaying notes of three partials, 10 s at 16 kHz."""
    time = np.arange(10 * RATE) / RATE
    samples = np.zeros(len(time))
    for i in range(20):
        playing = (time >= i / 2) & (time < i / 2 + 0.5)
        u = time[playing] - i / 2
        f = 440 * 2 ** ((TUNE[i % 10] - 69) / 12)
        partials = sum(np.sin(2 * np.pi * k * f * u) / 2 ** (k - 1) for k in (1, 2, 3))
        samples[playing] += np.exp(-4 * u) * partials
    return (0.3 * samples).astype(np.float32)


@BOTH
def test_the_network_agrees_with_the_original_graph(training: Training) -> None:
    """The expected outputs were computed with the published TensorFlow checkpoints."""
    golden = GOLDEN[training.upper()]
    tags, embeddings = run_network(log_mel_patches(golden_signal()), training)
    assert len(embeddings) == golden["patches"]
    assert list(tag_names(training)) == golden["labels"]
    np.testing.assert_allclose(tags.mean(axis=0), golden["mean_tags"], atol=1e-4)
    np.testing.assert_allclose(embeddings[0, :8], golden["embedding_first_patch_first8"], atol=1e-4)
    np.testing.assert_allclose(embeddings[-1, :8], golden["embedding_last_patch_first8"], atol=1e-4)
    assert golden["sha256"] == musicnn.SHA256[training]


def test_the_front_end_is_librosas() -> None:
    """Powers that differ in their last bit may round to neighbouring numbers of half precision, and few do."""
    from librosa.feature import melspectrogram

    samples = golden_signal() + np.random.default_rng(0).normal(0, 1e-3, 10 * RATE).astype(np.float32)
    theirs = melspectrogram(y=samples, sr=RATE, n_fft=512, hop_length=256, n_mels=96).astype(np.float16)
    wanted = np.log10(10_000 * theirs.astype(np.float32) + 1).T[: 3 * 187].reshape(3, 187, 96)
    ours = log_mel_patches(samples.astype(np.float32, copy=False))
    np.testing.assert_allclose(ours, wanted, atol=1e-3)
    assert np.count_nonzero(ours != wanted) < 1e-3 * ours.size


@BOTH
def test_tags_follow_from_embeddings_alone(training: Training) -> None:
    rng = np.random.default_rng(0)
    noise = log_mel_patches((0.2 * rng.standard_normal(7 * RATE)).astype(np.float32))
    patches = np.concatenate([log_mel_patches(golden_signal()), noise])
    tags, embeddings = run_network(patches, training)
    np.testing.assert_allclose(1 / (1 + np.exp(-tag_log_odds(embeddings, training))), tags, atol=1e-5)


@pytest.mark.parametrize("embedder", [MusicnnMSD(), MusicnnMTT()])
@settings(max_examples=10, deadline=None)
@given(gain=st.floats(-40, 20), channels=st.integers(1, 3))
def test_gain_and_channels_do_not_matter(embedder: MusicnnMSD | MusicnnMTT, gain: float, channels: int) -> None:
    samples = golden_signal()[: 4 * RATE]
    louder = np.tile(samples * np.float32(10 ** (gain / 20)), (channels, 1))
    reference = embedder.embed(Audio(samples, RATE))
    # Half precision in the front end turns a last-bit difference into one step of a thousandth.
    np.testing.assert_allclose(embedder.embed(Audio(louder, RATE)), reference, atol=2e-3)


def test_loudness_would_matter_without_normalisation() -> None:
    loud, quiet = (
        run_network(log_mel_patches(g * golden_signal()), "msd")[1] for g in (np.float32(1), np.float32(0.1))
    )
    assert np.linalg.norm(loud - quiet, axis=1).min() > 3


@settings(max_examples=15, deadline=None)
@given(seconds=st.floats(0.5, 13), rate=st.sampled_from([16_000, 22_050, 44_100]))
def test_windows_are_those_that_the_weights_promise(seconds: float, rate: int) -> None:
    rng = np.random.default_rng(1)
    audio = Audio((0.1 * rng.standard_normal(round(seconds * rate))).astype(np.float32), rate)
    vectors, weights = MusicnnMSD().embed(audio), MusicnnMSD().weights(audio)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(weights), 200)
    assert ((weights > 0) & (weights <= 1)).all()
    assert len(vectors) == max(1, int((seconds * RATE // 256 + 1) // 187))


def test_every_patch_is_heard_by_itself() -> None:
    samples = golden_signal()
    patches = log_mel_patches(np.tile(samples, 4))
    alone = np.concatenate([run_network(patch[None], "mtt")[1] for patch in patches])
    np.testing.assert_allclose(run_network(patches, "mtt")[1], alone, atol=1e-4)
    assert np.abs(alone[0] - alone[-1]).max() > 0.1


def test_silence_has_no_embedding() -> None:
    with pytest.raises(Undefined, match="silent"):
        MusicnnMSD().embed(Audio(np.zeros((2, 44_100), dtype=np.float32), 44_100))


def test_a_burst_that_overflows_half_precision_still_has_a_finite_embedding() -> None:
    rumble = np.sin(2 * np.pi * 12 * np.arange(5 * RATE) / RATE).astype(np.float32)
    assert np.isfinite(MusicnnMSD().embed(Audio(rumble, RATE))).all()


def test_weights_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(musicnn.SHA256, "msd", hashlib.sha256(b"another").hexdigest())
        with pytest.raises(MissingError, match=r"musicnn-msd\.onnx: .*\bmusicnn 0\.1\.0"):
            musicnn._session.__wrapped__("msd")
    with pytest.raises(MissingError, match="are missing; reinstall"):
        load_network(
            files("metrics.embedders") / "weights" / "musicnn-fma.onnx", musicnn.SHA256["msd"], "musicnn 0.1.0"
        )
