"""What a program is given under a front end, against the publisher's steps written out here."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from bench import Audio
from bench.errors import DataError, Undefined, UsageError
from metrics.embedders.command import CommandEmbedder
from metrics.embedders.front_ends import COMMAND
from metrics.embedders.preparation import blocks_of, prepare

librosa = pytest.importorskip("librosa")
pytest.importorskip("torch")

OPENL3, PASST = COMMAND["stable-audio-metrics-openl3"], COMMAND["stable-audio-metrics-passt"]
CLASSES = 527


def music(seconds: float, rate: int = 48_000, channels: int = 2) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    sides = [0.3 * np.sin(2 * np.pi * (110 + 40 * time) * time), 0.5 * np.cos(2 * np.pi * 440 * time) + 0.05]
    return Audio(np.array([*sides, 1.5 * sides[1]][:channels], dtype=np.float32), rate)


def peak_normalized(data: np.ndarray) -> np.ndarray:
    """``pyloudnorm.normalize.peak(data, -1.0)`` in the precision of the NumPy that the publisher names."""
    return np.float32(10.0 ** (-1.0 / 20.0) / np.max(np.abs(data))) * data


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("rate", [48_000, 44_100, 32_000])
def test_openl3_gets_what_stable_audio_metrics_prepares(rate: int, channels: int) -> None:
    audio = music(1.7, rate, channels)
    # extract_embeddings: librosa.load(sr=None, mono=False).T, of which mono has one dimension
    loaded = audio.samples.T if channels > 1 else audio.samples[0]
    resampled = soxr.resample(peak_normalized(loaded), rate, 44_100)  # of three channels, the third is the loudest
    left, right = (resampled, resampled) if channels == 1 else (resampled[:, 0], resampled[:, 1])
    samples = prepare(audio, 44_100, OPENL3)
    np.testing.assert_array_equal(samples, np.stack([left, right]))
    assert OPENL3.rate == 44_100


def return_windows(audio: np.ndarray, rate: int) -> list[np.ndarray]:
    """The windows of ``passt_kld.return_probabilities`` of a file of mono audio."""
    loaded = librosa.resample(audio, orig_sr=rate, target_sr=32_000)
    samples, length, step = peak_normalized(loaded), 320_000, 160_000
    windows = []
    for start in range(0, max(step, len(samples) - step), step):
        window = samples[start : start + length]
        if length > len(window) > int(length * 0.15):
            padded = np.zeros(length)
            padded[: len(window)] = window
            window = padded
        windows.append(window.astype(np.float32))
    return windows


@pytest.mark.parametrize("seconds", [1.2, 1.5, 1.6, 7.0, 10.0, 10.01, 14.9, 15.0, 15.1, 26.0])
def test_passt_gets_the_windows_of_stable_audio_metrics(seconds: float) -> None:
    audio = music(seconds, 44_100)
    expected = return_windows(librosa.to_mono(audio.samples), 44_100)
    windows = [window for block in blocks_of(audio, 32_000, PASST) for window in block]
    assert [len(window) for window in windows] == [len(window) for window in expected]
    for found, wanted in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., CommandEmbedder]:
    def write(body: str, dimension: int, **params: Any) -> CommandEmbedder:
        script = tmp_path / "embed.py"
        head = """
            import json, sys
            import numpy as np
            import soundfile
            vectors = {}
            for request in map(json.loads, open(sys.argv[1])):
        """
        tail = "np.savez(open(sys.argv[2], 'wb'), **vectors)\n"
        script.write_text(textwrap.dedent(head) + textwrap.indent(textwrap.dedent(body), "    ") + tail)
        return CommandEmbedder([sys.executable, str(script), "{requests}", "{vectors}"], dimension, **params)

    return write


_LOGITS = """
rows = [soundfile.read(window)[0][:527] for window in request["windows"]]
vectors[request["id"]] = np.array(rows, dtype=np.float32)
"""


def test_probabilities_are_the_softmax_of_the_mean_of_logits(program: Callable[..., CommandEmbedder]) -> None:
    embedder = program(_LOGITS, CLASSES, front_end=PASST.name)
    audio = music(17)
    vectors = embedder.embed(audio)
    logits = np.mean([window[:CLASSES] for window in return_windows(librosa.to_mono(audio.samples), 48_000)], axis=0)
    assert vectors.shape == (1, CLASSES)
    np.testing.assert_allclose(vectors[0], np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
    assert vectors.sum() == pytest.approx(1, abs=1e-5)
    assert embedder.weights(audio).tolist() == [1]


def test_a_program_gets_two_channels_at_the_rate_of_openl3(program: Callable[..., CommandEmbedder]) -> None:
    embedder = program(
        """
        samples, rate = soundfile.read(request["clip"], dtype="float32")
        assert rate == 44_100 and "windows" not in request and abs(request["duration"] - 2) < 0.01
        vectors[request["id"]] = samples[:3]
        """,
        2,
        front_end=OPENL3.name,
    )
    audio = music(2)
    np.testing.assert_array_equal(embedder.embed(audio), prepare(audio, 44_100, OPENL3).T[:3])


def test_a_clip_that_cannot_be_prepared_costs_no_other(program: Callable[..., CommandEmbedder]) -> None:
    embedder = program(_LOGITS, CLASSES, front_end=PASST.name)
    silent, short = Audio(np.zeros((1, 48_000), np.float32), 48_000), music(0.2)
    found = embedder.embed_together([silent, music(3), short])
    assert [type(each) for each in found] == [Undefined, np.ndarray, Undefined]
    assert [type(each) for each in embedder.embed_together([silent, short])] == [Undefined, Undefined]


def test_a_vector_for_each_window_is_wanted(program: Callable[..., CommandEmbedder]) -> None:
    body = "vectors[request['id']] = np.ones((len(request['windows']) - 1, 527))\n"
    with pytest.raises(DataError, match=r"\b1 vectors .*\b2 windows"):
        program(body, CLASSES, front_end=PASST.name).embed(music(12))


def test_settings_of_ones_own_prepare_and_cut(program: Callable[..., CommandEmbedder]) -> None:
    own = {"name": "mine", "channels": "first", "level": "loudness", "target": -20, "rate": 16_000}
    body = """
    parts = [soundfile.read(window) for window in request["windows"]]
    assert {rate for _, rate in parts} == {16_000}
    vectors[request["id"]] = np.array([[len(samples), samples.std()] for samples, _ in parts])
    """
    embedder = program(body, 2, front_end={**own, "window": 2, "hop": 1.5, "padding": "shorter"})
    vectors = embedder.embed(music(4))
    assert vectors[:, 0].tolist() == [32_000, 32_000, 16_000]
    louder = program(body, 2, front_end={**own, "target": -14, "window": 2, "hop": 1.5, "padding": "shorter"})
    np.testing.assert_allclose(louder.embed(music(4))[:, 1], vectors[:, 1] * 10 ** (6 / 20), rtol=1e-4)


def test_an_unknown_front_end_is_refused() -> None:
    embedder = CommandEmbedder(["x", "{requests}", "{vectors}"], 2, front_end="stable-audio-metrics-past")
    with pytest.raises(UsageError, match="'stable-audio-metrics-passt'"):
        embedder.published_front_end  # noqa: B018


def test_without_a_front_end_the_very_samples_are_given(program: Callable[..., CommandEmbedder]) -> None:
    audio = music(0.1)
    body = "vectors[request['id']] = soundfile.read(request['clip'], dtype='float32')[0][:5]\n"
    np.testing.assert_array_equal(program(body, 2).embed(audio), audio.samples.T[:5])
