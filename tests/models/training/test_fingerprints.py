"""What was trained on is known by its sound from the adapter's folder alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench import Audio, find_duplicates
from bench.contracts.audio import content_hash, read_audio, write_flac
from bench.contracts.fingerprint_file import NAME, read_fingerprints
from bench.progress import Silent
from models.training.dataset import Example
from models.training.fingerprints import keep_fingerprints


def tune(seed: int, seconds: float = 12.0, rate: int = 16_000) -> Audio:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 220 * 2 ** (rng.integers(0, 24, 99)[(time / rng.uniform(0.3, 0.5)).astype(int)] / 12)
    wave = sum(np.sin(2 * np.pi * np.cumsum(pitch * h) / rate) / h for h in (1, 2, 3))
    return Audio((0.2 * wave).astype(np.float32), rate)


def test_a_copy_of_what_was_trained_on_is_found_without_the_training(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for seed in range(3):
        write_flac(tmp_path / f"train/{seed}.flac", tune(seed))
    paths = sorted((tmp_path / "train").iterdir())
    examples = [Example(path.name, path.stem, path, "music") for path in [*paths, paths[0], tmp_path / "gone.flac"]]
    hashes = {path.name: content_hash(read_audio(path)) for path in paths} | {"gone.flac": "0" * 64}
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    keep_fingerprints(adapter, examples, hashes, Silent())
    assert [(one.id, one.content) for one in read_fingerprints(adapter / NAME)] == [
        (path.name, hashes[path.name]) for path in paths
    ]
    for path in paths:
        path.unlink()
    (tmp_path / "reference").mkdir()
    copy = tune(1)
    write_flac(tmp_path / "reference/x.flac", Audio(copy.samples[:, 8000:] / 2, copy.rate))
    write_flac(tmp_path / "reference/y.flac", tune(7))
    (pair,) = find_duplicates([adapter, tmp_path / "reference"])["pairs"]
    assert (pair["a_recording"], pair["b_recording"], pair["whole"]) == ("1.flac", "x.flac", True)


def test_without_recordings_there_is_no_file(tmp_path: Path) -> None:
    keep_fingerprints(tmp_path, [], {}, Silent())
    assert list(tmp_path.iterdir()) == []
