"""Checkpoints and recordings that several files of these tests train with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import Audio
from bench.contracts.audio import write_flac
from models import tiny


def write_tones(folder: Path, count: int) -> None:
    """Write so many tones of unequal length into a new folder, stereo at 8 kHz, with a caption each."""
    folder.mkdir()
    for number in range(count):
        time = np.arange(8000 + 1024 * (number % 3)) / 8000
        tone = np.sin(2 * np.pi * (200 + 60 * number) * time).astype(np.float32) / 4
        write_flac(folder / f"{number}.flac", Audio(np.stack([tone, tone]), 8000))
        (folder / f"{number}.txt").write_text(f"a tone, number {number}")


@pytest.fixture(scope="module")
def stable_audio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def audioldm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("audioldm", tmp_path_factory.mktemp("checkpoints") / "base")
