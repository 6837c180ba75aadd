"""Microsoft's CLAP: what the package msclap 1.3.4 gave with the same weights, and its preprocessing written out."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Audio
from bench.contracts.audio import content_hash
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.metric import DecodedClip
from bench.contracts.prompt import Prompt
from bench.errors import DataError, MissingError, Undefined
from bench.hashing import fingerprint
from metrics.alignment import ClapScore, clap_score
from metrics.embedders.clap_ms import ClapMS
from metrics.embedders.front_ends import CLAP_MS
from metrics.embedders.preparation import prepare
from metrics.embedders.resampling import resample
from metrics.networks.clap_ms import Sizes
from tests.metrics.embedders.conftest import windows_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

KNOWN = json.loads((Path(__file__).parents[1] / "data" / "clap-ms.json").read_text())
RATE, WORDS = 44_100, 300
SMALL = Sizes(depths=(2, 2, 1, 1), heads=(1, 2, 4, 8), width=16, words=WORDS, layers=2)


class SmallClapMS(ClapMS):
    sizes = SMALL


def weights(name: str, shape: list[int]) -> np.ndarray:
    """The formula by which msclap's network was given its weights, too."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("melW"):
        return np.abs(values) / 500
    if name.endswith("running_var"):
        return 100 + 50 * np.abs(values)
    if name.endswith("running_mean"):
        return 5 * values
    if len(shape) == 1:
        is_norm = ("norm" in name or "bn" in name or ".ln_" in name) and name.endswith("weight")
        return 0.05 * values + is_norm
    return values * (0.03 if "stft" in name else 0.1)


def tensor(name: str, shape: list[int]) -> Any:
    if name.endswith("relative_position_index") or not shape:
        return torch.zeros(shape, dtype=torch.long)
    return torch.zeros(shape) if name.endswith("attn_mask") else torch.from_numpy(weights(name, shape)).float()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As msclap's training saved it: with masks, a classifier, and the buffers of an older GPT-2."""
    state = {name: tensor(name, shape) for name, shape in KNOWN["tensors"].items()}
    for layer in range(2):
        state[f"caption_encoder.base.h.{layer}.attn.bias"] = torch.ones(1, 1, 8, 8, dtype=torch.bool)
        state[f"caption_encoder.base.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    path = tmp_path_factory.mktemp("msclap") / "weights.pth"
    torch.save({"model": state, "epoch": 3}, path)
    return path


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2's bytes, among which the exclamation mark is the first, and some merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("gpt2")
    merges = [("Ġ", "s"), ("a", "n"), ("!", "!")]
    words = [*sorted(ByteLevel.alphabet()), *("".join(merge) for merge in merges)]
    words += [f"<word {number}>" for number in range(WORDS - len(words) - 1)] + ["<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    return folder


@pytest.fixture(scope="module")
def clap(checkpoint: Path, tokenizer: Path) -> ClapMS:
    return SmallClapMS(str(checkpoint), tokenizer=str(tokenizer), front_end="msclap")


def music(seconds: float, rate: int = RATE) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    left = 0.3 * np.sin(2 * np.pi * (200 + 30 * time) * time)
    return Audio(np.array([left, 0.1 * np.cos(2 * np.pi * 777 * time)], dtype=np.float32), rate)


def test_audio_and_text_are_what_msclap_gives_with_the_same_weights(clap: ClapMS) -> None:
    time = np.arange(7 * RATE) / RATE
    chirp = 0.3 * np.sin(2 * np.pi * (200 + 30 * time) * time)
    mono = (chirp + 0.1 * np.sin(2 * np.pi * 1234 * time) * (1 + np.sin(5 * time))).astype(np.float32)
    vectors = clap._vectors(np.stack([mono, mono[::-1] * np.float32(0.5)]))
    assert vectors.shape == (2, 1024)
    np.testing.assert_allclose(vectors[:, :48], KNOWN["audio"], atol=2e-5)
    (whole,) = clap.embed(Audio(mono, RATE))  # exactly one window: nothing is drawn
    np.testing.assert_allclose(whole[:48], KNOWN["audio"][0], atol=2e-5)
    tokens = np.zeros((2, 77), dtype=np.int64)
    tokens[0, :4], tokens[1, :9] = [7, 30, 41, 299], [5, 0, 12, 0, 0, 88, 200, 17, 299]
    mask = np.zeros_like(tokens)
    mask[0, :4] = mask[1, :9] = 1
    with torch.inference_mode():
        texts = clap._network.text(torch.from_numpy(tokens), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(texts[:, :48], KNOWN["text"], atol=2e-5)


def load_audio_into_tensor(waveform: Any, start: int) -> np.ndarray:
    """As in ``CLAPWrapper`` after resampling, with the place that it draws given."""
    series = waveform.reshape(-1)
    if series.shape[0] <= 7 * RATE:
        series = series.repeat(int(np.ceil(7 * RATE / series.shape[0])))
        return series[0 : 7 * RATE].numpy()
    return series[start : start + 7 * RATE].numpy()


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, RATE), (2.9, 32_000), (3.5, RATE), (5.0, 48_000)])
def test_a_window_is_what_msclap_prepares(seconds: float, rate: int) -> None:
    audio, front_end = music(seconds, rate), CLAP_MS["msclap"]
    channels = torch.from_numpy(
        np.stack([resample(channel, rate, RATE, "torchaudio-hann-double") for channel in audio.samples])
    )
    start = 0
    if 2 * seconds > 7:
        seed = int(fingerprint(["front-end", "window", content_hash(audio)]), 16)
        start = int(np.random.default_rng(seed).integers(0, channels.numel() - 7 * RATE))
    (window,) = windows_of(audio, RATE, front_end)
    np.testing.assert_array_equal(window, load_audio_into_tensor(channels, start))
    assert "channels one after another" in front_end.text
    assert "random place" in front_end.text


@pytest.mark.parametrize("name", ["fadtk", "kadtk"])
def test_fadtk_and_kadtk_hear_seven_seconds_every_second(name: str) -> None:
    audio = music(8.2)
    heard = prepare(audio, RATE, CLAP_MS[name]).reshape(1, -1)  # what load_wav reads of the 16-bit file
    chunks = [heard[:, i : i + 7 * RATE] for i in range(0, heard.shape[1], RATE)]
    padded = [np.pad(chunk, ((0, 0), (0, 7 * RATE - chunk.shape[1]))) for chunk in chunks]
    windows = windows_of(audio, RATE, CLAP_MS[name])
    np.testing.assert_array_equal(windows, np.concatenate(padded).astype(np.float32))
    assert len(windows) == 9
    # Between whole numbers of 16 bits there is nothing.
    np.testing.assert_array_equal(np.round(windows * 32768), windows * 32768)


def test_its_own_front_end_hears_windows_side_by_side(clap: ClapMS) -> None:
    own = SmallClapMS(clap.checkpoint, tokenizer=clap.tokenizer)
    audio = music(8.4)
    vectors = own.embed(audio)
    assert vectors.shape == (2, 1024)
    assert own.weights(audio) == pytest.approx([1, 0.2])
    louder = own.embed(Audio(audio.samples * np.float32(2), RATE))
    np.testing.assert_allclose(louder, vectors, atol=1e-3)
    with pytest.raises(Undefined):
        own.embed(Audio(np.zeros(RATE, np.float32), RATE))


def test_texts_end_with_a_token_and_exclamation_marks_fill_up(clap: ClapMS) -> None:
    texts = ["slow jazz", "Great! A loud song!!", "", "!!!", "x" * 200]
    vectors = clap.embed_text(texts)
    assert vectors.shape == (5, 1024)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(clap.embed_text([text])[0], vector, atol=1e-4)
    (ids,) = clap._tokenizer(["a!! <|endoftext|>"])["input_ids"]
    assert ids[1:3] == [0, 0]  # never merged: the mark is a special token of msclap's
    assert ids[-1] == WORDS - 1
    assert np.abs(vectors[0] - vectors[4]).max() > 0.1
    assert np.isfinite(clap.embed_text(["word " * 2000])).all()


def test_clap_score_is_the_cosine_of_the_package(checkpoint: Path, tokenizer: Path, clap: ClapMS) -> None:
    """As ``compute_similarity`` without the learnt scale."""
    audio, prompt = music(9), Prompt("p", "slow jazz")
    params = {"tokenizer": str(tokenizer), "front_end": "msclap"}
    metric = ClapScore(str(checkpoint), embedder="clap-ms", embedder_params=params)
    (ref,) = metric.embedders
    assert ref == EmbedderRef("clap-ms", {"checkpoint": str(checkpoint), **params})

    class Clip(DecodedClip):
        def embedder(self, _: EmbedderRef) -> ClapMS:
            return clap

        def embedding(self, _: EmbedderRef) -> np.ndarray:
            return clap.embed(audio)

    score = metric.score(Clip(audio, prompt))
    a, t = clap.embed(audio)[0], clap.embed_text(["slow jazz"])[0]
    expected = float(a @ t / np.linalg.norm(a) / np.linalg.norm(t))
    assert score.value == pytest.approx(expected, abs=1e-6) == pytest.approx(clap_score([a], [1], t), abs=1e-6)
    assert score.details == {"windows": 1}


def test_what_is_missing_or_another_network_is_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match=r"CLAP_weights_2023\.pth"):
        ClapMS().check_weights()
    for use in (lambda: ClapMS("microsoft/msclap").check_weights(), lambda: ClapMS("microsoft/msclap").fingerprint()):
        with pytest.raises(MissingError, match="huggingface"):
            use()
    content = torch.load(checkpoint, weights_only=True)
    name = "audio_encoder.base.htsat.layers.1.blocks.0.attn.qkv.weight"
    for change in ("removed", "NaN", "shape"):
        state = dict(content["model"])
        if change == "removed":
            del state[name]
        else:
            state[name] = torch.full((96, 32 if change == "NaN" else 33), float("nan"))
        torch.save({"model": state}, tmp_path / "bad.pth")
        with pytest.raises(DataError) as caught:
            SmallClapMS(str(tmp_path / "bad.pth")).embed(music(1))
        assert "attention.self." in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(MissingError, match="tokenizer"):
        SmallClapMS(str(checkpoint), tokenizer=str(tmp_path)).embed_text(["a"])


def test_the_front_end_and_the_weights_are_the_identity(checkpoint: Path) -> None:
    def identity(**params: Any) -> dict[str, Any]:
        ref = EmbedderRef("clap-ms", {"checkpoint": str(checkpoint), **params})
        return embedder_identity(ref, load_embedder(ref))

    assert set(identity()) == {"plugin", "weights"}
    assert identity(front_end="msclap")["front_end"]["channels"] == "joined"
    assert identity(tokenizer="elsewhere") == identity()
