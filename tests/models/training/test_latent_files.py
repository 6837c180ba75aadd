"""Training on latents that were encoded beforehand, as stable-audio-tools' pre_encode.py writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from safetensors.torch import save_file

from bench.errors import DataError, UsageError
from models.card import read_card
from models.training.batches import draw
from models.training.config import DataConfig, TrainConfig, parse_train_config
from models.training.data import load_dataset
from models.training.dataset import Dataset
from models.training.latents import LatentCache
from models.training.registry import open_trainee
from models.training.split import split
from models.training.train import train

torch.set_num_threads(1)

CHANNELS, RATE, HOP = 8, 8000, 512  # of the small checkpoint
PADDED, FRAMES = 80, 50


def latent(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal((CHANNELS, PADDED)).astype(np.float32)


def description(number: int, **changes: Any) -> dict[str, Any]:
    """What stable-audio-tools writes beside a latent, with a prompt from a module of the user."""
    return {
        "path": f"/data/song-{number // 2}.wav",
        "relpath": f"song-{number // 2}.wav",
        "timestamps": [0.0, 1.0],
        "seconds_start": 3 * (number % 2),
        "seconds_total": 9,
        "padding_mask": [1] * FRAMES + [0] * (PADDED - FRAMES),
        "sample_rate": RATE,
        "load_time": 0.01,
        "prompt": f"song number {number}",
    } | changes


def write(folder: Path, count: int = 4, ending: str = ".npy", **changes: Any) -> Path:
    for number in range(count):
        path = (
            folder / str(number % 2) / f"{number // 2:013d}{ending}"
        )  # two processes, whose files have the same names
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".npy":
            np.save(path, latent(number))
        else:
            save_file({"latents": torch.from_numpy(latent(number)).half()}, path)
        path.with_suffix(".json").write_text(json.dumps(description(number, **changes)))
    details = {"model_config": "vae.json", "sample_size": PADDED * HOP, "args": {"ckpt_path": "/models/vae_model.ckpt"}}
    (folder / "details.json").write_text(json.dumps(details))
    return folder


def load(folder: Path, **settings: Any) -> Dataset:
    return load_dataset(DataConfig(path=str(folder), **settings))


def config(checkpoint: Path, data: Path, **changes: Any) -> TrainConfig:
    content: dict[str, Any] = {
        "base": {"kind": "stable-audio", "checkpoint": str(checkpoint)},
        "data": {"path": str(data), "validation": 0.4},
        "lora": {"rank": 2},
        "steps": 2,
        "batch": 2,
        "device": "cpu",
    }
    return parse_train_config(content | changes)


@pytest.mark.parametrize(("ending", "closeness"), [(".npy", 0), (".safetensors", 2e-3)])
def test_what_is_trained_on_is_what_the_files_hold(
    stable_audio_folder: Path, tmp_path: Path, ending: str, closeness: float
) -> None:
    dataset = load(write(tmp_path / "data", ending=ending))
    trainee = open_trainee(config(stable_audio_folder, tmp_path / "data"))
    cache = LatentCache.build(trainee, dataset, tmp_path / "cache")
    assert dataset.about["format"] == "latents" and dataset.about["encoded_with"] == "vae_model.ckpt"
    for number in range(4):
        file = f"{number % 2}/{number // 2:013d}{ending}"
        (example,) = (example for example in dataset.examples if example.id == file)
        assert (example.caption, example.recording) == (f"song number {number}", f"song-{number // 2}")
        kept = cache.latent(example)
        np.testing.assert_allclose(kept.mean.numpy(), latent(number)[:, :FRAMES], atol=closeness)
        assert not kept.std.any() and (kept.start, kept.seconds) == (3 * (number % 2), 9)
        drawn = draw(np.random.default_rng(0), cache, trainee, example, 20, 0.1)
        first = round((drawn.start - kept.start) * RATE / HOP)
        assert drawn.total == 9 and 0 <= first <= FRAMES - 20
        assert torch.equal(drawn.latent, kept.mean[:, first : first + 20])
    again = load(tmp_path / "data")
    assert again.fingerprint == dataset.fingerprint
    write(tmp_path / "data", ending=ending, seconds_total=10)
    assert load(tmp_path / "data").fingerprint != dataset.fingerprint


def test_a_training_on_latents_is_a_training(stable_audio_folder: Path, tmp_path: Path) -> None:
    wanted = config(stable_audio_folder, write(tmp_path / "data"))
    made = train(wanted, tmp_path / "out")
    card = read_card(made.folder)
    assert made.steps == 2 and len(card.data.train) == len(card.data.held_out) == 2  # crops of a song stay together
    assert "not known" in card.data.about["sounds"]
    dataset = load(tmp_path / "data", validation=0.4)
    parts = split(dataset, wanted.data, wanted.seed)
    assert not {e.recording for e in parts.train} & {e.recording for e in parts.held_out}


def test_latents_of_another_autoencoder_are_refused(
    stable_audio_folder: Path, audioldm_folder: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "data")
    trainee = open_trainee(config(stable_audio_folder, folder))

    def refused(trainee: Any) -> str:
        with pytest.raises(UsageError) as caught:
            LatentCache.build(trainee, load(folder), tmp_path / "cache")
        return str(caught.value)

    first = folder / "0" / f"{0:013d}.npy"
    np.save(first, latent(0)[:4])
    assert "4 channels" in refused(trainee)
    np.save(first, latent(0))
    write(folder, sample_rate=44100)
    assert "44100 Hz" in refused(trainee)
    write(folder)
    details = json.loads((folder / "details.json").read_text())
    (folder / "details.json").write_text(json.dumps(details | {"sample_size": PADDED * HOP * 2}))
    assert "1024 samples a frame" in refused(trainee)
    (folder / "details.json").write_text(json.dumps(details | {"sample_size": PADDED * HOP + HOP // 2}))
    LatentCache.build(trainee, load(folder), tmp_path / "cache")  # the crop ended within a frame
    other = config(stable_audio_folder, folder, base={"kind": "audioldm", "checkpoint": str(audioldm_folder)})
    assert "base.kind is audioldm" in refused(open_trainee(other))


def a_pickle(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def a_forged_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(8, 80), ", b"(8, 9999999999999), ", 1)[:200])


MISTAKES: dict[str, Callable[[Path], object]] = {
    "shape": lambda path: np.save(path, latent(0)[None]),
    "whole numbers": lambda path: np.save(path, np.ones((CHANNELS, PADDED), dtype=np.int64)),
    "not finite": lambda path: np.save(path, latent(0) * np.float32("nan")),
    "not an array": a_pickle,
    "or damaged": a_forged_header,
    "damaged (": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(50)),
}


@pytest.mark.parametrize("says", MISTAKES)
def test_a_damaged_latent_is_left_out_and_named(tmp_path: Path, says: str) -> None:
    folder = write(tmp_path)
    MISTAKES[says](folder / "0" / f"{0:013d}.npy")
    (item,) = load(folder, bad_share=0.3).skipped
    assert item.id == f"0/{0:013d}.npy" and says in item.why and "\n" not in item.why


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"padding_mask": [1] * 3}, "padding_mask"),
        ({"padding_mask": [0] * PADDED}, "all of it is padding"),
        ({"padding_mask": 1}, "padding_mask"),
        ({"seconds_total": None}, "seconds_total"),
        ({"seconds_total": float("nan")}, "seconds_total"),
        ({"seconds_start": -1}, "seconds_start"),
        ({"prompt": None}, "there is no caption"),
        ({"prompt": float("nan")}, "there is no caption"),
    ],
)
def test_a_description_that_cannot_be_is_named(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    folder = write(tmp_path)
    (folder / "0" / f"{0:013d}.json").write_text(json.dumps(description(0, **changes)))
    (item,) = load(folder, bad_share=0.3).skipped
    assert item.id == f"0/{0:013d}.npy" and says in item.why


def test_latents_need_prompts_and_a_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "data")
    for file in folder.rglob("0*.json"):
        content = json.loads(file.read_text())
        del content["prompt"]
        file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="'caption'"):
        load(folder)
    with pytest.raises(UsageError, match=r"'audio'.* latents"):
        load(folder, audio=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "empty"))):
        load(tmp_path / "empty", format="latents")
