"""CDPAM's encoder with random weights, and its checkpoint as Python 2 wrote it."""

from __future__ import annotations

import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Audio
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, MissingError, UsageError
from metrics.embedders.cdpam import CDPAM, _encoder
from metrics.embedders.preparation import prepare
from metrics.embedders.windows import network_input
from metrics.networks.python2_checkpoint import load_python2_state, with_python3_integers

torch = pytest.importorskip("torch")

KEY = 139_832_181_927_520


class SmallCDPAM(CDPAM):
    """The same layers, an eighth as wide."""

    filters = 8
    dimension = 64


def as_python2(content: bytes) -> bytes:
    """The bytes of a checkpoint with its long integers as Python 2 wrote them."""
    import io

    source, parts = io.BytesIO(content), []
    for number in range(5):
        opcodes = list(pickletools.genops(source))
        ends = [place for *_, place in opcodes[1:]] + [source.tell()]
        for (opcode, value, place), end in zip(opcodes, ends, strict=True):
            long = number == 3 and opcode.name == "LONG1" and abs(int(str(value))) > 2**31
            parts.append(f"I{value}\n".encode() if long else content[place or 0 : end])
    return b"".join(parts) + content[source.tell() :]


def save_as_python2(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(as_python2(path.read_bytes()))


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    torch.manual_seed(3)
    network = _encoder(8)
    for name, values in network.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            values.normal_(0, 0.1)
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def checkpoint(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cdpam") / "model.pth"
    whole = {f"base_encoder.{name}": value for name, value in state.items()}
    optimizer = {"state": {KEY: {"step": 7, "exp_avg": torch.ones(2)}, -KEY: {}}}
    save_as_python2(
        {"epochs": 2000, "optim": optimizer, "state": whole | {"model_dist.convs.0.0.bias": torch.zeros(3)}}, path
    )
    return path


def tone(seconds: float, rate: int = 44_100) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio(0.2 * np.array([np.sin(2 * np.pi * 220 * time), np.sin(2 * np.pi * (300 + 99 * time) * time)]), rate)


def published_forward(state: dict[str, Any], samples: np.ndarray) -> np.ndarray:
    """The layers of ``cdpam.models.base_encoder`` one by one."""
    functional = torch.nn.functional
    x = torch.from_numpy(samples)[None, None]
    for layer in range(16):
        x = functional.conv1d(x, state[f"encoder.{layer}.weight"], state[f"encoder.{layer}.bias"], padding=7)
        norm = [state[f"ebatch.{layer}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        x = functional.leaky_relu(functional.batch_norm(x, *norm), 0.1)
        if (layer + 1) % 4 == 0:
            x = x[:, :, ::2]
    return (torch.sum(x, dim=2) / x.shape[2])[0].numpy()


@pytest.mark.parametrize("mode", ["acoustic", "content"])
def test_under_fadtk_the_last_second_is_as_long_as_it_is(mode: str, checkpoint: Path, state: dict[str, Any]) -> None:
    embedder = SmallCDPAM(str(checkpoint), mode, front_end="fadtk")
    audio = tone(2.3)
    vectors = embedder.embed(audio)
    assert vectors.shape == (3, 64)
    assert embedder.weights(audio).tolist() == [1, 1, 1]
    # 16-bit samples are whole numbers again, as librosa.load and CdpamModel.load_wav have them.
    heard = prepare(audio, 22_050, embedder.front_ends["fadtk"]).astype(np.float32)
    whole = np.round(heard * 32768)
    np.testing.assert_allclose(whole, heard.astype(np.float64) * 32768, atol=1e-3)
    for second in range(3):
        features = published_forward(state, whole[second * 22_050 : (second + 1) * 22_050])
        half = features[:64] if mode == "acoustic" else features[64:]
        np.testing.assert_allclose(vectors[second], half / np.linalg.norm(half), atol=1e-3)
    assert set(np.unique(vectors.astype(np.float16).astype(np.float32) - vectors)) == {0}


def test_its_own_front_end_levels_and_pads(checkpoint: Path, state: dict[str, Any]) -> None:
    embedder = SmallCDPAM(str(checkpoint))
    audio = tone(1.25)
    vectors = embedder.embed(audio)
    assert vectors.shape == (2, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(embedder.embed(audio), vectors)
    assert embedder.weights(audio) == pytest.approx([1, 0.25])
    last = np.pad(np.round(network_input(audio, 22_050)[22_050:] * 32768), (0, 22_050))[:22_050]
    half = published_forward(state, last.astype(np.float32))[:64]
    np.testing.assert_allclose(vectors[1], half / np.linalg.norm(half), atol=1e-5)
    np.testing.assert_allclose(embedder.embed(Audio(audio.samples * np.float32(0.3), 44_100)), vectors, atol=1e-3)


def test_the_published_network_has_1024_features_and_its_rate() -> None:
    shapes = {name: tuple(value.shape) for name, value in _encoder(64).state_dict().items()}
    assert shapes["encoder.0.weight"] == (64, 1, 15)
    assert shapes["encoder.3.weight"] == (128, 64, 15)
    assert shapes["encoder.15.weight"] == (1024, 512, 15)
    assert (CDPAM.dimension, CDPAM.rate) == (512, 22_050)


def test_integers_of_python_2_are_read_and_nothing_else_changes(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Unsupported operand 73"):
        torch.load(checkpoint, weights_only=True)
    content = torch.load(checkpoint, weights_only=False)  # written above
    assert set(content["optim"]["state"]) == {KEY, -KEY}
    read = load_python2_state(checkpoint, "state", "cdpam")
    assert read.keys() == content["state"].keys()
    assert all(torch.equal(read[name], value) for name, value in content["state"].items())
    for number in (2**31, -(2**31) - 1, 2**63, -(2**63), 2**40 - 1):
        save_as_python2({number: 1}, tmp_path / "n.pth")
        modern = tmp_path / "modern.pth"
        modern.write_bytes(with_python3_integers((tmp_path / "n.pth").read_bytes()))
        assert torch.load(modern, weights_only=True) == {number: 1}


def test_a_checkpoint_that_was_saved_anew_is_read(checkpoint: Path, tmp_path: Path) -> None:
    state = load_python2_state(checkpoint, "state", "cdpam")
    torch.save({"state": state}, tmp_path / "new.pth")
    audio = tone(0.5)
    np.testing.assert_array_equal(
        SmallCDPAM(str(tmp_path / "new.pth")).embed(audio), SmallCDPAM(str(checkpoint)).embed(audio)
    )


def test_a_checkpoint_runs_no_code_and_says_what_is_wrong_with_it(checkpoint: Path, tmp_path: Path) -> None:
    class Malice:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    path = tmp_path / "m.pth"
    save_as_python2({"state": {"a": torch.zeros(1)}, "optim": {KEY: Malice()}}, path)
    whole = checkpoint.read_bytes()
    contents = [path.read_bytes(), whole[:60], whole[: len(whole) // 2], b"<html>", b"", b"\x80\x02garbage"]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            SmallCDPAM(str(path)).embed(tone(0.5))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
    save_as_python2({"model": {KEY: 1}}, path)
    with pytest.raises(DataError, match=rf"{re.escape(str(path))}.*'state'"):
        SmallCDPAM(str(path)).embed(tone(0.5))
    with pytest.raises(DataError, match=re.escape(str(checkpoint))):  # another network
        CDPAM(str(checkpoint)).embed(tone(0.5))


def test_mode_and_checkpoint_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"'both'.*acoustic.*content"):
        CDPAM(mode="both")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingError, match=r"pip download --no-deps cdpam==0\.0\.6"):
        CDPAM().check_weights()


def test_mode_and_front_end_are_in_the_identity_and_the_place_is_not(checkpoint: Path) -> None:
    def identity(**params: str) -> dict[str, Any]:
        ref = EmbedderRef("cdpam", {"checkpoint": str(checkpoint), **params})
        return embedder_identity(ref, load_embedder(ref))

    assert identity()["params"] == {"mode": "acoustic"}
    assert identity(mode="content")["params"]["mode"] == "content"
    fadtk = identity(front_end="fadtk")["front_end"]
    assert (fadtk["window"], fadtk["hop"], fadtk["padding"], fadtk["rounding"]) == (1, 1, "shorter", ["wav"])
    assert fadtk["resampler"] == "torchaudio-kaiser"
    assert (fadtk["level"], fadtk["precision"]) == ("none", 16)
